//! Random interleavings of one writer and its consumers against a plain model of maps and sets.
//!
//! Checked after every step: the slot accounts and notices are the model's (I1, I7), what an honest
//! consumer holds is found and whole (I2), `head` and `newest` never fall (I4), and none of it is disturbed by
//! consumers that scribble on their lease pages (I6).

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::fixture::{TestConsumer, TestRing, geometry_of, leased, line_bytes};
use crate::{ConsumerClass, EpochEnd, FrameReader, GrainLease, Notice, ReadError, RingProbe, Start};

const LINES: u16 = 3;
const OCTETS: usize = 40;

/// `which` counts the open grains from the least, or the leases of a seat.
#[derive(Clone, Debug)]
enum Step {
    Open {
        ahead: u64,
    },
    Publish {
        which: usize,
        lines: u16,
    },
    Lose {
        which: usize,
        line: u16,
    },
    Commit(usize),
    Cancel(usize),
    Poll,
    Join {
        seat: u8,
        class: ConsumerClass,
        start: Start,
    },
    Evict(u8),
    Lease(u8),
    Release {
        seat: u8,
        which: usize,
    },
    Skip {
        seat: u8,
        by: u64,
    },
    Acknowledge(u8),
    Gone(u8),
    /// `acknowledge`: with this nonce's difference to the right one.
    Scribble {
        seat: u8,
        cursor: u64,
        acknowledge: Option<u64>,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let seat = 0_u8..4;
    prop_oneof![
        // The last is a leap onto the descriptor of the newest grain, for each number of descriptors here.
        4 => prop_oneof![4 => Just(0_u64), 1 => 0_u64..3, 1 => 0_u64..1000, 2 => (1_u64..3).prop_map(|laps| laps * 32 - 1)]
            .prop_map(|ahead| Step::Open { ahead }),
        2 => (0_usize..3, 0..=LINES).prop_map(|(which, lines)| Step::Publish { which, lines }),
        1 => (0_usize..3, 0..LINES).prop_map(|(which, line)| Step::Lose { which, line }),
        4 => (0_usize..3).prop_map(Step::Commit),
        1 => (0_usize..3).prop_map(Step::Cancel),
        1 => Just(Step::Poll),
        2 => (seat.clone(), class(), prop::sample::select(vec![Start::Live, Start::Oldest]))
            .prop_map(|(seat, class, start)| Step::Join { seat, class, start }),
        1 => seat.clone().prop_map(Step::Evict),
        5 => seat.clone().prop_map(Step::Lease),
        4 => (seat.clone(), 0_usize..4).prop_map(|(seat, which)| Step::Release { seat, which }),
        1 => (seat.clone(), 0_u64..4).prop_map(|(seat, by)| Step::Skip { seat, by }),
        2 => seat.clone().prop_map(Step::Acknowledge),
        1 => seat.clone().prop_map(Step::Gone),
        1 => (seat, prop_oneof![0_u64..40, any::<u64>()], prop::option::of(0_u64..2))
            .prop_map(|(seat, cursor, acknowledge)| Step::Scribble { seat, cursor, acknowledge }),
    ]
}

fn class() -> impl Strategy<Value = ConsumerClass> {
    prop_oneof![
        1 => Just(ConsumerClass::Lossy),
        3 => (1_u16..4).prop_map(leased),
        1 => (1_u16..4).prop_map(|k| ConsumerClass::Blocking { k }),
    ]
}

/// A seat as the model sees it.
struct Seat {
    consumer: TestConsumer,
    leases: BTreeMap<u64, GrainLease>,
    class: ConsumerClass,
    next: u64,
    /// The two words of the lease page.
    cursor: u64,
    acknowledged: bool,
    /// The reader has given its membership up.
    ended: bool,
    honest: bool,
    /// What the writer knows: the window's start, and its end once evicted.
    eff: u64,
    hi: Option<u64>,
}

impl Seat {
    fn raise(&mut self) {
        let least = self.leases.keys().next().copied().unwrap_or(self.next);
        self.cursor = self.cursor.max(least.min(self.next));
    }

