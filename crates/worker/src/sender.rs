//! A sender: grains of a source, read in place, to the packets of one path, or of two (ST 2022-7).
//!
//! ```text
//! ring → lease → attach ─────────────► end of lease when the queues are done
//!          │ slices, T_PRj, C_MAX                ▲
//!          └► headers + ranges of the grain → gather → burst of each output → its queue
//! ```
//! A packet may go when its lines are there, its time has come (ST 2110-21 §6) and the network has room for it (§7.1). What
//! is not sent when the lateness bound has passed is skipped, and counted; the references go back. Senders of an
//! output fill its bursts together; what its queue does not take goes back to each leg, and delays nobody else.

mod active;
mod book;
mod lateness;
mod launch;
mod leg;
mod loading;
mod pacer;
mod pick;
mod quiet;
mod request;
mod source;
mod vigil;

use std::sync::Arc;

use media::{GrainIndex, PayloadType, Ssrc, Tai};
use netio::{Path, TxQueue};
use shm::{GrainLease, ReadError};
use st2110::Packetiser;

use crate::counters::{LegCounters, SenderCounters};
use crate::key::{OutputIndex, SenderKey};
use crate::output::Output;
use crate::refusal::SenderRefusal;
use crate::spans::Spans;
use active::{Active, Grains};
use leg::Leg;
use pick::{Picked, Picker};
use quiet::Quiet;
use request::Pending;

pub use lateness::Lateness;
pub use pick::SenderTiming;
pub(crate) use request::Settled;
pub use source::Source;

/// Legs of a sender at most.
pub const LEGS_MAX: usize = 2;

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
    /// How late a grain may be.
    pub lateness: Lateness,
}

/// One sender on one or two transmit queues.
pub struct Sender<T: TxQueue<Lease = GrainLease>> {
    key: SenderKey,
    config: SenderConfig,
    legs: [Option<Leg<T>>; LEGS_MAX],
    source: Option<Box<Source>>,
    packetiser: Option<Packetiser>,
    sequence: u32,
    picker: Picker,
    grains: Grains<T::Payload>,
    pending: Option<Pending>,
    /// Until when it need not be looked at.
    quiet: Option<Quiet>,
    /// When something is due, as of the last turn that found nothing to do.
    due: Option<Tai>,
    counters: Arc<SenderCounters>,
    lateness: Arc<Spans>,
}

impl<T: TxQueue<Lease = GrainLease>> Sender<T> {
    /// A sender without a source.
    #[must_use]
    pub fn new(key: SenderKey, config: SenderConfig) -> Self {
        Self {
            key,
            legs: [Some(Leg::new(0, config.path.clone(), config.output)), None],
            source: None,
            packetiser: None,
            sequence: config.first_sequence,
            picker: Picker::new(config.timing),
            grains: Grains::default(),
            pending: None,
            quiet: None,
            due: None,
            counters: Arc::default(),
            lateness: Arc::default(),
            config,
        }
    }

    /// The same packets go by a second path too (ST 2022-7), which loses its own when it is stuck.
    #[must_use]
    pub fn with_second_leg(mut self, path: Path, output: OutputIndex) -> Self {
        self.legs[1] = Some(Leg::new(1, path, output));
        self
    }

    /// The key under which it is removed.
    #[must_use]
    pub fn key(&self) -> SenderKey {
        self.key
    }

    /// The counters, for whoever reports them; over all legs.
    #[must_use]
    pub fn counters(&self) -> Arc<SenderCounters> {
        Arc::clone(&self.counters)
    }

    /// Those of each leg.
    #[must_use]
    pub fn leg_counters(&self) -> Vec<Arc<LegCounters>> {
        self.legs.iter().flatten().map(Leg::counters).collect()
    }

    /// How long after T_PRj packets were handed over.
    #[must_use]
    pub fn lateness(&self) -> Arc<Spans> {
        Arc::clone(&self.lateness)
    }

    /// What it is.
    #[must_use]
    pub fn config(&self) -> &SenderConfig {
        &self.config
    }

    /// Has its legs leave by these outputs, for a worker that numbers its own otherwise. Before it is added there.
    pub fn set_outputs(&mut self, first: OutputIndex, second: OutputIndex) {
        self.config.output = first;
        self.legs.iter_mut().flatten().zip([first, second]).for_each(|(leg, output)| leg.set_output(output));
    }

