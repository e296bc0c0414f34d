//! Where a receiver's packets were lost: before they came here, or at which place of this machine.
//!
//! ```text
//!  sequence numbers say   how many are missing          ReceiverCounters::packets_lost
//!  its queue says         how many it had no room for   Reception::dropped (a socket; a device's port)
//!  its worker's pulse     whether it polled too late    PulseCounters::late_since
//! ```
//! What the queue dropped explains what is missing, whichever of the two is seen first; what nothing here explains was
//! lost on the wire. A port's queue does not say whose packets it dropped: each receiver there takes them for its own, as
//! far as it misses any.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use worker::{PulseCounters, PulseLook};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// A packet that is missed for so long without an explanation was lost on the wire. Devices are asked twice a second.
const SETTLED: Duration = Duration::from_millis(1_500);

/// How long a drop, or a late poll, explains packets that are missed later: a reorder window, and a grain's time-out.
const EXPLAINS: Duration = Duration::from_secs(3);

/// What a receiver's queue and worker say.
#[derive(Clone, Debug)]
pub struct Reception {
    /// Of the worker that polls the queue.
    pub pulse: Arc<PulseCounters>,
    /// How long the queue takes what comes while nobody polls, nanoseconds, at the rate that it is sized for.
    pub holds_nanos: u64,
    /// Packets that the queue had no room or no buffer for; `None`: it does not tell.
    pub dropped: Option<u64>,
    /// Times that there was no buffer for a packet: what waits for missing packets has them all.
    pub without_buffer: u64,
}

/// How many packets were lost where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Located {
    /// Before they came here: sender, switches, cables, the card's own errors.
    pub wire: u64,
    /// The socket or the device's ring was full although its worker polled in time: more came than it can handle.
    pub queue: u64,
    /// The socket or the device's ring was full because its worker polled too late.
    pub late_worker: u64,
    /// No buffer was free.
    pub no_buffer: u64,
}

impl Reception {
    /// What both queues say, which bring the same stream: a packet that either has dropped need not be missing.
    #[must_use]
    pub fn beside(self, other: &Self) -> Self {
        let sum = self.dropped.zip(other.dropped).map(|(one, two)| one.saturating_add(two));
        Self {
            // One worker polls both.
            pulse: self.pulse,
            holds_nanos: self.holds_nanos.min(other.holds_nanos),
            dropped: sum.or(self.dropped).or(other.dropped),
            without_buffer: self.without_buffer.saturating_add(other.without_buffer),
        }
    }
}

impl Located {
    /// As counters.
    #[must_use]
    pub fn counters(&self) -> [(&'static str, u64); 4] {
        [
            ("lost_wire_packets", self.wire),
            ("lost_queue_packets", self.queue),
            ("lost_late_worker_packets", self.late_worker),
            ("lost_no_buffer_packets", self.no_buffer),
        ]
    }

    fn add(&mut self, place: Place, packets: u64) {
        let sum = match place {
            Place::Queue => &mut self.queue,
            Place::LateWorker => &mut self.late_worker,
            Place::NoBuffer => &mut self.no_buffer,
        };
        *sum = sum.saturating_add(packets);
    }
}

/// A place of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Queue,
    LateWorker,
    NoBuffer,
}

/// A number of packets since a moment.
#[derive(Clone, Copy, Debug)]
struct Heap<T> {
    at: Instant,
    packets: u64,
    what: T,
}

/// Follows one receiver.
#[derive(Debug, Default)]
pub(crate) struct Locator {
    looked: Option<Instant>,
    /// Counted at the last look.
    lost: u64,
    dropped: u64,
    without_buffer: u64,
    /// Whose pulse it was: a receiver may have moved.
    worker: Option<Arc<PulseCounters>>,
    pulse: PulseLook,
    late: Option<Instant>,
    missed: VecDeque<Heap<()>>,
    drops: VecDeque<Heap<Place>>,
    located: Located,
}

