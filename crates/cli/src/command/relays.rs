//! `relays`: thin over the API.

use control::{Endpoint, v1};

use crate::arguments::{AddRelay, RelayAction};
use crate::gateway::Gateway;
use crate::printer::Printer;
use crate::view::{DeletedView, RelayMadeView, RelayView, RelaysView};
use crate::{Exit, Failure, sdp_file};

pub(super) fn run(endpoint: &Endpoint, action: Option<RelayAction>, printer: Printer) -> Result<Exit, Failure> {
    let mut gateway = Gateway::connect(endpoint, printer)?;
    match action.unwrap_or(RelayAction::List) {
        RelayAction::List => {
            let view = RelaysView { relays: list(&mut gateway)? };
            printer.result(&view, || view.text())?;
        }
        RelayAction::Add(arguments) => {
            let request = request(*arguments)?;
            let made = gateway.call(async |client| client.create_relay(request).await)?;
            let view = RelayMadeView { relay: made.relay.unwrap_or_default().into() };
            printer.result(&view, || view.text())?;
        }
        RelayAction::Del { name } => {
            let request = v1::DeleteRelayRequest { name: name.to_string() };
            gateway.call(async |client| client.delete_relay(request).await)?;
            printer.result(&DeletedView { deleted: name.to_string() }, || format!("relay {name} is gone\n"))?;
        }
    }
    Ok(Exit::Success)
}

fn list(gateway: &mut Gateway) -> Result<Vec<RelayView>, Failure> {
    let relays = gateway.call(async |client| client.list_relays(v1::ListRelaysRequest {}).await)?.relays;
    Ok(relays.into_iter().map(Into::into).collect())
}

fn request(arguments: AddRelay) -> Result<v1::CreateRelayRequest, Failure> {
    let second = super::second_leg(arguments.second_listen, &arguments.second_sources, arguments.second_interface);
    Ok(v1::CreateRelayRequest {
        second,
        sdp: arguments.sdp.as_deref().map(sdp_file::read).transpose()?.unwrap_or_default(),
        name: arguments.name.to_string(),
        listen: arguments.listen.map(|listen| listen.to_string()).unwrap_or_default(),
        sources: arguments.sources.iter().map(ToString::to_string).collect(),
        interface: arguments.interface.unwrap_or_default(),
        clock_hz: arguments.clock_hz.unwrap_or_default(),
        backlog_packets: arguments.backlog_packets.unwrap_or_default(),
        backlog_ms: arguments.backlog_ms.unwrap_or_default(),
        receive_buffer_octets: arguments.receive_buffer_octets,
    })
}
