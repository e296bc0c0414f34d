//! A sender: grains of a source, read in place, to the packets of a path.
//!
//! ```text
//! ring → lease → attach ──────────────► end of lease when the queue is done
//!          │ slices, T_PRj                        ▲
//!          └► header + range of the grain → gather → burst
//! ```
//! A packet may go when its lines are there and its time has come (ST 2110-21 §6). What is not sent when
//! the lateness bound has passed is skipped, and counted; the references go back.

mod pick;
mod request;
mod source;

use std::sync::Arc;

use media::{GrainIndex, PayloadType, RtpTimestamp, Ssrc, Tai};
use netio::{Path, PathId, TxFull, TxQueue};
use shm::{GrainLease, GrainRef};
use st2110::{MAX_HEADER_OCTETS, Packetiser};

use crate::command::SenderRefusal;
use crate::counters::SenderCounters;
use crate::key::{OutputIndex, SenderKey};
use crate::output::{Lane, Output};
use pick::{Picked, Picker};
use request::Pending;

pub use pick::SenderTiming;
pub(crate) use request::Settled;
pub use source::Source;

/// Bursts that one sender may fill in a turn before others have theirs.
const BURSTS_PER_TURN: usize = 8;

/// What a sender is, whatever its source.
#[derive(Clone, Debug)]
pub struct SenderConfig {
    /// Where to.
    pub path: Path,
    /// The worker's output that leads there.
    pub output: OutputIndex,
    /// Payload type of the packets.
    pub payload_type: PayloadType,
    /// Their SSRC.
    pub ssrc: Ssrc,
    /// The first 32-bit sequence number.
    pub first_sequence: u32,
    /// When grains go.
    pub timing: SenderTiming,
    /// Frame periods that a grain may be late.
    pub lateness_frames: u8,
}

/// A grain on its way out.
struct Active<P> {
    grain: GrainRef,
    payload: P,
    /// The next packet of the plan.
    next: u32,
    /// Packets passed over: their references go back at the end.
    passed_over: u32,
    t_vd: Tai,
    timestamp: RtpTimestamp,
}

/// What a turn of a sender amounted to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    /// Packets put into the burst.
    pub(crate) packets: usize,
    /// Nanoseconds until the next packet is due.
    pub(crate) due_in_nanos: Option<i64>,
}

/// One sender on a transmit queue.
pub struct Sender<T: TxQueue<Lease = GrainLease>> {
    key: SenderKey,
    config: SenderConfig,
    path: Option<PathId>,
    source: Option<Box<Source>>,
    packetiser: Option<Packetiser>,
    sequence: u32,
    picker: Picker,
    active: Option<Active<T::Payload>>,
    header: [u8; MAX_HEADER_OCTETS],
    /// Octets of a header that is written and was not gathered yet.
    header_octets: Option<usize>,
    pending: Option<Pending>,
    counters: Arc<SenderCounters>,
}

impl<T: TxQueue<Lease = GrainLease>> Sender<T> {
    /// A sender without a source.
    #[must_use]
    pub fn new(key: SenderKey, config: SenderConfig) -> Self {
        Self {
            key,
            path: None,
            source: None,
            packetiser: None,
            sequence: config.first_sequence,
            picker: Picker::new(config.timing),
            active: None,
            header: [0; MAX_HEADER_OCTETS],
            header_octets: None,
            pending: None,
            counters: Arc::default(),
            config,
        }
    }

    /// The key under which it is removed.
    #[must_use]
    pub fn key(&self) -> SenderKey {
        self.key
    }

    /// The counters, for whoever reports them.
    #[must_use]
    pub fn counters(&self) -> Arc<SenderCounters> {
        Arc::clone(&self.counters)
    }

    /// What it is.
    #[must_use]
    pub fn config(&self) -> &SenderConfig {
        &self.config
    }

    /// Where its output stands among the worker's.
    pub(crate) fn output_place(&self) -> usize {
        usize::from(self.config.output.0)
    }

    pub(crate) fn open(&mut self, output: &mut Output<T>) -> Result<(), SenderRefusal> {
        let lane = output.lane().ok_or(SenderRefusal::Detached)?;
        self.path = Some(lane.queue.open_path(&self.config.path)?);
        Ok(())
    }

