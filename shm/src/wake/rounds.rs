//! The rounds of a housekeeping waker: which of its rings it polls, and when it stops.
//!
//! `tick` in a ring's control region tells its consumers that they are looked after already and need not ring. Both ways
//! are Dekker's: a consumer posts what it wants, and then looks at `tick`; the waker clears `tick`, and then looks once
//! more at what they want.

use std::time::Duration;

use super::reached::Reached;
use super::sleeper::{Found, Sleeper};
use super::waker::WatchId;
use crate::atomics::{Ordering, fence};
use crate::layout;
use crate::mapping::Mapping;

/// Looks without a sleeper before the polling ends: who waits for one slice after the other does not ring each time.
const LINGER: u32 = 20;
/// Looks without a new grain before a ring counts as silent, and how many of them are then one.
const SILENT_AFTER: u32 = 10_000;
const SILENT_PACE: u32 = 20;

/// One ring and its sleepers.
#[derive(Debug)]
pub(crate) struct Rounds {
    control: Mapping,
    reached: Reached,
    sleepers: Vec<(WatchId, Sleeper)>,
    /// Looks that are left without a sleeper; none while the ring is not polled.
    left: Option<u32>,
    /// The newest grain, and the looks since it came.
    opened: u64,
    unchanged: u32,
}

impl Rounds {
    /// The control region is mapped for writing.
    pub(crate) fn new(control: Mapping, reached: Reached) -> Self {
        Self { control, reached, sleepers: Vec::new(), left: None, opened: 0, unchanged: 0 }
    }

    pub(crate) fn add(&mut self, id: WatchId, sleeper: Sleeper) {
        self.sleepers.push((id, sleeper));
        // It may have seen the tick, and sleep.
        self.begin();
    }

    pub(crate) fn remove(&mut self, id: WatchId) {
        self.sleepers.retain(|(of, _)| *of != id);
    }

    /// Somebody rang: looks at all from now on.
    pub(crate) fn begin(&mut self) {
        if self.left.is_none() {
            self.control.store(layout::TICK, 1);
            self.unchanged = 0;
        }
        self.left = Some(LINGER);
    }

    /// How soon to look again; none while nobody sleeps.
    pub(crate) fn pace(&self, period: Duration) -> Option<Duration> {
        self.left?;
        Some(if self.unchanged < SILENT_AFTER { period } else { period * SILENT_PACE })
    }

    /// Whether its consumers need not ring now.
    pub(crate) fn is_polled(&self) -> bool {
        self.left.is_some()
    }

    /// Looks at every sleeper.
    pub(crate) fn look(&mut self) {
        let Some(left) = self.left else { return };
        self.listen_to_the_ring();
        if self.is_anyone_asleep() {
            self.left = Some(LINGER);
        } else if left > 0 {
            self.left = Some(left - 1);
        } else {
            self.rest();
        }
    }

    /// Stops polling, unless somebody has gone to sleep meanwhile.
    fn rest(&mut self) {
        self.control.store(layout::TICK, 0);
        // Dekker: pairs with the fence in `lease_page::post_want`.
        fence(Ordering::SeqCst);
        self.left = None;
        if self.is_anyone_asleep() {
            self.begin();
        }
    }

    fn is_anyone_asleep(&mut self) -> bool {
        let (reached, control) = (&self.reached, &self.control);
        let found = self.sleepers.iter_mut().map(|(_, sleeper)| sleeper.look(reached, control));
        // Each is looked at, whatever the others do.
        found.fold(false, |asleep, found| asleep | (found != Found::Awake))
    }

    fn listen_to_the_ring(&mut self) {
        let opened = self.control.load(layout::OPENED);
        self.unchanged = if opened == self.opened { self.unchanged.saturating_add(1) } else { 0 };
        self.opened = opened;
    }
}

impl Drop for Rounds {
    fn drop(&mut self) {
        self.control.store(layout::TICK, 0);
    }
}
