//! One way of a sender's packets: its path, and what waits for the queue there.

use std::sync::Arc;

use media::{Clock, Tai};
use netio::{BURST, Burst, Pacing, Path, PathId, Planned, TxFull, TxQueue};
use shm::GrainLease;
use st2110::PlannedPacket;

use super::active::{Active, Ready};
use super::book::Book;
use super::pacer::{Front, Pacer};
use crate::counters::{LegCounters, SenderCounters};
use crate::key::OutputIndex;
use crate::output::{LegPlace, Output, Parted, SharedBurst};
use crate::refusal::SenderRefusal;

/// Packets that one leg may make in a turn before others have theirs.
const PACKETS_PER_TURN: u32 = 8 * BURST as u32;

/// A queue that was full is asked again after this: no queue tells when it has room.
const RETRY_NANOS: i64 = 50_000;

/// Where a leg is in a grain.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    /// The grain's place.
    pub(super) place: usize,
    /// The next packet of the plan.
    pub(super) next: u32,
}

/// A path of a sender.
pub(super) struct Leg<T: TxQueue<Lease = GrainLease>> {
    number: u8,
    path: Path,
    output: OutputIndex,
    open: Option<PathId>,
    pub(super) at: Option<At>,
    /// Offered to the queue, and not taken by it.
    waiting: Burst<T::Buf>,
    /// So many of its packets are in the burst that is being filled.
    aboard: usize,
    /// The first that the queue has not taken.
    front: Front,
    /// The queue did not take all in this turn.
    is_stuck: bool,
    /// Packets that it may still make in this turn.
    allowance: u32,
    pacer: Option<Pacer>,
    /// Of the port.
    pacing: Pacing,
    /// The last packet that was asked for had no buffer.
    is_short: bool,
    counters: Arc<LegCounters>,
}

/// What a leg has loaded.
#[derive(Clone, Copy, Default)]
pub(super) struct Loaded {
    /// Packets that were made.
    pub(super) packets: usize,
    /// More are due and there: the burst has to leave first.
    pub(super) is_blocked: bool,
}

/// Why a leg stops.
enum Stop {
    /// Nothing more is due, or there; or no buffer is.
    NotNow,
    /// A packet was refused for good; the next one may be made.
    Refused,
    /// The burst has to leave first: it is full, or the next packet does not follow those in it.
    Blocked,
}

impl<T: TxQueue<Lease = GrainLease>> Leg<T> {
    pub(super) fn new(number: u8, path: Path, output: OutputIndex) -> Self {
        Self {
            number,
            path,
            output,
            open: None,
            at: None,
            waiting: Burst::new(),
            aboard: 0,
            is_stuck: false,
            allowance: 0,
            front: Front { packet: 0, t_vd: Tai::EPOCH, launch: None },
            pacing: Pacing::Software,
            pacer: None,
            is_short: false,
            counters: Arc::default(),
        }
    }

    pub(super) fn counters(&self) -> Arc<LegCounters> {
        Arc::clone(&self.counters)
    }

    /// Its bit among the legs.
    #[inline]
    pub(super) const fn bit(&self) -> u8 {
        1 << self.number
    }

    /// For another worker: its path is not open.
    pub(super) fn set_output(&mut self, output: OutputIndex) {
        debug_assert!(self.open.is_none(), "a path is open still");
        self.output = output;
    }

    /// Its output has another place now.
    pub(super) fn renumber(&mut self, renumbered: impl Fn(OutputIndex) -> OutputIndex) {
        self.output = renumbered(self.output);
    }

    /// Where its output stands among the worker's.
    pub(super) fn place(&self) -> usize {
        usize::from(self.output.0)
    }

    pub(super) fn is_attached(&self, outputs: &[Output<T>]) -> bool {
        outputs.get(self.place()).is_some_and(Output::is_attached)
    }

    pub(super) fn open(&mut self, outputs: &mut [Output<T>]) -> Result<(), SenderRefusal> {
        let output = outputs.get_mut(self.place()).ok_or(SenderRefusal::NoOutput)?;
        let queue = output.queue().ok_or(SenderRefusal::Detached)?;
        self.open = Some(queue.open_path(&self.path)?);
        self.pacing = queue.pacing();
        Ok(())
    }

    pub(super) fn close(&mut self, outputs: &mut [Output<T>]) {
        if let (Some(path), Some(output)) = (self.open.take(), outputs.get_mut(self.place())) {
            output.close_path(path);
        }
    }

    pub(super) fn pace(&mut self, pacer: Option<Pacer>) {
        self.pacer = pacer.map(|pacer| pacer.on(self.pacing));
    }

    /// Whether its port sends each packet at its own time.
    pub(super) fn is_paced_by_port(&self) -> bool {
        self.pacer.as_ref().is_some_and(Pacer::is_launching)
    }

    fn place_of(&self, sender: u16) -> LegPlace {
        LegPlace { sender, leg: self.number }
    }

