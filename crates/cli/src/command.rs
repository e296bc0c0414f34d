//! The commands, by name.

use std::net::{IpAddr, SocketAddr};

use control::{Endpoint, v1};

use crate::arguments::{Arguments, Command};
use crate::gateway::Gateway;
use crate::printer::Printer;
use crate::view::{FlowsView, ObjectStatisticsView, SdpView, StatisticsView, StatusView};
use crate::{Exit, Failure, bench, doctor, recv, send};

mod archive;
mod inject;
mod moves;
mod ports;
mod receivers;
mod relays;
mod rings;
mod senders;
mod take;

/// Runs one command.
pub(crate) fn run(arguments: Arguments, printer: &Printer) -> Result<Exit, Failure> {
    let Arguments { endpoint, command, .. } = arguments;
    let printer = *printer;
    match command {
        Command::Status => status(&endpoint, printer),
        Command::Flows => flows(&endpoint, printer),
        Command::Statistics { name } => statistics(&endpoint, name.as_deref(), printer),
        Command::Sdp { sender } => sdp(&endpoint, sender.as_str(), printer),
        Command::Take(arguments) => take::run(&endpoint, arguments, printer),
        Command::Move(arguments) => moves::run(&endpoint, arguments, printer),
        Command::Receivers { action } => receivers::run(&endpoint, action, printer),
        Command::Ports { action } => ports::run(&endpoint, action, printer),
        Command::Relays { action } => relays::run(&endpoint, action, printer),
        Command::Senders { action } => senders::run(&endpoint, action, printer),
        Command::Rings(arguments) => rings::run(&endpoint, arguments, printer),
        Command::Send(arguments) => send::run(&arguments, printer),
        Command::Recv(arguments) => recv::run(&arguments, printer),
        Command::Record(arguments) => archive::record(&endpoint, arguments, printer),
        Command::Replay(arguments) => archive::replay(&endpoint, arguments, printer),
        Command::Recordings { action } => archive::recordings(&endpoint, action, printer),
        Command::Capture(arguments) => archive::capture(&endpoint, arguments, printer),
        Command::Inject(arguments) => inject::run(&endpoint, arguments, printer),
        Command::Export(arguments) => recv::export(&arguments, printer),
        Command::Doctor(arguments) => doctor::run(arguments, printer),
        Command::Bench { arguments } => Err(bench::run(&arguments, printer)),
    }
}

fn status(endpoint: &Endpoint, printer: Printer) -> Result<Exit, Failure> {
    let mut gateway = Gateway::connect(endpoint, printer)?;
    let node = gateway.call(async |client| client.get_node(v1::GetNodeRequest {}).await)?.node.unwrap_or_default();
    let crosspoints = gateway.call(async |client| client.list_crosspoints(v1::ListCrosspointsRequest {}).await)?;
    let view = StatusView {
        node: node.into(),
        receivers: receivers::list(&mut gateway)?,
        senders: senders::list(&mut gateway)?,
        crosspoint_version: crosspoints.version,
        crosspoints: crosspoints.crosspoints.into_iter().map(Into::into).collect(),
    };
    printer.result(&view, || view.text())?;
    Ok(Exit::Success)
}

fn flows(endpoint: &Endpoint, printer: Printer) -> Result<Exit, Failure> {
    let mut gateway = Gateway::connect(endpoint, printer)?;
    let flows = gateway.call(async |client| client.list_flows(v1::ListFlowsRequest {}).await)?.flows;
    let view = FlowsView { flows: flows.into_iter().map(Into::into).collect() };
    printer.result(&view, || view.text())?;
    Ok(Exit::Success)
}

fn statistics(endpoint: &Endpoint, name: Option<&str>, printer: Printer) -> Result<Exit, Failure> {
    let mut gateway = Gateway::connect(endpoint, printer)?;
    let all = gateway.call(async |client| client.get_statistics(v1::GetStatisticsRequest {}).await)?.statistics;
    let asked = all.into_iter().filter(|of| name.is_none_or(|name| of.name == name));
    let view = StatisticsView { statistics: asked.map(ObjectStatisticsView::from).collect() };
    if let (Some(name), true) = (name, view.statistics.is_empty()) {
        let message = format!("there is no object \"{name}\"; `flypack statistics` shows all");
        return Err(tonic::Status::not_found(message).into());
    }
    printer.result(&view, || view.text())?;
    Ok(Exit::Success)
}

fn sdp(endpoint: &Endpoint, sender: &str, printer: Printer) -> Result<Exit, Failure> {
    let mut gateway = Gateway::connect(endpoint, printer)?;
    let senders = senders::list(&mut gateway)?;
    let Some(found) = senders.iter().find(|view| view.name == sender) else {
        let names: Vec<&str> = senders.iter().map(|view| view.name.as_str()).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return Err(tonic::Status::not_found(format!("there is no sender \"{sender}\"; there are: {names}")).into());
    };
    let Some(sdp) = found.sdp.clone() else {
        return Err(Failure::NoSdp(match &found.source {
            None => format!(
                "sender \"{sender}\" has no SDP yet: it has no source; give it one with `flypack take {sender} FLOW`"
            ),
            Some(source) => {
                format!("sender \"{sender}\" has no SDP yet: its source \"{source}\" is not there; see `flypack flows`")
            }
        }));
    };
    let view = SdpView { sender: sender.to_owned(), sdp };
    printer.result(&view, || view.sdp.clone())?;
    Ok(Exit::Success)
}

/// The second way of a receiver or a relay, if anything of it is given.
fn second_leg(at: Option<SocketAddr>, sources: &[IpAddr], interface: Option<String>) -> Option<v1::SecondLeg> {
    (at.is_some() || !sources.is_empty() || interface.is_some()).then(|| v1::SecondLeg {
        destination: at.map(|at| at.to_string()).unwrap_or_default(),
        sources: sources.iter().map(ToString::to_string).collect(),
        interface: interface.unwrap_or_default(),
    })
}
