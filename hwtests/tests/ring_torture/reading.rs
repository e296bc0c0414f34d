//! The part of a consumer: joins, reads, holds, checks every octet that was validated, leaves, joins elsewhere.

use std::ops::Range;
use std::path::Path;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use hwtests::{Dice, actor};
use shm::{Consumer, ConsumerClass, FrameReader, GrainLease, ReadError, Session, SessionError};

use crate::grain::{Fate, Grains, format};

/// What a consumer is told when it starts.
pub(crate) struct Reading {
    pub(crate) session: Session,
    pub(crate) flows: Vec<String>,
    /// Stays in its flow for ever and must see every grain.
    pub(crate) steady: bool,
    pub(crate) dice: Dice,
    pub(crate) orders: Receiver<String>,
}

/// Why a membership ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// It has had enough.
    Enough,
    Evicted,
    ProducerGone,
    /// It was told to leave for good.
    Told,
}

/// What was checked.
#[derive(Clone, Copy, Default)]
struct Tally {
    grains: u64,
    lines: u64,
    overtaken: u64,
}

impl Tally {
    /// Says what there is, and begins again.
    fn say(&mut self) {
        let Self { grains, lines, overtaken } = std::mem::take(self);
        actor::say(&format!("tally {grains} {lines} {overtaken}"));
    }
}

impl Reading {
    /// From `socket flow,flow steady seed`.
    pub(crate) fn from_words(words: &[String], orders: Receiver<String>) -> Self {
        let [socket, flows, kind, seed] = words else { panic!("a consumer was told {words:?}") };
        let session = Session::connect(Path::new(socket)).unwrap();
        let flows = flows.split(',').map(str::to_owned).collect();
        Self { session, flows, steady: kind == "steady", dice: Dice::new(seed.parse().unwrap()), orders }
    }

    fn class(&mut self) -> ConsumerClass {
        if self.steady {
            return ConsumerClass::Leased { k: 3, deadline_nanos: i64::MAX };
        }
        let k = self.dice.between(1, 4) as u16;
        match self.dice.below(4) {
            0 => ConsumerClass::Lossy,
            // Ten grains: nobody who is waited for is ever so late.
            1 => ConsumerClass::Leased { k, deadline_nanos: 10 * crate::grain::PERIOD_NANOS },
            _ => ConsumerClass::Leased { k, deadline_nanos: i64::MAX },
        }
    }

    pub(crate) fn run(mut self) {
        loop {
            let class = self.class();
            let flow = self.dice.choose(&self.flows).clone();
            match self.session.subscribe(&flow.parse().unwrap(), class) {
                Ok(consumer) => {
                    actor::say("joined");
                    match self.stay(consumer, class) {
                        End::Told => return,
                        End::Evicted => actor::say("evicted"),
                        End::Enough | End::ProducerGone => {}
                    }
                }
                Err(SessionError::Refused(refusal)) => {
                    actor::say(&format!("refused {}", format!("{refusal:?}").split(' ').next().unwrap()));
                    std::thread::sleep(Duration::from_millis(self.dice.below(20)));
                }
                Err(error) => panic!("{flow}: {error}"),
            }
            if self.is_told() {
                return;
            }
        }
    }

    fn is_told(&self) -> bool {
        !matches!(self.orders.try_recv(), Err(TryRecvError::Empty))
    }

    /// One membership.
    fn stay(&mut self, mut consumer: Consumer, class: ConsumerClass) -> End {
        let mut stay = Stay {
            grains: Grains::of(consumer.reader().geometry().epoch),
            k: if let ConsumerClass::Leased { k, .. } = class { k.into() } else { 1 },
            leased: class != ConsumerClass::Lossy,
            next: if self.steady { Some(consumer.reader().next_index().0) } else { None },
            held: Vec::new(),
            taken: 0,
            tally: Tally::default(),
            copy: vec![0; format().frame_octets() as usize],
        };
        let enough = if self.steady { u64::MAX } else { self.dice.between(1, 200) };
        let mut end = End::Enough;
        for number in 0..enough {
            let ended = stay.take_one(&mut consumer, &mut self.dice, &self.orders);
            if number % 64 == 63 {
                stay.tally.say();
            }
            if let Some(ended) = ended {
                end = ended;
                break;
            }
        }
        // Whatever has happened to it: what is held is as it was.
        stay.check_held();
        stay.tally.say();
        if end == End::Evicted {
            consumer.reader().acknowledge_eviction().unwrap();
        }
        end
    }
}

/// A membership and what it holds.
struct Stay {
    grains: Grains,
    k: u64,
    leased: bool,
    /// The grain that must come next; none for those who do not keep count.
    next: Option<u64>,
    held: Vec<Held>,
    /// Grains that it has had.
    taken: u64,
    tally: Tally,
    copy: Vec<u8>,
}

/// A grain that is held, with the lines that were there when it ended.
struct Held {
    lease: GrainLease,
    lines: u16,
    number: u64,
}