    /// Whether one of its legs leaves by the output at this place.
    pub(crate) fn leaves_by(&self, place: usize) -> bool {
        self.legs.iter().flatten().any(|leg| leg.place() == place)
    }

    /// Opens the paths of all legs, or none.
    pub(crate) fn open(&mut self, outputs: &mut [Output<T>]) -> Result<(), SenderRefusal> {
        let opened = self.legs.iter_mut().flatten().try_for_each(|leg| leg.open(outputs));
        if opened.is_err() {
            self.legs.iter_mut().flatten().for_each(|leg| leg.close(outputs));
        }
        opened
    }

    /// The sequence goes on; all else is the new source's.
    fn switch(&mut self, source: Option<Box<Source>>) -> Option<Box<Source>> {
        if let Some(packetiser) = &self.packetiser {
            self.sequence = packetiser.sequence();
        }
        let (payload_type, ssrc) = (self.config.payload_type, self.config.ssrc);
        self.packetiser =
            source.as_ref().map(|source| Packetiser::new(Arc::clone(source.plan()), payload_type, ssrc, self.sequence));
        let pacer = source.as_ref().map(|source| source.pacer());
        self.counters.c_max.set(pacer.as_ref().map_or(0, |pacer| pacer.c_max().into()));
        self.legs.iter_mut().flatten().for_each(|leg| leg.pace(pacer.clone()));
        self.picker.forget();
        self.quiet = None;
        self.counters.paced_by_port.set(self.legs.iter().flatten().any(Leg::is_paced_by_port).into());
        std::mem::replace(&mut self.source, source)
    }

    /// Sees how far the grains have come, and lets go of those that are not to be sent any more.
    fn look(&mut self, now: Tai) {
        for place in self.grains.places() {
            if let Some(why) = self.look_at(place, now) {
                self.drop_grain(place, why);
            }
        }
    }

    fn look_at(&mut self, place: usize, now: Tai) -> Option<Gone> {
        let (source, active) = (self.source.as_ref()?, self.grains.at_mut(place)?);
        if !active.see(source.reader()) {
            return Some(Gone::Taken);
        }
        (!active.time.contains(&now)).then_some(Gone::Late)
    }

    /// Begins the next grain when a leg has none.
    fn begin(&mut self, outputs: &mut [Output<T>], now: Tai) {
        self.assign();
        let is_idle = self.legs.iter().flatten().any(|leg| leg.is_attached(outputs) && leg.at.is_none());
        let is_away = !self.legs.iter().flatten().any(|leg| leg.is_attached(outputs));
        if self.pending.is_some() || !(is_idle || is_away) {
            return;
        }
        if is_away {
            return self.miss(now);
        }
        let Some(Picked { lease, t_vd, timestamp }) = self.pick(now) else { return };
        let attached = self.legs.iter().flatten().filter(|leg| leg.is_attached(outputs));
        let legs = attached.map(Leg::bit).fold(0, |legs, bit| legs | bit);
        let home = self.legs.iter().flatten().find(|leg| leg.is_attached(outputs)).map(Leg::place);
        let (Some(packetiser), Some(source), Some(home)) = (&mut self.packetiser, &self.source, home) else { return };
        let Some(queue) = outputs.get_mut(home).and_then(Output::queue) else { return };
        let (grain, packets) = (lease.grain(), packetiser.plan().packets_per_frame());
        let sequence = packetiser.sequence();
        match queue.attach(lease, packets * legs.count_ones()) {
            Ok(payload) => {
                // Whatever is not sent has its numbers all the same: the receivers shall see a loss.
                packetiser.skip(packets);
                let time = source.time_of(t_vd, self.config.lateness);
                // Only now: the oldest grain is not to be lost for one that cannot be sent either.
                let place = self.make_room();
                let active = Active::new(grain, payload, legs, (t_vd, time), (timestamp, sequence));
                self.grains.put(place, active);
                self.assign();
                self.look(now);
            }
            Err((_, lease)) => {
                self.counters.queue_full.add(1);
                self.counters.grains_missed.add(1);
                drop(lease);
            }
        }
    }

