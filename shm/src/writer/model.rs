//! Random interleavings of one writer and its consumers against a plain model of maps and sets.
//!
//! Checked after every step: the slot accounts and notices are the model's (I1, I7), what an honest
//! consumer holds is found and whole (I2), `head` and `newest` never fall (I4), and none of it is disturbed by
//! consumers that scribble on their lease pages (I6).

mod consuming;
mod producing;
mod seat;
mod step;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::fixture::{TestRing, geometry_of, leased};
use crate::{EpochEnd, Notice, ReadError, RingProbe, Start};
use seat::{Seat, check_lease};
use step::{Step, step};

const LINES: u16 = 3;
const OCTETS: usize = 40;

struct Model {
    ring: TestRing,
    probe: RingProbe,
    seats: BTreeMap<u8, Seat>,
    free: u16,
    lost: BTreeMap<u64, BTreeSet<u16>>,
    open: BTreeMap<u64, GrainKey>,
    /// Grains that were opened, the newest last.
    opened: Vec<u64>,
    done: BTreeSet<u64>,
    descs: BTreeMap<u64, u64>,
    end: u64,
    head: u64,
    notices: Vec<(&'static str, u8, u64)>,
    /// Joins beyond the sizing rule are not made, and then `open` must always find a slot.
    admission: bool,
}

impl Model {
    fn new(slots: u16, open_max: u16, admission: bool) -> Self {
        let ring = TestRing::with(Geometry { k_max: 3, ..geometry_of(slots, open_max, u32::from(LINES)) });
        let (control, _data) = ring.region.map_for_reading().unwrap();
        let probe = RingProbe::new(ring.region.geometry(), control).unwrap();
        Self {
            ring,
            probe,
            seats: BTreeMap::new(),
            free: slots,
            lost: BTreeMap::new(),
            open: BTreeMap::new(),
            opened: Vec::new(),
            done: BTreeSet::new(),
            descs: BTreeMap::new(),
            end: 0,
            head: 0,
            notices: Vec::new(),
            admission,
        }
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Open { ahead } => self.open(self.end + ahead),
            Step::Publish { which, lines } => self.publish(which, lines),
            Step::Lose { which, line } => self.lose(which, line),
            Step::Commit(which) => self.commit(which),
            Step::Cancel(which) => {
                if let Some((index, key)) = self.nth_open(which) {
                    self.ring.writer.cancel(key);
                    self.open.remove(&index);
                    self.done.insert(index);
                }
            }
            Step::Poll => {
                self.ring.writer.poll(self.ring.now);
                self.observe(Turn::Poll);
            }
            Step::Join { seat, class, start } => self.join(seat, class, start),
            Step::Evict(seat) => self.evict(seat),
            Step::Gone(seat) => self.gone(seat),
            Step::Lease(_)
            | Step::Release { .. }
            | Step::Skip { .. }
            | Step::Acknowledge(_)
            | Step::Scribble { .. } => self.consume(step),
        }
        self.check();
    }

    /// The end: nothing more is opened, what is open ends as usual, and readers learn of it behind the last grain.
    fn conclude(&mut self) {
        let (end, next) = (GrainIndex(self.end), Successor::Epoch(u128::from(self.end) << 64 | 5));
        self.ring.writer.conclude(next);
        self.ring.writer.conclude(Successor::Unnamed);
        assert_eq!(self.ring.open(self.end), Err(OpenError::Concluded { end }));
        while !self.open.is_empty() {
            self.commit(0);
            self.check();
        }
        let successor = Some(u128::from(self.end) << 64 | 5);
        for seat in self.seats.values_mut().filter(|seat| seat.hi.is_none() && seat.leases.is_empty() && !seat.ended) {
            assert_eq!(seat.consumer.reader.conclusion(), Some(EpochEnd { end, successor }));
            let lease = seat.consumer.reader.lease(GrainIndex(self.end.max(seat.next)));
            assert_eq!(lease.unwrap_err(), ReadError::EpochEnded { end, successor });
        }
    }

    fn check(&mut self) {
        let seen = self.ring.notices().into_iter().map(|notice| match notice {
            Notice::Evicted { consumer, nonce, .. } => ("evicted", consumer, nonce),
            Notice::Released { consumer, nonce, .. } => ("released", consumer, nonce),
            Notice::Joined { consumer, nonce, .. } => ("joined", consumer, nonce),
            Notice::Refused { consumer, nonce, .. } => ("refused", consumer, nonce),
        });
        let (mut seen, mut expected) = (seen.collect::<Vec<_>>(), std::mem::take(&mut self.notices));
        seen.sort_unstable();
        expected.sort_unstable();
        assert_eq!(seen, expected, "each membership is welcomed, evicted and released once");
        self.check_accounts();
        assert_eq!(self.probe.newest().map_or(0, |index| index.0 + 1), self.end);
        assert_eq!(self.probe.head().map_or(0, |index| index.0 + 1), self.head);
        for seat in self.seats.values() {
            for (index, lease) in &seat.leases {
                check_lease(seat, *index, lease, self.lost.get(index));
            }
            let used = self.done.iter().chain(self.open.keys()).copied();
            used.filter(|index| seat.honest && !seat.ended && seat.holds(*index)).for_each(|index| seat.find(index));
        }
    }

    fn check_accounts(&self) {
        let used = self.done.iter().chain(self.open.keys());
        let count = |evicted: bool| {
            let by = |index| self.seats.values().any(|seat| seat.hi.is_some() == evicted && seat.holds(index));
            used.clone().filter(|index| by(**index)).count() as u16
        };
        // Windows of the live move when the writer looks; the model's do at the same moments.
        let expected = SlotAccounts {
            free: self.free,
            open: self.open.len() as u16,
            done: self.done.len() as u16,
            leased: count(false),
            quarantined: count(true),
        };
        assert_eq!(self.ring.writer.slot_accounts(), expected);
        assert_eq!(expected.free + expected.open + expected.done, self.ring.writer.geometry().slots);
    }
}

proptest! {
    #[test]
    fn any_interleaving_is_the_models(
        slots in 4_u16..=9, open_max in 1_u16..=3, admission: bool, steps in prop::collection::vec(step(), 1..120)) {
        let mut model = Model::new(slots, open_max, admission);
        for step in &steps {
            model.run(step);
        }
        model.conclude();
    }
}

#[test]
fn a_skip_that_passes_nothing_leaves_a_scribbled_cursor() {
    let open = |ahead| Step::Open { ahead };
    let scribble = Step::Scribble { seat: 2, cursor: 0, acknowledge: None };
    let skip = Step::Skip { seat: 2, by: 0 };
    let steps = [
        open(0),
        Step::Commit(0),
        Step::Join { seat: 2, class: leased(1), start: Start::Live },
        open(0),
        Step::Commit(0),
        open(87),
        Step::Lease(2),
        scribble,
        skip,
        Step::Poll,
    ];
    let mut model = Model::new(4, 1, false);
    for step in &steps {
        model.run(step);
    }
}