impl Stay {
    /// Waits for the next grain, reads it line by line as it comes, and may keep it for a while.
    fn take_one(&mut self, consumer: &mut Consumer, dice: &mut Dice, orders: &Receiver<String>) -> Option<End> {
        self.release(dice);
        let lease = match self.wait(consumer, orders) {
            Ok(lease) => lease,
            Err(end) => return end,
        };
        if let Some(next) = self.next {
            let expected = self.grains.opened_from(next);
            assert_eq!(lease.index().0, expected, "a grain was missed");
            self.next = Some(expected + 1);
        }
        match self.follow(&lease, consumer, orders) {
            Ok(lines) => {
                self.tally.grains += 1;
                self.taken += 1;
                self.held.push(Held { lease, lines, number: self.taken });
                None
            }
            Err(end) => end,
        }
    }

    /// Gives up some of what is held, in any order, and whatever leaves no room in its K for the next.
    fn release(&mut self, dice: &mut Dice) {
        let mut keep = Vec::new();
        for held in std::mem::take(&mut self.held) {
            if self.taken - held.number + 1 >= self.k || dice.below(3) == 0 {
                self.check(&held.lease, 0..held.lines);
            } else {
                keep.push(held);
            }
        }
        self.held = keep;
    }

    /// The next grain; or why there is none, where none at all means that another one may be asked for.
    fn wait(&mut self, consumer: &mut Consumer, orders: &Receiver<String>) -> Result<GrainLease, Option<End>> {
        loop {
            let Some(index) = consumer.reader().next_available() else {
                idle(consumer, orders)?;
                continue;
            };
            match consumer.reader().lease(index) {
                Ok(lease) => return Ok(lease),
                Err(ReadError::Evicted { .. }) => return Err(Some(End::Evicted)),
                Err(ReadError::NotYet { .. }) => {}
                Err(ReadError::Gone { .. }) if !self.leased || is_evicted(consumer.reader()) => {
                    self.tally.overtaken += 1;
                }
                Err(error) => panic!("grain {index} of a leased consumer: {error}"),
            }
        }
    }

    /// Reads what is published until the grain ends; how many lines it came to.
    fn follow(
        &mut self,
        lease: &GrainLease,
        consumer: &mut Consumer,
        orders: &Receiver<String>,
    ) -> Result<u16, Option<End>> {
        let mut seen = 0;
        loop {
            let state = match lease.state() {
                Ok(state) => state,
                Err(error) => return Err(self.overtaken(error)),
            };
            if state.slices > seen {
                self.check_new(lease, seen..state.slices).map_err(|error| self.overtaken(error))?;
                seen = state.slices;
            } else if state.complete || state.cancelled {
                let fate = self.grains.fate(lease.index().0);
                let expected = if state.cancelled { Fate::Cancelled(state.slices) } else { Fate::Whole };
                // The end of a lossy grain may be that of the next one in its slot.
                assert!(fate == expected || !self.leased, "{}: {state:?} instead of {fate:?}", lease.index());
                return Ok(seen);
            } else {
                idle(consumer, orders)?;
            }
        }
    }

    /// A lossy consumer goes on; a leased one must not come here.
    fn overtaken(&mut self, error: ReadError) -> Option<End> {
        assert!(!self.leased, "a leased grain: {error}");
        self.tally.overtaken += 1;
        None
    }

    fn check_new(&mut self, lease: &GrainLease, lines: Range<u16>) -> Result<(), ReadError> {
        let index = lease.index().0;
        lease.copy_lines(lines.clone(), &mut self.copy)?;
        let octets = usize::from(lines.end - lines.start) * format().row_octets() as usize;
        let wrong = self.grains.wrong_line(index, lines.start, &self.copy[..octets]);
        assert_eq!(wrong, None, "TORN: line of grain {index}, validated");
        if self.leased {
            let lost = lines.clone().find(|line| lease.is_lost(*line) != self.grains.is_lost(index, *line));
            assert_eq!(lost, None, "a line of grain {index} that was lost, or was not");
        }
        self.tally.lines += u64::from(lines.end - lines.start);
        Ok(())
    }

    /// A grain that is held, again: in place where that may be.
    fn check(&mut self, lease: &GrainLease, lines: Range<u16>) {
        if !self.leased || lines.is_empty() {
            return;
        }
        let (index, count) = (lease.index().0, u64::from(lines.end - lines.start));
        if let Some(in_place) = lease.lines(lines.clone()) {
            assert_eq!(self.grains.wrong_line(index, lines.start, in_place), None, "TORN: grain {index}, in place");
            self.tally.lines += count;
        } else if let Err(error) = self.check_new(lease, lines) {
            panic!("grain {index} is held: {error}");
        }
    }

    fn check_held(&mut self) {
        for held in std::mem::take(&mut self.held) {
            self.check(&held.lease, 0..held.lines);
        }
    }
}

fn is_evicted(reader: &FrameReader) -> bool {
    matches!(reader.status(), shm::SeatStatus::Evicted { .. })
}

/// Nothing to read: a reason to end, or a moment's rest.
fn idle(consumer: &mut Consumer, orders: &Receiver<String>) -> Result<(), Option<End>> {
    if is_evicted(consumer.reader()) {
        return Err(Some(End::Evicted));
    }
    if consumer.producer_gone() {
        return Err(Some(End::ProducerGone));
    }
    match orders.try_recv() {
        Err(TryRecvError::Empty) => {}
        _ => return Err(Some(End::Told)),
    }
    std::thread::sleep(Duration::from_micros(200));
    Ok(())
}
