//! `ports`: thin over the API.

use control::{Endpoint, v1};

use crate::arguments::PortAction;
use crate::gateway::Gateway;
use crate::printer::Printer;
use crate::view::{PortRestartedView, PortsView};
use crate::{Exit, Failure};

pub(super) fn run(endpoint: &Endpoint, action: Option<PortAction>, printer: Printer) -> Result<Exit, Failure> {
    let mut gateway = Gateway::connect(endpoint, printer)?;
    match action.unwrap_or(PortAction::List) {
        PortAction::List => {
            let answer = gateway.call(async |client| client.get_node(v1::GetNodeRequest {}).await)?;
            let ports = answer.node.unwrap_or_default().ports;
            let view = PortsView { ports: ports.into_iter().map(Into::into).collect() };
            printer.result(&view, || view.text())?;
        }
        PortAction::Restart { name } => {
            let request = v1::RestartPortRequest { name: name.to_string() };
            let answer = gateway.call(async |client| client.restart_port(request).await)?;
            let view = PortRestartedView { restarted: answer.port.unwrap_or_default().into() };
            printer.result(&view, || view.text())?;
        }
    }
    Ok(Exit::Success)
}
