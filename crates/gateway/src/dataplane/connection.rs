//! Which ring a sender reads.

use media::{FlowFormat, Name};
use shm::FlowSnapshot;

use super::wish::Wish;

/// One ring that a sender reads.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) flow: Name,
    pub(super) epoch: u128,
    pub(super) format: FlowFormat,
    /// Grains of it that may be open at a time.
    pub(super) open_max: u16,
}

impl Connection {
    pub(super) fn to(flow: &FlowSnapshot) -> Self {
        Self { flow: flow.name.clone(), epoch: flow.epoch, format: flow.format, open_max: flow.open_max.max(1) }
    }

    /// What tells one ring from another.
    pub(super) fn key(&self) -> (Name, u128) {
        (self.flow.clone(), self.epoch)
    }

    /// The same, as what a sender should have.
    pub(super) fn wish(&self) -> Wish {
        Wish::Ring(self.flow.clone(), self.epoch)
    }
}