    /// The sequence goes on; all else is the new source's.
    fn switch(&mut self, source: Option<Box<Source>>) -> Option<Box<Source>> {
        if let Some(packetiser) = &self.packetiser {
            self.sequence = packetiser.sequence();
        }
        let (payload_type, ssrc) = (self.config.payload_type, self.config.ssrc);
        self.packetiser =
            source.as_ref().map(|source| Packetiser::new(Arc::clone(source.plan()), payload_type, ssrc, self.sequence));
        self.picker.forget();
        std::mem::replace(&mut self.source, source)
    }

    /// Sends what is due.
    pub(crate) fn turn(&mut self, output: &mut Output<T>, now: Tai) -> Progress {
        if let Some(source) = &self.source {
            self.picker.observe(source.reader(), now);
        }
        let Some(mut lane) = output.lane() else { return self.miss(now) };
        if self.active.is_none() && self.pending.is_none() {
            self.begin(lane.queue, now);
        }
        if self.active.is_none() {
            return Progress { packets: 0, due_in_nanos: self.tick_in(now) };
        }
        let packets = self.advance(&mut lane, now);
        Progress { packets, due_in_nanos: self.due_in(now) }
    }

    /// The port is detached: grains pass by, so that the ring goes on and the next one is a fresh one.
    #[cold]
    fn miss(&mut self, now: Tai) -> Progress {
        if self.pending.is_none() && self.pick(now).is_some() {
            self.counters.grains_missed.add(1);
        }
        Progress { packets: 0, due_in_nanos: self.tick_in(now) }
    }

    /// The next grain, when the timing has one.
    fn pick(&mut self, now: Tai) -> Option<Picked> {
        let source = self.source.as_mut()?;
        match source.pick(&mut self.picker, now, &self.counters) {
            Ok(picked) => picked,
            Err(error) => {
                self.picker.forget();
                source.count(error, &self.counters);
                None
            }
        }
    }

    /// Begins the next grain.
    fn begin(&mut self, tx: &mut T, now: Tai) {
        let Some(Picked { lease, t_vd, timestamp }) = self.pick(now) else { return };
        let grain = lease.grain();
        match tx.attach(lease, source_packets(self.source.as_deref())) {
            Ok(payload) => self.active = Some(Active { grain, payload, next: 0, passed_over: 0, t_vd, timestamp }),
            Err((_, lease)) => {
                self.counters.queue_full.add(1);
                self.counters.grains_missed.add(1);
                drop(lease);
            }
        }
    }

    /// Gathers what is due and there; ends the grain when all is sent, gone or too late.
    fn advance(&mut self, lane: &mut Lane<'_, T>, now: Tai) -> usize {
        let (Some(source), Some(active)) = (&self.source, &self.active) else { return 0 };
        let Some(state) = source.reader().state(&active.grain).ok().filter(|state| !state.cancelled) else {
            self.drop_active(lane, Gone::Taken);
            return 0;
        };
        if source.is_past(active.t_vd, self.config.lateness_frames, now) {
            self.drop_active(lane, Gone::Late);
            return 0;
        }
        let due = source.schedule().due(now, active.t_vd);
        let ready = Ready {
            slices: state.slices,
            has_lost_lines: source.reader().lost_lines(&active.grain).next().is_some(),
            due,
        };
        let packets = self.gather_due(lane, ready);
        let total = source_packets(self.source.as_deref());
        if self.active.as_ref().is_some_and(|active| active.next == total) {
            self.finish(lane.queue);
        }
        packets
    }

    fn gather_due(&mut self, lane: &mut Lane<'_, T>, ready: Ready) -> usize {
        let mut packets = 0;
        for _ in 0..BURSTS_PER_TURN {
            while !lane.is_full() {
                match self.gather_next(lane, ready) {
                    Step::Gathered => packets += 1,
                    Step::Skipped => {}
                    Step::NotNow => return packets,
                }
            }
            lane.send();
            if lane.is_full() {
                self.counters.queue_full.add(1);
                break;
            }
        }
        packets
    }

