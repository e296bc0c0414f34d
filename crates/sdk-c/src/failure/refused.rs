//! What the gateway refuses, as a number and values.

use shm::Refusal;

use super::Failure;
use crate::status::Status::{self, *};

/// The failure of `refusal`, which says `text`. What has no number of its own is refused for the reason in its text.
pub(super) fn refused(refusal: &Refusal, text: String) -> Failure {
    let failure = |status: Status| Failure::new(status, text);
    match *refusal {
        Refusal::Version { min, max } => failure(FLYPACK_E_VERSION).with(c"min", min).with(c"max", max),
        Refusal::User { uid } => failure(FLYPACK_E_NOT_ALLOWED).with(c"uid", uid),
        Refusal::Flow { uid, right, flow } => {
            let failure = failure(FLYPACK_E_NOT_ALLOWED).with(c"uid", uid);
            failure.with(c"right", right.to_string()).with(c"flow", flow.to_string())
        }
        // Either way it is not there.
        Refusal::NoSuchFlow | Refusal::FlowEnded => failure(FLYPACK_E_NO_SUCH_FLOW),
        Refusal::NameTaken | Refusal::NameKept => failure(FLYPACK_E_NAME_TAKEN),
        Refusal::Live => failure(FLYPACK_E_LIVE),
        Refusal::Memory { octets, errno } => failure(FLYPACK_E_NO_MEMORY).with(c"octets", octets).with(c"errno", errno),
        Refusal::PodMemory { octets, left } => failure(FLYPACK_E_NO_MEMORY).with(c"octets", octets).with(c"left", left),
        Refusal::Connections { limit } | Refusal::Requests { limit } | Refusal::Flows { limit } => {
            failure(FLYPACK_E_LIMIT).with(c"limit", limit)
        }
        Refusal::Consumers { limit } => failure(FLYPACK_E_LIMIT).with(c"limit", limit),
        Refusal::UserConnections { uid, limit }
        | Refusal::UserConsumers { uid, limit }
        | Refusal::UserFlows { uid, limit } => failure(FLYPACK_E_LIMIT).with(c"limit", limit).with(c"uid", uid),
        Refusal::RingTooLarge { octets, limit } => {
            failure(FLYPACK_E_LIMIT).with(c"limit", limit).with(c"octets", octets)
        }
        Refusal::UserMemory { uid, octets, left } => {
            failure(FLYPACK_E_LIMIT).with(c"limit", left).with(c"uid", uid).with(c"octets", octets)
        }
        Refusal::Slots { slots, min, max } => {
            failure(FLYPACK_E_LIMIT).with(c"limit", max).with(c"slots", slots).with(c"min", min)
        }
        Refusal::OpenGrains { open_max, max } => {
            failure(FLYPACK_E_LIMIT).with(c"limit", max).with(c"open_max", open_max)
        }
        Refusal::Lease { k, limit } => failure(FLYPACK_E_LIMIT).with(c"limit", limit).with(c"k", k),
        Refusal::Admission { slots, k, needed, works } => {
            let failure = failure(FLYPACK_E_LIMIT).with(c"limit", works).with(c"k", k);
            failure.with(c"slots", slots).with(c"needed", needed)
        }
        Refusal::UserSlots { uid, k, left } => {
            failure(FLYPACK_E_LIMIT).with(c"limit", left).with(c"uid", uid).with(c"k", k)
        }
        Refusal::WriterSilent { waited_ms } | Refusal::NotMapped { waited_ms } => {
            failure(FLYPACK_E_REFUSED).with(c"waited_ms", waited_ms)
        }
        Refusal::Descriptors { errno } => failure(FLYPACK_E_REFUSED).with(c"errno", errno),
        Refusal::Placement(_)
        | Refusal::NotSealed
        | Refusal::ProducerRefused
        | Refusal::Stopping
        | Refusal::NotYours
        | Refusal::LiveOnly
        | Refusal::Adoption(_) => failure(FLYPACK_E_REFUSED),
    }
}