    /// Whether neither its queue nor a buffer keeps it from sending.
    pub(super) fn is_free(&self, outputs: &[Output<T>]) -> bool {
        self.waiting.is_empty() && self.aboard == 0 && !self.is_short && self.is_attached(outputs)
    }

    /// Whether packets wait for the queue.
    pub(super) fn holds(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Drops what waits for the queue. The references go back with it.
    #[cold]
    pub(super) fn take_back(&mut self, counters: &SenderCounters) {
        let packets = self.waiting.len() as u64;
        self.waiting.clear();
        self.counters.packets_taken_back.add(packets);
        counters.packets_taken_back.add(packets);
    }

    /// So many packets were not made because their grain is too late: what the queue has not taken is as late.
    #[cold]
    pub(super) fn skip_late(&mut self, packets: u64, counters: &SenderCounters) {
        self.is_short = false;
        self.counters.packets_skipped_late.add(packets);
        self.take_back(counters);
    }

    /// A turn begins: the queue is asked again.
    #[inline]
    pub(super) fn begin_turn(&mut self) {
        self.is_stuck = false;
        self.allowance = PACKETS_PER_TURN;
    }

    /// Whether it may load packets of grains now: those that waited for the queue are in the burst, before all others.
    /// `None`: that has to leave first.
    #[inline]
    pub(super) fn board(&mut self, sender: u16, shared: &mut SharedBurst<T::Buf>) -> Option<bool> {
        if self.is_stuck || self.waiting.is_empty() {
            return Some(!self.is_stuck);
        }
        self.board_waiting(sender, shared)
    }

    #[cold]
    fn board_waiting(&mut self, sender: u16, shared: &mut SharedBurst<T::Buf>) -> Option<bool> {
        if shared.room() < self.waiting.len() {
            return None;
        }
        shared.time();
        let (of, waiting) = (self.place_of(sender), &mut self.waiting);
        let fill = |burst: &mut Burst<T::Buf>| waiting.drain().try_for_each(|packet| burst.push(packet)).is_ok();
        let (packets, fitted) = shared.fill(of, fill);
        debug_assert!(fitted, "there is room for all");
        self.aboard += packets;
        Some(true)
    }

    /// What became of its packets of a burst, which holds those that were not taken.
    #[inline]
    pub(super) fn departed<C>(&mut self, parted: Parted, burst: &mut Burst<T::Buf>, book: &Book<'_, C>) {
        self.aboard = 0;
        if let Some(pacer) = self.pacer.as_mut().filter(|_| parted.taken > 0) {
            self.front = pacer.sent(parted.taken as u32, self.front, book);
        }
        if parted.left > 0 {
            self.stay(burst.drain_front(parted.left), book.counters);
        }
    }

    #[cold]
    fn stay(&mut self, left: impl Iterator<Item = T::Buf>, counters: &SenderCounters) {
        for packet in left {
            let fits = self.waiting.push(packet).is_ok();
            debug_assert!(fits, "what waits was aboard, all of it");
        }
        self.is_stuck = true;
        self.counters.queue_full.add(1);
        counters.queue_full.add(1);
    }

    /// Loads what is due and there of `active`.
    pub(super) fn load<C: Clock>(
        &mut self,
        (queue, shared): (&mut T, &mut SharedBurst<T::Buf>),
        active: &Active<T::Payload>,
        ready: &Ready<'_, C>,
    ) -> Loaded {
        let (Some(at), Some(pacer)) = (self.at, &mut self.pacer) else { return Loaded::default() };
        let now = ready.book.watch.now();
        let due = pacer.due(now, active.t_vd);
        let mut allowed = if due > at.next { pacer.room(now, self.aboard).min(self.allowance) } else { 0 };
        let (mut next, mut loaded) = (at.next, Loaded::default());
        while due > next && allowed > 0 {
            let wanted = (due - next).min(allowed);
            let before = self.aboard;
            let stop = if active.has_lost_lines {
                self.gather_around_losses((queue, shared), active, ready, &mut next, wanted)
            } else {
                self.gather((queue, shared), active, ready, &mut next, wanted)
            };
            let gathered = self.aboard - before;
            let is_refused = matches!(stop, Stop::Refused);
            loaded.packets += gathered + usize::from(is_refused);
            // A packet that is refused costs a burst of those that may be made.
            let spent = gathered as u32 + if is_refused { BURST as u32 } else { 0 };
            (allowed, self.allowance) = (allowed.saturating_sub(spent), self.allowance.saturating_sub(spent));
            if !is_refused {
                loaded.is_blocked = matches!(stop, Stop::Blocked);
                break;
            }
        }
        self.at = Some(At { next, ..at });
        loaded
    }

    /// Gathers up to `wanted` packets from `next` on, as far as their lines are there and the burst has room.
    #[inline]
    fn gather<C>(
        &mut self,
        (queue, shared): (&mut T, &mut SharedBurst<T::Buf>),
        active: &Active<T::Payload>,
        ready: &Ready<'_, C>,
        next: &mut u32,
        wanted: u32,
    ) -> Stop {
        self.is_short = false;
        let there = ready.packetiser.plan().there(*next, wanted, active.slices);
        let (Some(path), true) = (self.open, there > 0) else { return Stop::NotNow };
        // What a queue takes is told by the first packet that it has not: the others follow it.
        let of = self.place_of(ready.number);
        let follows =
            self.aboard == 0 || shared.ends_with(of) && self.front.is_followed_by(self.aboard, *next, active.t_vd);
        let fitting = there.min(shared.room() as u32);
        if fitting == 0 || !follows {
            return Stop::Blocked;
        }
        let now = ready.book.watch.now();
        let launches = self.pacer.as_ref().and_then(|pacer| pacer.launches(*next, active.t_vd, now));
        let packets = ready.packetiser.frame(*next..*next + fitting, active.sequence, active.timestamp).map(planned);
        if self.aboard == 0 {
            let launch = launches.map(|launches| launches.at(*next));
            self.front = Front { packet: *next, t_vd: active.t_vd, launch };
        }
        if self.pacer.as_ref().is_some_and(|pacer| !pacer.is_free()) {
            shared.time();
        }
        let (made, gathered) = shared.fill(of, |burst| match launches {
            None => queue.gather_burst(path, &active.payload, packets, burst),
            Some(launches) => {
                let at = |(number, packet)| Planned { launch: Some(launches.at(number)), ..packet };
                queue.gather_burst(path, &active.payload, (*next..).zip(packets).map(at), burst)
            }
        });
        let last = launches.filter(|_| made > 0).map(|launches| launches.at(*next + made as u32 - 1));
        if let (Some(pacer), Some(last)) = (&mut self.pacer, last) {
            pacer.launched(last);
        }
        let octets = ready.source.octets(*next, made);
        *next += made as u32;
        self.aboard += made;
        self.counters.packets.add(made as u64);
        ready.book.counters.packets.add(made as u64);
        ready.book.counters.octets.add(octets);
        // A next hop that is not known may be so for ever: the naps of a worker are short enough for it.
        self.is_short = gathered.is_err_and(|full| full.is_transient() && full != TxFull::Unresolved);
        match gathered {
            Ok(()) if there > fitting => Stop::Blocked,
            Ok(()) => Stop::NotNow,
            Err(full) => self.not_gathered(full, ready.book.counters, next),
        }
    }

    #[cold]
    fn not_gathered(&mut self, full: TxFull, counters: &SenderCounters, next: &mut u32) -> Stop {
        match full {
            TxFull::Unresolved => {
                self.counters.unresolved.add(1);
                counters.unresolved.add(1);
                Stop::NotNow
            }
            full if full.is_transient() => {
                self.counters.queue_full.add(1);
                counters.queue_full.add(1);
                Stop::NotNow
            }
            _ => {
                *next += 1;
                self.counters.packets_refused.add(1);
                counters.packets_refused.add(1);
                Stop::Refused
            }
        }
    }

    /// As [`Self::gather`], past the packets that have lost lines.
    #[cold]
    fn gather_around_losses<C>(
        &mut self,
        (queue, shared): (&mut T, &mut SharedBurst<T::Buf>),
        active: &Active<T::Payload>,
        ready: &Ready<'_, C>,
        next: &mut u32,
        wanted: u32,
    ) -> Stop {
        let until = *next + wanted;
        while *next < until {
            let Some(packet) = ready.source.plan().packets().get(*next as usize) else { break };
            if packet.last_row >= active.slices {
                break;
            }
            let rows = ready.source.first_row(packet)..=packet.last_row;
            if rows.into_iter().any(|row| ready.source.reader().is_lost(&active.grain, row)) {
                *next += 1;
                ready.book.counters.packets_skipped_lost.add(1);
                continue;
            }
            let from = *next;
            let stop = self.gather((queue, shared), active, ready, next, 1);
            if *next == from {
                return stop;
            }
        }
        Stop::NotNow
    }

    /// Nanoseconds until the queue is asked again; `None` when nothing waits for it, or for a buffer.
    pub(super) fn retry_in(&self) -> Option<i64> {
        (self.holds() || self.is_short && self.at.is_some()).then_some(RETRY_NANOS)
    }

    /// Nanoseconds until packet `next` may go. `None` for one whose time has come: it waits for its line, which does not
    /// say when.
    pub(super) fn due_in(&mut self, next: u32, t_vd: Tai, now: Tai) -> Option<i64> {
        self.pacer.as_mut()?.wait_nanos(next, t_vd, now)
    }
}

#[inline]
fn planned((packet, header): (&PlannedPacket, [u8; st2110::MAX_HEADER_OCTETS])) -> Planned {
    let header_octets = packet.header_octets() as u8;
    Planned { header, header_octets, octets: packet.octets, start: packet.start, launch: None }
}
