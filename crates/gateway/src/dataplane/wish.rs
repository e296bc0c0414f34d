//! What the crosspoints give a sender.

use media::Name;
use worker::ReceiverKey;

/// What a sender should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// A ring, by its flow and epoch.
    Ring(Name, u128),
    /// A relay.
    Relay(ReceiverKey),
    /// To forward nothing.
    Home,
}
