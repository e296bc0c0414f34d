//! The flows there are: each epoch once, and which of them each name stands for.
//!
//! A name moves on to another epoch when a flow is succeeded; the old epoch stays, for those who still read it, until
//! its producer ends it. Only a name's current epoch is listed and subscribed to.

use std::collections::BTreeMap;
use std::ops::Bound;

use media::Name;

use super::flow::Flow;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    flows: BTreeMap<u128, Flow>,
    current: BTreeMap<Name, u128>,
}

impl Catalogue {
    pub(super) fn len(&self) -> usize {
        self.flows.len()
    }

    pub(super) fn of_epoch(&self, epoch: u128) -> Option<&Flow> {
        self.flows.get(&epoch)
    }

    pub(super) fn of_epoch_mut(&mut self, epoch: u128) -> Option<&mut Flow> {
        self.flows.get_mut(&epoch)
    }

    /// Every epoch, succeeded ones too.
    pub(super) fn all(&self) -> impl Iterator<Item = &Flow> {
        self.flows.values()
    }

    /// The epochs, succeeded ones too.
    pub(super) fn epochs(&self) -> Vec<u128> {
        self.flows.keys().copied().collect()
    }

    /// The flow that the name stands for.
    pub(super) fn named(&self, name: &Name) -> Option<&Flow> {
        self.of_epoch(*self.current.get(name)?)
    }

    /// Whether the name stands for this epoch, and not for a successor of it.
    pub(super) fn is_current(&self, flow: &Flow) -> bool {
        self.current.get(&flow.name) == Some(&flow.epoch())
    }

    /// The current flows whose names follow `after`, in the order of their names.
    pub(super) fn after(&self, after: Option<&Name>) -> impl Iterator<Item = &Flow> {
        let from = after.map_or(Bound::Unbounded, |name| Bound::Excluded(name.clone()));
        self.current.range((from, Bound::Unbounded)).filter_map(|(_, epoch)| self.of_epoch(*epoch))
    }

    /// Takes a flow in; from now on its name stands for it.
    pub(super) fn insert(&mut self, flow: Flow) {
        self.current.insert(flow.name.clone(), flow.epoch());
        self.flows.insert(flow.epoch(), flow);
    }

    /// Takes a flow out, and the name where it stood for this flow.
    pub(super) fn remove(&mut self, epoch: u128) -> Option<Flow> {
        let flow = self.flows.remove(&epoch)?;
        if self.current.get(&flow.name) == Some(&epoch) {
            self.current.remove(&flow.name);
        }
        Some(flow)
    }
}
