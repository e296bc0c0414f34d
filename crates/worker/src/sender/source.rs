//! A flow as a sender reads it.

use std::ops::RangeInclusive;
use std::sync::Arc;

use media::{GrainIndex, Rate, Tai};
use shm::{FrameReader, ReadError, SeatStatus};
use st2110::{PackingPlan, PlannedPacket, ReadSchedule, Schedule, SenderType};

use super::lateness::Lateness;
use super::pacer::Pacer;
use super::pick::{Picked, Picker};
use crate::counters::SenderCounters;

/// A reader, and what was computed once for its format.
pub struct Source {
    pub(super) reader: FrameReader,
    plan: Arc<PackingPlan>,
    schedule: Schedule,
    rate: Rate,
    sender_type: SenderType,
    is_free: bool,
    /// There was no lease for this grain, which may still come.
    refused: Option<GrainIndex>,
    /// Evicted: only another reader gets on.
    pub(super) has_ended: bool,
    /// Its slots are the writer's again.
    has_let_go: bool,
    /// The reader's alarm will ring.
    pub(super) is_armed: bool,
}

impl Source {
    /// `reader`'s flow, cut by `plan` and paced by `read_schedule` as a wide sender.
    #[must_use]
    pub fn new(reader: FrameReader, plan: Arc<PackingPlan>, read_schedule: ReadSchedule) -> Self {
        let schedule = Schedule::new(plan.format(), plan.packets_per_frame(), read_schedule);
        let rate = plan.format().rate();
        Self {
            reader,
            plan,
            schedule,
            rate,
            sender_type: SenderType::W,
            is_free: false,
            refused: None,
            has_ended: false,
            has_let_go: false,
            is_armed: false,
        }
    }

    /// Packets that it makes a second.
    #[must_use]
    pub fn packets_per_second(&self) -> u64 {
        let period = self.rate.period_nanos().unsigned_abs().max(1);
        u64::from(self.plan.packets_per_frame()) * 1_000_000_000 / period
    }

    /// Bunches no more packets than C_MAX of this type (ST 2110-21 §7.1).
    #[must_use]
    pub fn of_type(mut self, sender_type: SenderType) -> Self {
        self.sender_type = sender_type;
        self
    }

    /// Neither schedule nor C_MAX holds it: lines go as they come. For measurements.
    #[must_use]
    pub fn unpaced(mut self) -> Self {
        self.is_free = true;
        self
    }

    pub(super) fn pacer(&self) -> Pacer {
        Pacer::new(self.schedule.clone(), self.schedule.bucket(self.sender_type), self.is_free)
    }

    /// The first row that a packet takes from.
    pub(super) fn first_row(&self, packet: &PlannedPacket) -> u16 {
        (packet.start / self.plan.format().row_octets()) as u16
    }

    /// Octets of the UDP payloads of `count` packets from `first` on, which the plan has.
    #[inline]
    pub(super) fn octets(&self, first: u32, count: usize) -> u64 {
        let first = first as usize;
        let packets = self.plan.packets().get(first..first + count).unwrap_or_default();
        let (Some(begin), Some(end)) = (packets.first(), packets.last()) else { return 0 };
        // Ranges follow one another.
        let samples = u64::from(end.range().end - begin.start);
        let headers = match self.plan.common_header_octets() {
            Some(octets) => octets * count,
            None => packets.iter().map(PlannedPacket::header_octets).sum(),
        };
        samples + headers as u64
    }

    pub(super) fn reader(&self) -> &FrameReader {
        &self.reader
    }

    pub(super) fn plan(&self) -> &Arc<PackingPlan> {
        &self.plan
    }

    pub(super) fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    pub(super) fn rate(&self) -> Rate {
        self.rate
    }

    /// The picker's next grain; none once this reader was evicted.
    pub(super) fn pick(
        &mut self,
        picker: &mut Picker,
        now: Tai,
        counters: &SenderCounters,
    ) -> Result<Option<Picked>, ReadError> {
        if self.has_ended {
            self.let_go();
            return Ok(None);
        }
        let picked = picker.pick(&mut self.reader, &self.schedule, self.rate, now, counters);
        let picked = picked.map_err(|error| self.reason(error))?;
        if let Some(picked) = &picked {
            self.pass_over(Some(picked.lease.grain().index()), counters);
            self.refused = None;
        }
        Ok(picked)
    }

    /// Why there is no grain. A reader without a lease left does not find out that it was evicted.
    #[cold]
    fn reason(&self, error: ReadError) -> ReadError {
        match (error, self.reader.status()) {
            (ReadError::TooManyLeases { .. }, SeatStatus::Evicted { hi, .. }) => ReadError::Evicted { hi },
            (error, _) => error,
        }
    }

    /// There is no lease for the next grain: it is missed where it does not come back, and counted once.
    #[cold]
    pub(super) fn refuse(&mut self, picker: &mut Picker, counters: &SenderCounters) {
        if !picker.refuse() {
            counters.grains_missed.add(1);
            return;
        }
        let next = self.reader.next_available();
        self.pass_over(next, counters);
        self.refused = next;
    }

    /// The grain that was refused before is missed when another one is the next.
    #[inline]
    fn pass_over(&self, next: Option<GrainIndex>, counters: &SenderCounters) {
        if self.refused.is_some() && self.refused != next {
            counters.grains_missed.add(1);
        }
    }

    /// Gives back what the reader holds after its eviction. A device may keep a lease for long; another reader need not wait
    /// for that.
    #[cold]
    fn let_go(&mut self) {
        self.has_let_go = self.has_let_go || self.reader.acknowledge_eviction().is_ok();
    }

    /// Whether it was evicted, and its leases have not ended yet.
    pub(super) const fn is_parting(&self) -> bool {
        self.has_ended && !self.has_let_go
    }

    /// When a grain with `t_vd` may be sent: not when it is too late, nor when the clock has stepped back and its time would
    /// come far too late.
    pub(super) fn time_of(&self, t_vd: Tai, lateness: Lateness) -> RangeInclusive<Tai> {
        let period = self.rate.period_nanos();
        let most = period.saturating_add(lateness.nanos(self.rate));
        t_vd.plus_nanos(period.saturating_neg())..=t_vd.plus_nanos(most)
    }

    /// Counts a grain that could not be leased. Evicted readers rejoin through the broker: the gateway sees the
    /// count and brings another.
    #[cold]
    pub(super) fn count(&mut self, error: ReadError, counters: &SenderCounters) {
        match error {
            ReadError::Evicted { .. } => {
                self.has_ended = true;
                counters.evictions.add(1);
                self.pass_over(None, counters);
                self.let_go();
            }
            ReadError::NotYet { .. } => {}
            _ => counters.grains_missed.add(1),
        }
    }
}