impl Locator {
    /// Where packets were lost so far.
    pub(crate) fn located(&self) -> Located {
        self.located
    }

    /// Whether the last look was long enough ago.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.looked.is_none_or(|looked| now.saturating_duration_since(looked) >= LOOK)
    }

    /// Looks now: `lost` packets are missing by their sequence so far.
    pub(crate) fn look(&mut self, now: Instant, lost: u64, reception: &Reception) {
        let is_first = self.looked.replace(now).is_none();
        self.note_drops(now, reception, is_first);
        if let Some(new) = lost.checked_sub(self.lost).filter(|new| *new > 0) {
            self.missed.push_back(Heap { at: now, packets: new, what: () });
            self.lost = lost;
        }
        self.lost -= self.found(self.lost.saturating_sub(lost));
        self.explain(now);
    }

    /// So many packets have come after all, out of order or by the other leg: they are not missed any more. Returns how many of
    /// them were; the others have been located already.
    fn found(&mut self, packets: u64) -> u64 {
        let mut left = packets;
        for missed in self.missed.iter_mut().rev() {
            let found = missed.packets.min(left);
            (missed.packets, left) = (missed.packets - found, left - found);
        }
        packets - left
    }

    fn note_drops(&mut self, now: Instant, reception: &Reception, is_first: bool) {
        let look = reception.pulse.look();
        let is_same = self.worker.as_ref().is_some_and(|worker| Arc::ptr_eq(worker, &reception.pulse));
        if !is_same {
            self.worker = Some(Arc::clone(&reception.pulse));
        }
        // What was before the first look at a worker explains nothing.
        if is_same && look.late_since(&self.pulse, reception.holds_nanos) > 0 {
            self.late = Some(now);
        }
        self.pulse = look;
        let total = reception.dropped.unwrap_or(0);
        // A queue that counts from 0 again was opened anew.
        let dropped = total.checked_sub(self.dropped).unwrap_or(total);
        let without_buffer = reception.without_buffer.saturating_sub(self.without_buffer);
        (self.dropped, self.without_buffer) = (total, reception.without_buffer);
        let is_late = self.late.is_some_and(|late| now.saturating_duration_since(late) < SETTLED);
        let (place, packets) = match (reception.dropped, without_buffer > 0, is_late) {
            (_, true, _) => (Place::NoBuffer, dropped),
            (Some(_), false, true) => (Place::LateWorker, dropped),
            (Some(_), false, false) => (Place::Queue, dropped),
            // Nobody counted; that nobody polled explains whatever is missing.
            (None, false, true) => (Place::LateWorker, u64::MAX),
            (None, false, false) => return,
        };
        if !is_first && packets > 0 {
            self.drops.push_back(Heap { at: now, packets, what: place });
        }
    }

    /// Takes what was dropped for what is missed, oldest first.
    fn explain(&mut self, now: Instant) {
        let is_past = |at: Instant, limit: Duration| now.saturating_duration_since(at) >= limit;
        self.drops.retain(|drop| drop.packets > 0 && !is_past(drop.at, EXPLAINS));
        for missed in &mut self.missed {
            for drop in &mut self.drops {
                let explained = missed.packets.min(drop.packets);
                (missed.packets, drop.packets) = (missed.packets - explained, drop.packets - explained);
                self.located.add(drop.what, explained);
            }
            if is_past(missed.at, SETTLED) {
                self.located.wire = self.located.wire.saturating_add(std::mem::take(&mut missed.packets));
            }
        }
        self.missed.retain(|missed| missed.packets > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    struct Stage {
        locator: Locator,
        reception: Reception,
        start: Instant,
    }

    impl Stage {
        /// Looked at once; the queue holds 100 ms.
        fn new(dropped: Option<u64>) -> Self {
            let reception = Reception { pulse: Arc::default(), holds_nanos: 100 * MS, dropped, without_buffer: 0 };
            let mut stage = Self { locator: Locator::default(), reception, start: Instant::now() };
            stage.look(0, 0);
            stage
        }

        fn look(&mut self, ms: u64, lost: u64) -> Located {
            self.locator.look(self.start + Duration::from_millis(ms), lost, &self.reception);
            self.locator.located()
        }
    }

    #[test]
    fn what_nobody_here_dropped_was_lost_on_the_wire() {
        let mut stage = Stage::new(Some(0));
        assert_eq!(stage.look(250, 7), Located::default(), "a device may still say so");
        assert_eq!(stage.look(1_500, 7), Located::default());
        assert_eq!(stage.look(1_750, 7), Located { wire: 7, ..Located::default() });
        assert_eq!(stage.look(2_000, 7), Located { wire: 7, ..Located::default() }, "counted once");
    }

    #[test]
    fn drops_explain_what_is_missed_before_and_after_them() {
        let mut stage = Stage::new(Some(0));
        stage.look(250, 4);
        stage.reception.dropped = Some(10);
        assert_eq!(stage.look(500, 4).queue, 4);
        assert_eq!(stage.look(750, 12), Located { queue: 10, ..Located::default() });
        assert_eq!(stage.look(2_500, 12), Located { queue: 10, wire: 2, ..Located::default() });
    }

    #[test]
    fn what_comes_after_all_was_not_lost() {
        let mut stage = Stage::new(Some(0));
        stage.look(250, 9);
        stage.look(500, 2);
        assert_eq!(stage.look(2_000, 2), Located { wire: 2, ..Located::default() });
        // Two that were located, and no further ones.
        stage.look(2_250, 0);
        assert_eq!(stage.look(4_000, 2), Located { wire: 2, ..Located::default() });
        stage.look(4_250, 3);
        assert_eq!(stage.look(6_000, 3), Located { wire: 3, ..Located::default() });
    }

    #[test]
    fn a_late_worker_is_told_from_one_that_cannot_keep_up() {
        let mut stage = Stage::new(Some(0));
        stage.reception.pulse.turns.note(60 * MS);
        stage.reception.dropped = Some(3);
        assert_eq!(stage.look(250, 3).queue, 3, "the queue holds longer");
        stage.reception.pulse.turns.note(140 * MS);
        stage.look(500, 3);
        stage.reception.dropped = Some(8);
        assert_eq!(stage.look(1_000, 8), Located { queue: 3, late_worker: 5, ..Located::default() });
        stage.reception.dropped = Some(9);
        assert_eq!(stage.look(2_250, 9), Located { queue: 4, late_worker: 5, ..Located::default() }, "long past");
    }

    #[test]
    fn without_a_buffer_the_queue_is_full_whoever_polls() {
        let mut stage = Stage::new(Some(0));
        stage.reception.pulse.turns.note(500 * MS);
        (stage.reception.dropped, stage.reception.without_buffer) = (Some(6), 2);
        assert_eq!(stage.look(250, 5), Located { no_buffer: 5, ..Located::default() });
    }

    #[test]
    fn of_a_queue_that_does_not_tell_only_a_late_poll_explains_loss() {
        let mut stage = Stage::new(None);
        stage.look(250, 2);
        assert_eq!(stage.look(2_000, 2), Located { wire: 2, ..Located::default() });
        stage.reception.pulse.rests.note(900 * MS);
        stage.reception.pulse.overslept.note(300 * MS);
        assert_eq!(stage.look(2_250, 90), Located { wire: 2, late_worker: 88, ..Located::default() });
    }

    #[test]
    fn what_was_dropped_long_ago_explains_nothing() {
        let mut stage = Stage::new(Some(0));
        stage.reception.dropped = Some(100);
        stage.look(250, 0);
        stage.look(3_250, 5);
        assert_eq!(stage.look(5_000, 5), Located { wire: 5, ..Located::default() });
    }
}