    fn is_lossy(&self) -> bool {
        self.class == ConsumerClass::Lossy
    }

    /// Whether the writer waits for it.
    fn is_waited_for(&self) -> bool {
        matches!(self.class, ConsumerClass::Blocking { .. }) && self.hi.is_none()
    }

    /// A grain that is held must be found, or holding it were for nothing.
    fn find(&self, index: u64) {
        let want = FrameReader::want(GrainIndex(index), 0).unwrap();
        let found = self.consumer.reader.look(want);
        assert!(matches!(found, Ok(Some(_))), "grain {index} is held, and {found:?}");
    }

    fn holds(&self, index: u64) -> bool {
        !self.is_lossy() && index >= self.eff && self.hi.is_none_or(|hi| index < hi)
    }
}

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

    fn nth_open(&self, which: usize) -> Option<(u64, GrainKey)> {
        self.open.iter().nth(which).map(|(index, key)| (*index, *key))
    }

    fn held(&self, index: u64) -> bool {
        self.seats.values().any(|seat| seat.holds(index))
    }

    /// What the writer does about its consumers at a poll, or before it opens a grain.
    fn observe(&mut self, turn: Turn) {
        let (end, mut over) = (self.end, Vec::new());
        let grains = |eff| self.opened.iter().filter(|index| **index >= eff).count();
        for (number, seat) in &mut self.seats {
            let nonce = seat.consumer.nonce;
            if !seat.is_lossy() && seat.hi.is_none() {
                seat.eff = seat.eff.max(seat.cursor.min(end));
                let limit = if let ConsumerClass::Leased { k, .. } = seat.class { k.into() } else { usize::MAX };
                if turn == Turn::Open && grains(seat.eff) > limit {
                    seat.hi = Some(end);
                    self.notices.push(("evicted", *number, nonce));
                }
            } else if seat.hi.is_some() && seat.acknowledged {
                self.notices.push(("released", *number, nonce));
                over.push(*number);
            }
        }
        self.seats.retain(|number, _| !over.contains(number));
    }

    fn open(&mut self, index: u64) {
        let outcome = self.ring.open(index);
        let Geometry { slots, open_max: limit, .. } = *self.ring.writer.geometry();
        if self.open.len() == usize::from(limit) {
            assert_eq!(outcome, Err(OpenError::TooManyOpen { limit }));
            return;
        }
        self.observe(Turn::Open);
        let newest = self.end.saturating_sub(1);
        let victim = self.done.iter().copied().find(|done| *done < newest && !self.held(*done));
        if self.free == 0 && victim.is_none() {
            if let Some(consumer) = self.blocker(newest) {
                assert_eq!(outcome, Err(OpenError::Held { consumer }));
                return;
            }
            let held = self.done.iter().chain(self.open.keys()).filter(|index| self.held(**index)).count() as u16;
            assert_eq!(outcome, Err(OpenError::NoSlot { slots, held }));
            // Of a blocking consumer that was evicted any number of grains may stand in quarantine.
            let is_beyond = |seat: &Seat| seat.hi.is_some() && matches!(seat.class, ConsumerClass::Blocking { .. });
            assert!(!self.admission || self.seats.values().any(is_beyond), "the sizing rule promises a slot");
            return;
        }
        if self.free > 0 {
            self.free -= 1;
        } else {
            self.done.remove(&victim.unwrap());
        }
        let key = outcome.expect("there is a slot");
        assert_eq!(key.index(), GrainIndex(index));
        self.open.insert(index, key);
        self.opened.push(index);
        self.descs.insert(index % u64::from(self.ring.writer.geometry().descs), index);
        self.end = index + 1;
    }

