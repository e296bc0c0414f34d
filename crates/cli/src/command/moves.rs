//! `move`: gives a receiver, sender or relay, or all of a port, to another worker.

use control::{Endpoint, v1};

use crate::arguments::Move;
use crate::gateway::Gateway;
use crate::printer::Printer;
use crate::view::MovedView;
use crate::{Exit, Failure};

pub(super) fn run(endpoint: &Endpoint, arguments: Move, printer: Printer) -> Result<Exit, Failure> {
    use v1::move_stream_request::Stream;
    let mut gateway = Gateway::connect(endpoint, printer)?;
    let Move { receiver, sender, relay, port, worker } = arguments;
    let [receiver, sender, relay, port] = [receiver, sender, relay, port].map(|name| name.map(|name| name.to_string()));
    let stream = receiver.clone().map(Stream::Receiver);
    let stream = stream.or_else(|| sender.clone().map(Stream::Sender)).or_else(|| relay.clone().map(Stream::Relay));
    let stream = stream.or_else(|| port.clone().map(Stream::Port));
    let request = v1::MoveStreamRequest { stream, worker: worker.clone() };
    gateway.call(async |client| client.move_stream(request).await)?;
    let view = MovedView { receiver, sender, relay, port, worker };
    printer.result(&view, || view.text())?;
    Ok(Exit::Success)
}
