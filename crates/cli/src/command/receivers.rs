//! `receivers`: thin over the API.

use control::{Endpoint, v1};

use crate::arguments::{AddReceiver, ReceiverAction};
use crate::gateway::Gateway;
use crate::printer::Printer;
use crate::view::{DeletedView, ReceiverMadeView, ReceiverView, ReceiversView};
use crate::{Exit, Failure, sdp_file};

pub(super) fn run(endpoint: &Endpoint, action: Option<ReceiverAction>, printer: Printer) -> Result<Exit, Failure> {
    match action.unwrap_or(ReceiverAction::List) {
        ReceiverAction::List => {
            let receivers = list(&mut Gateway::connect(endpoint, printer)?)?;
            let view = ReceiversView { receivers };
            printer.result(&view, || view.text())?;
        }
        ReceiverAction::Add(arguments) => {
            let request = request(arguments)?;
            let mut gateway = Gateway::connect(endpoint, printer)?;
            let made = gateway.call(async |client| client.create_receiver(request).await)?;
            let view = ReceiverMadeView { receiver: made.receiver.unwrap_or_default().into() };
            printer.result(&view, || view.text())?;
        }
        ReceiverAction::Del { name } => {
            let mut gateway = Gateway::connect(endpoint, printer)?;
            let request = v1::DeleteReceiverRequest { name: name.to_string() };
            gateway.call(async |client| client.delete_receiver(request).await)?;
            printer.result(&DeletedView { deleted: name.to_string() }, || format!("receiver {name} is gone\n"))?;
        }
    }
    Ok(Exit::Success)
}

pub(super) fn list(gateway: &mut Gateway) -> Result<Vec<ReceiverView>, Failure> {
    let receivers = gateway.call(async |client| client.list_receivers(v1::ListReceiversRequest {}).await)?.receivers;
    Ok(receivers.into_iter().map(Into::into).collect())
}

fn request(arguments: AddReceiver) -> Result<v1::CreateReceiverRequest, Failure> {
    let second = super::second_leg(arguments.second_at, &arguments.second_sources, arguments.second_interface);
    Ok(v1::CreateReceiverRequest {
        second,
        skew_ms: arguments.skew_ms,
        name: arguments.name.to_string(),
        sdp: sdp_file::read(&arguments.sdp)?,
        interface: arguments.interface.unwrap_or_default(),
        slots: arguments.slots.map(u32::from).unwrap_or_default(),
        reorder_packets: arguments.reorder_packets,
        grain_timeout_ms: arguments.grain_timeout_ms,
        receive_buffer_octets: arguments.receive_buffer_octets,
        default_rate: arguments.default_rate.map(|rate| rate.to_string()).unwrap_or_default(),
    })
}
