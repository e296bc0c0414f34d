//! CONFIG: what exists. Each object is owned by the scope that made it.

use std::collections::BTreeMap;
use std::fmt;

use media::Name;

use crate::{ReceiverSpec, RelaySpec, SenderSpec};

/// Who owns an object: only its owner takes it away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The configuration file.
    File,
    /// An operator, over the API.
    Operator,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::File => "file",
            Self::Operator => "operator",
        })
    }
}

/// A specification with its owner.
#[derive(Clone, Debug)]
pub struct Owned<S> {
    /// Who owns it.
    pub scope: Scope,
    /// What was asked for.
    pub spec: S,
}

/// Everything that exists, by name. Bounded by [`Config::MAX_RECEIVERS`] and [`Config::MAX_SENDERS`].
#[derive(Clone, Debug, Default)]
pub struct Config {
    pub(crate) receivers: BTreeMap<Name, Owned<ReceiverSpec>>,
    pub(crate) senders: BTreeMap<Name, Owned<SenderSpec>>,
    pub(crate) relays: BTreeMap<Name, Owned<RelaySpec>>,
}

impl Config {
    /// Receivers that one gateway holds at most.
    pub const MAX_RECEIVERS: usize = 256;
    /// Senders that one gateway holds at most.
    pub const MAX_SENDERS: usize = 256;

    /// Relays that one gateway holds at most.
    pub const MAX_RELAYS: usize = 256;

    /// The relays, by name.
    pub fn relays(&self) -> impl Iterator<Item = &Owned<RelaySpec>> {
        self.relays.values()
    }

    /// The receivers, by name.
    pub fn receivers(&self) -> impl Iterator<Item = &Owned<ReceiverSpec>> {
        self.receivers.values()
    }

    /// The senders, by name.
    pub fn senders(&self) -> impl Iterator<Item = &Owned<SenderSpec>> {
        self.senders.values()
    }

    /// The receiver of that name.
    #[must_use]
    pub fn receiver(&self, name: &Name) -> Option<&Owned<ReceiverSpec>> {
        self.receivers.get(name)
    }

    /// The sender of that name.
    #[must_use]
    pub fn sender(&self, name: &Name) -> Option<&Owned<SenderSpec>> {
        self.senders.get(name)
    }
}
