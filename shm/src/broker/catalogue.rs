//! The flows there are: each epoch once, and which of them each name stands for.
//!
//! A name stands for the oldest of its epochs that has neither been concluded nor ended. Its successors wait behind it,
//! seen by nobody, for their writer is not at work yet; when it is, their producer says so by concluding the old epoch
//! or withdrawing it. So a name never stands for a ring that nobody writes while another is written, and a successor that
//! ends early takes nothing with it. A concluded epoch stays, for those who still read it, until its producer ends it.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use media::Name;

use super::flow::Flow;
use super::snapshot::Standing;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    flows: BTreeMap<u128, Flow>,
    /// What each name stands for, and behind it what waits, in the order in which it came. Never empty.
    queues: BTreeMap<Name, VecDeque<u128>>,
}

impl Catalogue {
    pub(super) fn of_epoch(&self, epoch: u128) -> Option<&Flow> {
        self.flows.get(&epoch)
    }

    pub(super) fn of_epoch_mut(&mut self, epoch: u128) -> Option<&mut Flow> {
        self.flows.get_mut(&epoch)
    }

    /// Every epoch, also those that wait or are concluded.
    pub(super) fn all(&self) -> impl Iterator<Item = &Flow> {
        self.flows.values()
    }

    /// The epochs of all names, also those that wait or are concluded.
    pub(super) fn epochs(&self) -> Vec<u128> {
        self.flows.keys().copied().collect()
    }

    /// The flow that the name stands for.
    pub(super) fn named(&self, name: &Name) -> Option<&Flow> {
        self.of_epoch(*self.queues.get(name)?.front()?)
    }

    /// The epoch that the name stands for.
    pub(super) fn current(&self, name: &Name) -> Option<u128> {
        self.named(name).map(Flow::epoch)
    }

    /// What the name stands for, and what waits behind it.
    pub(super) fn queue(&self, name: &Name) -> impl DoubleEndedIterator<Item = &Flow> {
        self.queues.get(name).into_iter().flatten().filter_map(|epoch| self.of_epoch(*epoch))
    }

    /// What an epoch is to its name.
    pub(super) fn standing(&self, flow: &Flow) -> Standing {
        match self.queue(&flow.name).position(|other| other.epoch() == flow.epoch()) {
            Some(0) => Standing::Current,
            Some(_) => Standing::Waiting,
            None => Standing::Concluded,
        }
    }

    /// The current flows whose names follow `after`, in the order of their names.
    pub(super) fn after(&self, after: Option<&Name>) -> impl Iterator<Item = &Flow> {
        let from = after.map_or(Bound::Unbounded, |name| Bound::Excluded(name.clone()));
        let queues = self.queues.range((from, Bound::Unbounded));
        queues.filter_map(|(_, queue)| self.of_epoch(*queue.front()?))
    }

    /// Takes a flow in: its name stands for it once every earlier epoch of that name is concluded or gone.
    pub(super) fn insert(&mut self, flow: Flow) {
        self.queues.entry(flow.name.clone()).or_default().push_back(flow.epoch());
        self.flows.insert(flow.epoch(), flow);
    }

    /// Nothing new comes in this epoch: its name stands for a successor, if one waits, from now on or as soon as those before
    /// it are concluded too.
    pub(super) fn conclude(&mut self, epoch: u128) {
        let name = self.flows.get(&epoch).map(|flow| &flow.name);
        let queue = name.and_then(|name| self.queues.get_mut(name));
        if let Some(queue) = queue.filter(|queue| queue.back() != Some(&epoch)) {
            queue.retain(|other| *other != epoch);
        }
    }

    /// Takes a flow out; the name moves on where it stood for this one.
    pub(super) fn remove(&mut self, epoch: u128) -> Option<Flow> {
        let flow = self.flows.remove(&epoch)?;
        if let Some(queue) = self.queues.get_mut(&flow.name) {
            queue.retain(|other| *other != epoch);
            if queue.is_empty() {
                self.queues.remove(&flow.name);
            }
        }
        Some(flow)
    }
}
