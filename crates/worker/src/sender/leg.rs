//! One way of a sender's packets: its path, and what waits for the queue there.

use std::sync::Arc;

use media::{Clock, Tai};
use netio::{Burst, Pacing, Path, PathId, Planned, TxFull, TxQueue};
use shm::GrainLease;
use st2110::PlannedPacket;

use super::active::{Active, Ready};
use super::book::Book;
use super::pacer::{Front, Pacer};
use crate::counters::{LegCounters, SenderCounters};
use crate::key::OutputIndex;
use crate::output::Output;
use crate::refusal::SenderRefusal;

/// Bursts that one leg may fill in a turn before others have theirs.
const BURSTS_PER_TURN: usize = 8;

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
    /// Made, and not taken by the queue yet.
    waiting: Burst<T::Buf>,
    /// The first of them.
    front: Front,
    pacer: Option<Pacer>,
    /// Of the port.
    pacing: Pacing,
    /// The last packet that was asked for had no buffer.
    is_short: bool,
    counters: Arc<LegCounters>,
}

/// Why a leg stops for this turn.
enum Stop {
    /// Nothing more is due, or there.
    NotNow,
    /// The queue has no room.
    Full,
    /// A packet was refused for good; the next one may be made.
    Refused,
    /// What waits for the queue goes first: the next packet does not follow it.
    Gap,
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

    /// Offers the queue what waits; returns how many it took.
    pub(super) fn flush<C: Clock>(&mut self, outputs: &mut [Output<T>], book: &Book<'_, C>) -> usize {
        if self.waiting.is_empty() {
            return 0;
        }
        let Some(queue) = outputs.get_mut(self.place()).and_then(Output::queue) else { return 0 };
        self.send(queue, book)
    }

    #[inline]
    fn send<C: Clock>(&mut self, queue: &mut T, book: &Book<'_, C>) -> usize {
        let taken = queue.tx_burst(&mut self.waiting);
        if let Some(pacer) = self.pacer.as_mut().filter(|_| taken > 0) {
            self.front = pacer.sent(taken as u32, self.front, book);
        }
        if !self.waiting.is_empty() {
            self.counters.queue_full.add(1);
            book.counters.queue_full.add(1);
        }
        taken
    }

    /// Gathers and sends what is due and there of `active`; returns how many packets were made.
    pub(super) fn advance<C: Clock>(
        &mut self,
        outputs: &mut [Output<T>],
        active: &Active<T::Payload>,
        ready: &Ready<'_, C>,
    ) -> usize {
        let Some(queue) = outputs.get_mut(self.place()).and_then(Output::queue) else { return 0 };
        let (Some(at), Some(pacer)) = (self.at, &mut self.pacer) else { return 0 };
        let due = pacer.due(ready.book.watch.now(), active.t_vd);
        let mut allowed = pacer.room(ready.book.watch.now(), self.waiting.len());
        let (mut next, mut made) = (at.next, 0);
        for _ in 0..BURSTS_PER_TURN {
            let wanted = due.saturating_sub(next).min(allowed);
            let before = self.waiting.len();
            let stop = if active.has_lost_lines {
                self.gather_around_losses(queue, active, ready, &mut next, wanted)
            } else {
                self.gather(queue, active, ready, &mut next, wanted)
            };
            let gathered = self.waiting.len() - before;
            allowed -= gathered as u32;
            made += gathered + usize::from(matches!(stop, Stop::Refused));
            if !self.waiting.is_empty() {
                self.send(queue, ready.book);
            }
            if !self.waiting.is_empty() || matches!(stop, Stop::Full) {
                break;
            }
            if matches!(stop, Stop::NotNow) && gathered < netio::BURST {
                break;
            }
        }
        self.at = Some(At { next, ..at });
        made
    }

    /// Gathers up to `wanted` packets from `next` on, as far as their lines are there and the burst has room.
    #[inline]
    fn gather<C>(
        &mut self,
        queue: &mut T,
        active: &Active<T::Payload>,
        ready: &Ready<'_, C>,
        next: &mut u32,
        wanted: u32,
    ) -> Stop {
        self.is_short = false;
        let (Some(path), true) = (self.open, wanted > 0) else { return Stop::NotNow };
        let before = self.waiting.len();
        // What a queue takes is told by the first packet that waits: the others follow it.
        if before > 0 && !self.front.is_followed_by(before, *next, active.t_vd) {
            return Stop::Gap;
        }
        let launches = self.pacer.as_ref().and_then(|pacer| pacer.launches(*next, active.t_vd, ready.book.watch.now()));
        let wanted = wanted.min(self.waiting.room() as u32);
        let some = *next..*next + ready.packetiser.plan().there(*next, wanted, active.slices);
        let packets = ready.packetiser.frame(some, active.sequence, active.timestamp).map(planned);
        if before == 0 {
            let launch = launches.map(|launches| launches.at(*next));
            self.front = Front { packet: *next, t_vd: active.t_vd, launch };
        }
        let gathered = match launches {
            None => queue.gather_burst(path, &active.payload, packets, &mut self.waiting),
            Some(launches) => {
                let at = |(number, packet)| Planned { launch: Some(launches.at(number)), ..packet };
                queue.gather_burst(path, &active.payload, (*next..).zip(packets).map(at), &mut self.waiting)
            }
        };
        let made = self.waiting.len() - before;
        let last = launches.filter(|_| made > 0).map(|launches| launches.at(*next + made as u32 - 1));
        if let (Some(pacer), Some(last)) = (&mut self.pacer, last) {
            pacer.launched(last);
        }
        let octets = ready.source.octets(*next, made);
        *next += made as u32;
        self.counters.packets.add(made as u64);
        ready.book.counters.packets.add(made as u64);
        ready.book.counters.octets.add(octets);
        // A next hop that is not known may be so for ever: the naps of a worker are short enough for it.
        self.is_short = gathered.is_err_and(|full| full.is_transient() && full != TxFull::Unresolved);
        match gathered {
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
                Stop::Full
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
        queue: &mut T,
        active: &Active<T::Payload>,
        ready: &Ready<'_, C>,
        next: &mut u32,
        wanted: u32,
    ) -> Stop {
        let until = *next + wanted;
        while *next < until && !self.waiting.is_full() {
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
            let stop = self.gather(queue, active, ready, next, 1);
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