    /// The blocking consumer that is furthest behind, if a slot would be free without those.
    fn blocker(&self, newest: u64) -> Option<u8> {
        let is_held = |index| self.seats.values().any(|seat| !seat.is_waited_for() && seat.holds(index));
        self.done.iter().find(|done| **done < newest && !is_held(**done))?;
        let waited_for = self.seats.iter().filter(|(_, seat)| seat.is_waited_for());
        waited_for.map(|(number, seat)| (seat.eff, *number)).min().map(|(_, number)| number)
    }

    fn publish(&mut self, which: usize, lines: u16) {
        let Some((index, key)) = self.nth_open(which) else { return };
        for line in self.ring.writer.published(key)..lines {
            self.ring.write_line(index, line);
        }
        self.ring.writer.publish(key, lines);
    }

    fn lose(&mut self, which: usize, line: u16) {
        let Some((index, key)) = self.nth_open(which) else { return };
        self.ring.writer.mark_lost(key, line);
        if line >= self.ring.writer.published(key) {
            self.lost.entry(index).or_default().insert(line);
        }
    }

    fn commit(&mut self, which: usize) {
        let Some((index, key)) = self.nth_open(which) else { return };
        self.ring.fill(index);
        self.ring.writer.commit(key, GrainEnd::default());
        self.open.remove(&index);
        self.done.insert(index);
        self.head = self.head.max(index + 1);
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

    fn evict(&mut self, number: u8) {
        let Some(seat) = self.seats.get_mut(&number) else { return };
        self.ring.evict(&seat.consumer);
        // What its consumer says is read before its quarantine begins, but not once more.
        if seat.hi.is_none() {
            seat.hi = Some(self.end);
            self.notices.push(("evicted", number, seat.consumer.nonce));
        }
        self.observe(Turn::Poll);
    }

    fn join(&mut self, number: u8, class: ConsumerClass, start: Start) {
        let admitted = self.seats.values().map(|seat| seat.class).chain([class]).filter_map(|class| class.holds());
        let Geometry { slots, open_max, .. } = *self.ring.writer.geometry();
        if self.seats.contains_key(&number)
            || matches!(class, ConsumerClass::Leased { k, .. } if k < open_max)
            || self.admission && Geometry::slots_for(open_max, admitted) > u32::from(slots)
        {
            return;
        }
        let there: BTreeSet<u64> = self.done.iter().chain(self.open.keys()).copied().collect();
        let first = match class.holds() {
            None => 0,
            Some(k) => self.opened.iter().rev().nth(usize::from(k) - 1).copied().unwrap_or(0),
        };
        let end = match start {
            Start::Live => self.end,
            Start::Oldest => there.range(first..).next().copied().unwrap_or(self.end),
        };
        let consumer = self.ring.join_from(number, class, start);
        self.observe(Turn::Poll);
        let seat = Seat {
            consumer,
            leases: BTreeMap::new(),
            class,
            next: end,
            cursor: end,
            acknowledged: false,
            ended: false,
            honest: true,
            eff: end,
            hi: None,
        };
        self.seats.insert(number, seat);
    }

    fn gone(&mut self, number: u8) {
        if let Some(seat) = self.seats.remove(&number) {
            let Seat { consumer, leases, .. } = seat;
            drop(leases);
            self.ring.gone(&consumer);
            self.notices.push(("released", number, consumer.nonce));
            self.observe(Turn::Poll);
        }
    }

    fn consume(&mut self, step: &Step) {
        let number = match *step {
            Step::Lease(seat) | Step::Acknowledge(seat) => seat,
            Step::Release { seat, .. } | Step::Skip { seat, .. } | Step::Scribble { seat, .. } => seat,
            _ => return,
        };
        let used: BTreeSet<u64> = self.done.iter().chain(self.open.keys()).copied().collect();
        let Some(seat) = self.seats.get_mut(&number) else { return };
        match *step {
            Step::Lease(_) => {
                let named = self.descs.values().chain(&used).copied();
                let expected = named.filter(|index| *index >= seat.next).min();
                lease(seat, expected, &used);
            }
            Step::Release { which, .. } => {
                if let Some(index) = seat.leases.keys().nth(which).copied() {
                    seat.leases.remove(&index);
                    seat.raise();
                }
            }
            Step::Skip { by, .. } => {
                seat.next += by;
                seat.consumer.reader.skip_to(GrainIndex(seat.next));
                // Who passes nothing shows nothing: what was scribbled over the cursor stays.
                if by > 0 {
                    seat.raise();
                }
            }
            Step::Acknowledge(_) => {
                let may = seat.hi.is_some() && seat.leases.is_empty();
                assert_eq!(seat.consumer.reader.acknowledge_eviction().is_ok(), may);
                seat.acknowledged |= may;
                seat.ended |= may;
            }
            Step::Scribble { cursor, acknowledge, .. } => {
                seat.consumer.scribble(&[(0, cursor)]);
                (seat.cursor, seat.honest) = (cursor, false);
                if let Some(beside) = acknowledge {
                    seat.consumer.scribble(&[(128, seat.consumer.nonce + beside)]);
                    seat.acknowledged = beside == 0;
                }
            }
            _ => {}
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

/// Leases the next grain, if the model says so too.
fn lease(seat: &mut Seat, expected: Option<u64>, used: &BTreeSet<u64>) {
    let there = |index| used.contains(&index);
    let next_there = |from| used.range(from..).next().copied();
    let reader = &mut seat.consumer.reader;
    assert_eq!(reader.next_available(), expected.map(GrainIndex));
    let Some(index) = expected else { return };
    let room = seat.leases.len() < seat.class.holds().map_or(64, usize::from);
    match reader.lease(GrainIndex(index)) {
        Ok(lease) => {
            assert!(
                room && there(index) && seat.hi.is_none_or(|hi| index < hi) && !seat.ended,
                "grain {index} was not to be had"
            );
            seat.leases.insert(index, lease);
            seat.next = index + 1;
        }
        Err(ReadError::Gone { oldest, .. }) => {
            assert!(!there(index) && room);
            assert_eq!(oldest, next_there(index + 1).map(GrainIndex));
            seat.next = next_there(index + 1).unwrap_or(index + 1);
        }
        Err(ReadError::TooManyLeases { .. }) => assert!(!room),
        Err(ReadError::Evicted { .. }) => assert!(seat.hi.is_some_and(|hi| index >= hi) || seat.ended),
        Err(error) => panic!("grain {index}: {error}"),
    }
    seat.raise();
}

fn check_lease(seat: &Seat, index: u64, lease: &GrainLease, lost: Option<&BTreeSet<u16>>) {
    let whole = |slices| (0..slices).flat_map(|line| line_bytes(index, line, OCTETS)).collect::<Vec<u8>>();
    let mut out = [0; LINES as usize * OCTETS];
    match lease.state() {
        Ok(state) => {
            let octets = usize::from(state.slices) * OCTETS;
            if lease.copy_lines(0..state.slices, &mut out).is_ok() {
                assert_eq!(out[..octets], whole(state.slices), "grain {index}, validated");
            }
            if state.is_closed() && seat.honest {
                assert_eq!(usize::from(state.lost_lines), lost.map_or(0, BTreeSet::len), "grain {index}");
                assert_eq!(state.octets as usize, octets, "grain {index}");
            }
            if seat.honest && !seat.is_lossy() {
                for line in 0..state.slices {
                    let expected = lost.is_some_and(|lost| lost.contains(&line));
                    assert_eq!(lease.is_lost(line), expected, "line {line} of grain {index}");
                }
                assert_eq!(lease.lines(0..state.slices).unwrap(), whole(state.slices), "grain {index}, in place");
            }
        }
        Err(error) => assert!(seat.is_lossy() || !seat.honest, "grain {index} of an honest leased consumer: {error}"),
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
