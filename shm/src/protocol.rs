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
//! and says which ABI the rings have. Descriptors travel by `SCM_RIGHTS` from the broker to pods only, in the
//! number that [`BrokerMessage::descriptors`] states; a pod that sends any is disconnected.
//!
//! Decoding accepts exactly what encoding produces: unknown kinds, spare octets that are not 0, numbers out of
//! range and trailing octets are errors. It never panics and allocates no more than a message can carry.

mod broker_message;
mod pod_message;
mod reason;
mod refusal;
mod wire;

#[cfg(test)]
mod tests;

pub use broker_message::{BrokerMessage, FlowEntry, FlowOrigin};
pub use pod_message::PodMessage;
pub use reason::Reason;
pub use refusal::Refusal;
pub use wire::DecodeError;

/// Oldest protocol version that this build speaks.
pub const VERSION_MIN: u16 = 1;
/// Newest protocol version that this build speaks.
pub const VERSION_MAX: u16 = 1;
/// Longest message, in octets.
pub const MAX_MESSAGE_OCTETS: usize = 2048;
/// Most descriptors that one message carries.
pub const MAX_DESCRIPTORS: usize = 5;
/// Most flows that one [`BrokerMessage::Flows`] lists; the next page begins after its last name.
pub const MAX_FLOWS_A_PAGE: usize = 12;

/// The version for a pod that speaks `min` to `max`, or none.
#[must_use]
pub fn common_version(min: u16, max: u16) -> Option<u16> {
    let version = max.min(VERSION_MAX);
    (version >= min.max(VERSION_MIN)).then_some(version)
}
