//! `take`: connects a sender to a flow, or to nothing.

use control::{Endpoint, v1};

use crate::arguments::Take;
use crate::gateway::Gateway;
use crate::printer::Printer;
use crate::view::TakenView;
use crate::{Exit, Failure};

pub(super) fn run(endpoint: &Endpoint, arguments: Take, printer: Printer) -> Result<Exit, Failure> {
    let mut gateway = Gateway::connect(endpoint, printer)?;
    let destination = arguments.destination.to_string();
    let source = arguments.source.map(|source| source.to_string());
    let request = v1::TakeRequest {
        destination: destination.clone(),
        source: source.clone().unwrap_or_default(),
        accept_absent: arguments.accept_absent,
    };
    let taken = gateway.call(async |client| client.take(request).await)?;
    let previous_source = Some(taken.previous_source).filter(|name| !name.is_empty());
    let view = TakenView { destination, source, previous_source, version: taken.version };
    printer.result(&view, || view.text())?;
    Ok(Exit::Success)
}
