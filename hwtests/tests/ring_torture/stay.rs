//! One membership of one consumer: which grains it takes, what it keeps of them, and every check.

use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::Duration;

use hwtests::{Dice, actor};
use shm::{Consumer, ConsumerClass, GrainLease, GrainState, ReadError, WaitError};

use crate::grain::{Grains, format};
use crate::seat::Seat;

/// Why a membership ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It has had enough.
    Enough,
    Evicted,
    /// The flow goes on in another epoch.
    EpochEnded(Option<u128>),
    ProducerGone,
    /// It was told to leave for good.
    Told,
}

/// A membership and what it holds.
pub(crate) struct Stay<'a> {
    seat: Seat,
    orders: &'a Receiver<String>,
    dice: &'a mut Dice,
    grains: Grains,
    /// Grains that it may hold; none for a lossy one.
    k: Option<u64>,
    /// The least index that it may see next. Who is not lossy misses nothing.
    next: u64,
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
    /// Not by a lossy consumer.
    is_kept: bool,
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

impl<'a> Stay<'a> {
    pub(crate) fn new(consumer: Consumer, dice: &'a mut Dice, orders: &'a Receiver<String>) -> Self {
        let class = consumer.class();
        let mut seat = Seat::by_chance(consumer, dice);
        let name = match class {
            ConsumerClass::Lossy => "lossy",
            ConsumerClass::Leased { .. } => "leased",
            ConsumerClass::Blocking { .. } => "blocking",
        };
        actor::say(&format!("{name}, {}", seat.way()));
        let reader = seat.reader();
        let (grains, next) = (Grains::of(reader.geometry().epoch), reader.next_index().0);
        Self {
            seat,
            orders,
            dice,
            grains,
            k: class.holds().map(u64::from),
            next,
            held: Vec::new(),
            taken: 0,
            tally: Tally::default(),
            copy: vec![0; format().frame_octets() as usize],
        }
    }

    /// Takes grains until it has had `enough`, or there is another reason to end. Some are released by another thread.
    pub(crate) fn last(mut self, enough: u64) -> (End, Consumer) {
        let (other, gifts) = std::sync::mpsc::channel::<Held>();
        let grains = self.grains;
        let end = std::thread::scope(|scope| {
            scope.spawn(move || gifts.into_iter().for_each(|held| held.check(grains)));
            let mut end = None;
            for number in 0..enough {
                end = self.take_one(&other);
                if number % 64 == 63 {
                    self.tally.say();
                }
                if end.is_some() {
                    break;
                }
            }
            drop(other);
            end
        });
        // Whatever has happened to it: what is held is as it was.
        std::mem::take(&mut self.held).iter().for_each(|held| held.check(grains));
        self.tally.say();
        if end == Some(End::Evicted) {
            self.seat.reader().acknowledge_eviction().unwrap();
        }
        (end.unwrap_or(End::Enough), self.seat.into_consumer())
    }

    /// Waits for the next grain, reads it line by line as it comes, and may keep it for a while.
    fn take_one(&mut self, other: &Sender<Held>) -> Option<End> {
        self.release(other);
        let lease = match self.wait() {
            Ok(lease) => lease,
            Err(end) => return end,
        };
        let index = lease.index().0;
        if self.k.is_some() {
            assert_eq!(index, self.grains.opened_from(self.next), "MISSED: this grain comes after {}", self.next);
        }
        self.next = index + 1;
        assert_eq!(lease.stamp(), Grains::stamp(index), "grain {index}");
        match self.follow(&lease) {
            Ok(lines) => {
                self.tally.grains += 1;
                self.taken += 1;
                self.held.push(Held { lease, lines, number: self.taken, is_kept: self.k.is_some() });
                None
            }
            Err(end) => end,
        }
    }

    /// Gives up some of what is held, in any order, and whatever leaves no room in its K for the next.
    fn release(&mut self, other: &Sender<Held>) {
        for held in std::mem::take(&mut self.held) {
            let is_due = self.taken - held.number + 1 >= self.k.unwrap_or(1);
            match self.dice.below(6) {
                0 | 1 => held.check(self.grains),
                2 => other.send(held).unwrap(),
                _ if is_due => held.check(self.grains),
                _ => self.held.push(held),
            }
        }
    }

    /// The next grain; or why there is none, where none at all means that another one may be asked for.
    fn wait(&mut self) -> Result<GrainLease, Option<End>> {
        loop {
            let time = self.patience();
            match self.seat.next(time) {
                Ok(Some(lease)) => return Ok(lease),
                // The other thread has not released yet what it was given.
                Ok(None) | Err(WaitError::Read(ReadError::TooManyLeases { .. })) => self.obey()?,
                Err(WaitError::Read(ReadError::Gone { .. })) if self.k.is_none() => self.tally.overtaken += 1,
                Err(error) => return Err(Some(self.end(error))),
            }
        }
    }

