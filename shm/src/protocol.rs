//! The broker protocol: what pods and the gateway's broker say to each other over a `SOCK_SEQPACKET` socket.
//!
//! One datagram is one message, so a message is whole or it is refused. All numbers are little-endian, all
//! layouts fixed and written by hand:
//!
//! ```text
//!  0       2        4               8
//!  +-------+--------+---------------+------------------ - -
//!  | kind  | octets | request       | body, fixed by kind
//!  +-------+--------+---------------+------------------ - -
//! ```
//!
//! `octets` is the length of the whole message and must equal the datagram's. `request` is chosen by the pod and
//! echoed by every answer; it is 0 in what nobody asked for ([`BrokerMessage::Join`]). The first message of a pod is
//! [`PodMessage::Hello`] with the versions that it speaks; the broker answers with the version of this connection,
//! and says which ABI the rings have. Descriptors travel by `SCM_RIGHTS`, in the number that
//! [`BrokerMessage::descriptors`] and [`PodMessage::descriptors`] state: of all that a pod says only
//! [`PodMessage::Adopt`] has any, and a pod that sends others is disconnected.
//!
//! Both ends speak every version from [`Version::OLDEST`] to [`Version::NEWEST`]; fields that a version does not have
//! are left out, and what cannot be said without them is an [`EncodeError`].
//!
//! Decoding accepts exactly what encoding produces: unknown kinds, spare octets that are not 0, numbers out of
//! range and trailing octets are errors. It never panics and allocates no more than a message can carry.

mod adoption_fault;
mod broker_message;
mod fields;
mod flow_entry;
mod flow_right;
mod pod_message;
mod reason;
mod record;
mod refusal;
mod ring_request;
mod succession_token;
mod version;
mod wire;

#[cfg(test)]
mod tests;

pub use adoption_fault::AdoptionFault;
pub use broker_message::{BrokerMessage, Succession};
pub use flow_entry::{FlowEntry, FlowOrigin};
pub use flow_right::FlowRight;
pub use pod_message::{Member, MemberStage, PodMessage};
pub use reason::Reason;
pub(crate) use record::{FileId, RingRecord};
pub use refusal::Refusal;
pub use ring_request::{Blocking, RingRequest};
pub use succession_token::SuccessionToken;
pub use version::{EncodeError, Version};
pub use wire::DecodeError;

/// Longest message, in octets.
pub const MAX_MESSAGE_OCTETS: usize = 2048;
/// Most descriptors that one message carries.
pub const MAX_DESCRIPTORS: usize = 6;
/// Most flows that one [`BrokerMessage::Flows`] lists; the next page begins after its last name.
pub const MAX_FLOWS_A_PAGE: usize = 12;