    /// Gathers or skips the next packet of the active grain.
    fn gather_next(&mut self, lane: &mut Lane<'_, T>, ready: Ready) -> Step {
        let (Some(source), Some(active), Some(packetiser), Some(path)) =
            (&self.source, &mut self.active, &mut self.packetiser, self.path)
        else {
            return Step::NotNow;
        };
        let Some(packet) = source.plan().packets().get(active.next as usize).filter(|_| active.next < ready.due) else {
            return Step::NotNow;
        };
        if packet.last_row >= ready.slices {
            return Step::NotNow;
        }
        let rows = (packet.start / source.plan().format().row_octets()) as u16..=packet.last_row;
        if ready.has_lost_lines && rows.into_iter().any(|row| source.reader().is_lost(&active.grain, row)) {
            packetiser.skip(1);
            active.next += 1;
            active.passed_over += 1;
            self.counters.packets_skipped_lost.add(1);
            return Step::Skipped;
        }
        let index = active.next as usize;
        let octets = match self.header_octets {
            Some(octets) => octets,
            None => packetiser.header(index, active.timestamp, &mut self.header),
        };
        self.header_octets = None;
        match lane.queue.gather(path, &self.header[..octets], &active.payload, packet.range()) {
            Ok(buf) => {
                lane.push(self.key, buf);
                self.counters.packets.add(1);
                self.counters.octets.add(octets as u64 + u64::from(packet.octets));
            }
            Err(full) if full.is_transient() => {
                self.header_octets = Some(octets);
                match full {
                    TxFull::Unresolved => self.counters.unresolved.add(1),
                    _ => self.counters.queue_full.add(1),
                }
                return Step::NotNow;
            }
            Err(_) => {
                active.passed_over += 1;
                self.counters.packets_refused.add(1);
            }
        }
        active.next += 1;
        Step::Gathered
    }

    /// Every packet was gathered or skipped.
    fn finish(&mut self, tx: &mut T) {
        let Some(active) = self.active.take() else { return };
        tx.cancel(active.payload, active.passed_over);
        self.counters.grains_sent.add(1);
        self.counters.last_grain.set(active.grain.index().0);
    }

    /// Gives back the references of what will not be sent. The receivers shall see a loss.
    #[cold]
    fn drop_active(&mut self, lane: &mut Lane<'_, T>, why: Gone) {
        let Some(active) = self.active.take() else { return };
        let unsent = source_packets(self.source.as_deref()).saturating_sub(active.next);
        // A header that is written has taken its number already.
        let numbered = u32::from(self.header_octets.take().is_some());
        if let Some(packetiser) = &mut self.packetiser {
            packetiser.skip(unsent.saturating_sub(numbered));
        }
        lane.queue.cancel(active.payload, unsent + active.passed_over);
        match why {
            Gone::Late => {
                // What the queue has not taken is as late as the rest.
                self.counters.packets_taken_back.add(lane.take_back(self.key));
                self.counters.grains_late.add(1);
                self.counters.packets_skipped_late.add(u64::from(unsent));
            }
            Gone::Taken => self.counters.packets_skipped_gone.add(u64::from(unsent)),
        }
    }

    /// Nanoseconds until the grid's next tick; `None` where the source sets the time.
    fn tick_in(&self, now: Tai) -> Option<i64> {
        self.source.as_ref().and_then(|source| self.picker.due_in(source.rate(), now))
    }

    /// `None` for a packet whose time has come: it waits for its line or for the queue, and neither says when.
    fn due_in(&self, now: Tai) -> Option<i64> {
        let (source, active) = (self.source.as_ref()?, self.active.as_ref()?);
        let nanos = source.schedule().at(active.next, active.t_vd).nanos_since(now);
        (nanos > 0).then_some(nanos)
    }

    /// The grain that is being sent.
    #[must_use]
    pub fn current_grain(&self) -> Option<GrainIndex> {
        self.active.as_ref().map(|active| active.grain.index())
    }
}

/// What of the active grain may go in this turn.
#[derive(Clone, Copy)]
struct Ready {
    /// Lines that are there, or lost.
    slices: u16,
    has_lost_lines: bool,
    /// Packets whose time has come.
    due: u32,
}

/// What became of the next packet.
enum Step {
    Gathered,
    Skipped,
    NotNow,
}

/// Why the rest of a grain is not sent.
#[derive(Clone, Copy)]
enum Gone {
    Late,
    Taken,
}

fn source_packets(source: Option<&Source>) -> u32 {
    source.map_or(0, |source| source.schedule().packets())
}