    /// A time to wait: short enough to hear an order.
    fn patience(&mut self) -> Duration {
        Duration::from_micros(self.dice.between(50, 50_000))
    }

    fn obey(&self) -> Result<(), Option<End>> {
        match self.orders.try_recv() {
            Err(TryRecvError::Empty) => Ok(()),
            _ => Err(Some(End::Told)),
        }
    }

    /// Why nothing more comes; whoever is not lossy has had all there was.
    fn end(&mut self, error: WaitError) -> End {
        let (end, bound) = match error {
            WaitError::Read(ReadError::Evicted { hi }) => (End::Evicted, Some(hi)),
            WaitError::Read(ReadError::EpochEnded { end, successor }) => (End::EpochEnded(successor), Some(end)),
            WaitError::ProducerGone { .. } => (End::ProducerGone, None),
            error => panic!("next grain of one who reads {} with K {:?}: {error}", self.seat.way(), self.k),
        };
        if self.k.is_some() {
            let (left, next) = (self.seat.reader().next_available(), self.grains.opened_from(self.next));
            let is_all = bound.map_or(left.is_none(), |bound| next >= bound.0);
            assert!(is_all, "MISSED: {error}, where {next} was to come, and {left:?} is there");
        }
        end
    }

    /// Reads what is published until the grain ends; how many lines it came to.
    fn follow(&mut self, lease: &GrainLease) -> Result<u16, Option<End>> {
        let mut seen = 0;
        loop {
            let (time, lines) = (self.patience(), self.dice.between(seen.into(), 182) as u16 + 1);
            let state = match self.seat.wait(lease, lines, time) {
                Ok(None) => {
                    self.obey()?;
                    continue;
                }
                Ok(Some(state)) => state,
                Err(WaitError::ProducerGone { .. }) => return Err(Some(End::ProducerGone)),
                Err(WaitError::Read(error)) => return Err(self.overtaken(error)),
                Err(error @ WaitError::TimedOut { .. }) => panic!("{error}"),
            };
            assert!(state.is_closed() || state.slices >= lines, "woken for {state:?} where {lines} lines were wanted");
            self.check_new(lease, seen..state.slices).map_err(|error| self.overtaken(error))?;
            seen = state.slices;
            if state.is_closed() {
                self.check_end(lease, state).map_err(|error| self.overtaken(error))?;
                return Ok(seen);
            }
        }
    }

    /// A lossy consumer goes on; no other must come here.
    fn overtaken(&mut self, error: ReadError) -> Option<End> {
        let is_overtaken = matches!(error, ReadError::Gone { .. } | ReadError::Torn { .. });
        assert!(self.k.is_none() && is_overtaken, "a grain that was leased with K {:?}: {error}", self.k);
        self.tally.overtaken += 1;
        None
    }

    fn check_new(&mut self, lease: &GrainLease, lines: Range<u16>) -> Result<(), ReadError> {
        let index = lease.index().0;
        lease.copy_lines(lines.clone(), &mut self.copy)?;
        let octets = usize::from(lines.end - lines.start) * format().row_octets() as usize;
        let wrong = self.grains.wrong_line(index, lines.start, &self.copy[..octets]);
        assert_eq!(wrong, None, "TORN: line of grain {index}, validated");
        let lost = lines.clone().find(|line| lease.is_lost(*line) != self.grains.is_lost(index, *line));
        // Where nothing is held, only what is asked afterwards tells whether the bitmap was this grain's.
        lease.state()?;
        assert_eq!(lost, None, "a line of grain {index} that was lost, or was not");
        self.tally.lines += u64::from(lines.end - lines.start);
        Ok(())
    }

    /// The end of a grain, and once more all of its octets.
    fn check_end(&mut self, lease: &GrainLease, state: GrainState) -> Result<(), ReadError> {
        let index = lease.index().0;
        assert_eq!(state, self.grains.end(index), "the end of grain {index}");
        let octets = lease.copy_bytes(&mut self.copy)?;
        assert_eq!(octets, state.octets as usize, "grain {index}");
        assert_eq!(self.grains.wrong_line(index, 0, &self.copy[..octets]), None, "TORN: grain {index}, validated");
        Ok(())
    }
}

impl Held {
    /// The lines are what they were, in place where that may be asked for.
    fn check(&self, grains: Grains) {
        let (lease, index, lines) = (&self.lease, self.lease.index().0, 0..self.lines);
        if let Some(in_place) = lease.lines(lines.clone()) {
            assert_eq!(grains.wrong_line(index, 0, in_place), None, "TORN: grain {index}, in place");
        }
        let mut copy = vec![0; usize::from(self.lines) * format().row_octets() as usize];
        match lease.copy_lines(lines, &mut copy) {
            Ok(()) => assert_eq!(grains.wrong_line(index, 0, &copy), None, "TORN: grain {index}, that is held"),
            Err(ReadError::Gone { .. } | ReadError::Torn { .. }) if !self.is_kept => {}
            Err(error) => panic!("grain {index} is held: {error}"),
        }
    }
}
