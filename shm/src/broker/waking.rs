//! Who wakes the consumers of the gateway's own flows: a thread of this process, never a worker.

use std::sync::Arc;

use rustix::io::Errno;

use super::flow::{Flow, WriterSide};
use super::joining::Kit;
use super::membership::Subscriber;
use super::state::State;
use crate::protocol::{Refusal, Version};
use crate::wake::{Reached, Waking, WakingRing, WakingSeat, WatchId};
use crate::{Access, Mapping};

impl State {
    /// A ring of the gateway's own; `control` is mapped for writing.
    pub(super) fn wake_for(&mut self, ring: &Flow, control: Mapping) {
        let (epoch, reached) = (ring.epoch(), Reached::of(ring.ring.geometry()));
        self.waker.add(WakingRing { epoch, control, reached, waking: Waking::Housekeeping });
    }

    /// Looks after a new consumer, if its flow is the gateway's own and it knows how to sleep.
    pub(super) fn watch_sleeper(
        &self,
        epoch: u128,
        seat: u8,
        subscriber: &Subscriber,
        kit: &Kit,
    ) -> Result<Option<WatchId>, Refusal> {
        let is_ours = |flow: &Flow| matches!(flow.writer, WriterSide::Gateway { .. });
        let sleeps = matches!(subscriber, Subscriber::Pod { version, .. } if *version > Version::V1);
        if !sleeps || !self.flows.of_epoch(epoch).is_some_and(is_ours) {
            return Ok(None);
        }
        let unavailable = |errno: Errno| Refusal::Descriptors { errno: errno.raw_os_error().unsigned_abs() };
        let lease = kit.page.map(Access::ReadOnly).map_err(|_| unavailable(Errno::NOMEM))?;
        let seat = WakingSeat { epoch, seat, lease: Arc::new(lease), bell: Arc::clone(&kit.bell.1) };
        self.waker.watch(seat).map(Some).map_err(unavailable)
    }

    pub(super) fn forget_sleeper(&self, watch: Option<WatchId>) {
        watch.into_iter().for_each(|watch| self.waker.forget(watch));
    }
}
