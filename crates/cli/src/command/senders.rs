//! `senders`: thin over the API.

use control::{Endpoint, v1};

use crate::arguments::{AddSender, Limit, Packing, Schedule, SenderAction, SenderTiming, SenderType};
use crate::gateway::Gateway;
use crate::printer::Printer;
use crate::view::{DeletedView, SenderMadeView, SenderView, SendersView};
use crate::{Exit, Failure};

pub(super) fn run(endpoint: &Endpoint, action: Option<SenderAction>, printer: Printer) -> Result<Exit, Failure> {
    match action.unwrap_or(SenderAction::List) {
        SenderAction::List => {
            let view = SendersView { senders: list(&mut Gateway::connect(endpoint, printer)?)? };
            printer.result(&view, || view.text())?;
        }
        SenderAction::Add(arguments) => {
            let mut gateway = Gateway::connect(endpoint, printer)?;
            let made = gateway.call(async |client| client.create_sender(request(arguments)).await)?;
            let view = SenderMadeView { sender: made.sender.unwrap_or_default().into() };
            printer.result(&view, || view.text())?;
        }
        SenderAction::Del { name } => {
            let mut gateway = Gateway::connect(endpoint, printer)?;
            let request = v1::DeleteSenderRequest { name: name.to_string() };
            gateway.call(async |client| client.delete_sender(request).await)?;
            printer.result(&DeletedView { deleted: name.to_string() }, || format!("sender {name} is gone\n"))?;
        }
    }
    Ok(Exit::Success)
}

pub(super) fn list(gateway: &mut Gateway) -> Result<Vec<SenderView>, Failure> {
    let senders = gateway.call(async |client| client.list_senders(v1::ListSendersRequest {}).await)?.senders;
    Ok(senders.into_iter().map(Into::into).collect())
}

fn request(arguments: AddSender) -> v1::CreateSenderRequest {
    let packing = match arguments.packing {
        Packing::Gpm => v1::PackingMode::General,
        Packing::Bpm => v1::PackingMode::Block,
    };
    let limit = match arguments.limit {
        Limit::Standard => v1::UdpLimit::Standard,
        Limit::Extended => v1::UdpLimit::Extended,
    };
    let timing = match arguments.timing {
        SenderTiming::Source => v1::SenderTiming::Source,
        SenderTiming::Grid => v1::SenderTiming::Grid,
    };
    let sender_type = match arguments.sender_type {
        SenderType::Narrow => v1::SenderType::Narrow,
        SenderType::NarrowLinear => v1::SenderType::NarrowLinear,
        SenderType::Wide => v1::SenderType::Wide,
    };
    let schedule = match arguments.schedule {
        Schedule::Gapped => v1::ReadSchedule::Gapped,
        Schedule::Linear => v1::ReadSchedule::Linear,
    };
    let second = arguments.second_to.map(|destination| v1::SenderLeg {
        destination: destination.to_string(),
        source_address: arguments.second_from.unwrap_or_default(),
        interface: arguments.second_interface.unwrap_or_default(),
    });
    v1::CreateSenderRequest {
        second,
        name: arguments.name.to_string(),
        destination: arguments.destination.to_string(),
        source_address: arguments.source_address.unwrap_or_default(),
        interface: arguments.interface.unwrap_or_default(),
        payload_type: arguments.payload_type.into(),
        packing: packing.into(),
        limit: limit.into(),
        timing: timing.into(),
        sender_type: sender_type.into(),
        schedule: schedule.into(),
        lateness_frames: arguments.lateness_frames.into(),
        lateness_ms: arguments.lateness_ms.into(),
        dscp: Some(arguments.dscp.into()),
        ttl: Some(arguments.ttl.into()),
        relay_keep: arguments.relay_keep,
        relay_payload_type: arguments.relay_payload_type.into(),
    }
}
