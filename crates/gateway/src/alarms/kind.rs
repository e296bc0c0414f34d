//! The kinds of objects that alarms are about.

use std::fmt;

/// What an alarm is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A receiver.
    Receiver,
    /// A sender.
    Sender,
    /// A relay.
    Relay,
    /// A port.
    Port,
    /// A ring.
    Flow,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Receiver => "receiver",
            Self::Sender => "sender",
            Self::Relay => "relay",
            Self::Port => "port",
            Self::Flow => "flow",
        })
    }
}