    /// The port is detached: grains pass by, so that the ring goes on and the next one is a fresh one.
    #[cold]
    fn miss(&mut self, now: Tai) {
        if self.pick(now).is_some() {
            self.counters.grains_missed.add(1);
        }
    }

    /// The next grain, when the timing has one.
    fn pick(&mut self, now: Tai) -> Option<Picked> {
        let source = self.source.as_mut()?;
        match source.pick(&mut self.picker, now, &self.counters) {
            Ok(picked) => picked,
            Err(ReadError::TooManyLeases { .. }) => {
                source.refuse(&mut self.picker, &self.counters);
                // A leg is a frame behind, and devices have the other leases or are to give them back. Its oldest grain goes, and
                // the next turn may have the next one.
                self.make_room();
                None
            }
            Err(error) => {
                self.picker.forget();
                source.count(error, &self.counters);
                None
            }
        }
    }

    /// Gives legs without a grain the oldest that they have not sent.
    fn assign(&mut self) {
        for leg in self.legs.iter_mut().flatten().filter(|leg| leg.at.is_none()) {
            leg.at = self.grains.oldest_of(leg.bit()).map(|place| leg::At { place, next: 0 });
        }
    }

    /// A place for a grain: where all are taken, who is still at the oldest loses the rest of it.
    fn make_room(&mut self) -> usize {
        let (place, is_taken) = self.grains.oldest_place();
        if is_taken {
            self.drop_grain(place, Gone::Late);
        }
        place
    }

    /// Every leg is done with the grain.
    fn finish(grains: &mut Grains<T::Payload>, place: usize, counters: &SenderCounters) {
        let Some(active) = grains.take(place) else { return };
        counters.grains_sent.add(1);
        counters.last_grain.set(active.grain.index().0);
    }

    /// Gives back the references of what will not be sent.
    #[cold]
    fn drop_grain(&mut self, place: usize, why: Gone) {
        let Some(active) = self.grains.take(place) else { return };
        let total = self.source.as_ref().map_or(0, |source| source.schedule().packets());
        let mut unsent = 0;
        for leg in self.legs.iter_mut().flatten().filter(|leg| active.legs & leg.bit() != 0) {
            let next = leg.at.filter(|at| at.place == place).map_or(0, |at| at.next);
            leg.at = leg.at.filter(|at| at.place != place);
            unsent += u64::from(total.saturating_sub(next));
            if matches!(why, Gone::Late) {
                leg.skip_late(u64::from(total.saturating_sub(next)), &self.counters);
            }
        }
        match why {
            Gone::Late => {
                self.counters.grains_late.add(1);
                self.counters.packets_skipped_late.add(unsent);
            }
            Gone::Taken => self.counters.packets_skipped_gone.add(unsent),
        }
    }

    /// All grains that are on their way.
    #[cold]
    fn drop_all(&mut self) {
        for place in self.grains.places() {
            self.drop_grain(place, Gone::Taken);
        }
    }

    /// What the legs by the output at `place` have not sent of the grains that are on their way; the other legs go on.
    #[cold]
    fn drop_all_of(&mut self, place: usize) {
        let legs = self.legs.iter().flatten().filter(|leg| leg.place() == place).fold(0, |bits, leg| bits | leg.bit());
        let total = self.source.as_ref().map_or(0, |source| source.schedule().packets());
        for at in self.grains.places() {
            let Some(active) = self.grains.at(at) else { continue };
            if active.legs & !legs == 0 {
                self.drop_grain(at, Gone::Taken);
                continue;
            }
            for leg in self.legs.iter_mut().flatten().filter(|leg| active.legs & legs & leg.bit() != 0) {
                let next = leg.at.filter(|leg_at| leg_at.place == at).map_or(0, |leg_at| leg_at.next);
                leg.at = None;
                self.counters.packets_skipped_gone.add(total.saturating_sub(next).into());
            }
            self.grains.done(at, legs);
        }
    }

    /// The grain that is being sent.
    #[must_use]
    pub fn current_grain(&self) -> Option<GrainIndex> {
        self.grains.newest().map(|active| active.grain.index())
    }
}

/// Why the rest of a grain is not sent.
#[derive(Clone, Copy)]
enum Gone {
    Late,
    Taken,
}
