//! The open grains: which packets belong to them, what of each is there, and its place in the ring.

use std::sync::Arc;

use media::{ExtSeqNum, GrainIndex, Rate, RtpTimestamp, Tai, VIDEO_CLOCK_HZ, unwrap_nearest};
use netio::PacketBuf;
use rtp::RtpHeader;
use shm::{FrameWriter, GrainEnd, GrainKey, GrainStamp, OpenError, Store, StoreChoice};
use st2110::srd::{self, SampleGrid, Segment};
use st2110::timeline::{ClockLock, Timeline, TimelineMode};

use super::arrived::Arrived;
use super::building::{Buildings, OpenGrain};
use super::config::ReceiverConfig;
use super::run::{Run, Writing};
use super::samples::{self, Samples};
use crate::counters::ReceiverCounters;

/// Whether a grain was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    Yes,
    No,
}

/// Which grain a packet belongs to.
pub(super) enum Place {
    /// One that is open, at this place.
    Open(usize),
    Next,
    Late,
}

/// Of the grains that were closed the one that goes furthest in the sequence.
#[derive(Clone, Copy, Debug)]
struct ClosedGrain {
    timestamp: RtpTimestamp,
    through: ExtSeqNum,
}

/// Assembles grains: one at a time, or as many as its ring may have open.
pub(super) struct Assembly {
    grid: SampleGrid,
    rate: Rate,
    timeline: Timeline,
    writer: FrameWriter,
    open: Buildings,
    closed: Option<ClosedGrain>,
    stores: StoreChoice,
    /// Of the grain that was opened last: the packets of a stream are of one length, but for few.
    store: Store,
    /// Since the burst began.
    octets_copied: u64,
    counters: Arc<ReceiverCounters>,
}

impl Assembly {
    pub(super) fn new(config: &ReceiverConfig, writer: FrameWriter, counters: Arc<ReceiverCounters>) -> Self {
        let format = &config.format;
        let timeline = Timeline::new(format.rate(), VIDEO_CLOCK_HZ, config.timeline);
        let open = Buildings::new(format, writer.geometry().open_max);
        Self {
            grid: SampleGrid::new(format),
            rate: format.rate(),
            timeline,
            writer,
            open,
            closed: None,
            stores: config.stores,
            store: Store::default(),
            octets_copied: 0,
            counters,
        }
    }

    /// Which epoch of its flow it writes.
    pub(super) fn epoch(&self) -> u128 {
        self.writer.geometry().epoch
    }

    /// Lets consumers join and leave while no grain is opened.
    pub(super) fn poll(&mut self, now: Tai) {
        self.writer.poll(now);
    }

    /// When the first packet of the oldest open grain came.
    pub(super) fn open_since(&self) -> Option<Tai> {
        self.open.at(self.open.oldest()?).map(|open| open.first_arrival)
    }

    /// Grains that may be open at a time.
    pub(super) const fn room(&self) -> usize {
        self.open.room()
    }

    /// Whether packets of the next grain must wait, where `reach` may be open.
    pub(super) fn is_waiting(&self, reach: usize) -> bool {
        self.open.kept() >= reach
    }

    /// Forgets the order of earlier packets: another SSRC counts from elsewhere.
    pub(super) fn forget_order(&mut self) {
        self.closed = None;
    }

    /// Reads what a packet brings of this picture. Whether it brings anything.
    #[inline]
    pub(super) fn read<B: PacketBuf>(&self, packet: &B, header: &RtpHeader, samples: &mut Samples) -> bool {
        samples.read(packet, header, &self.grid, &self.counters)
    }

    /// Sequence tells the order of grains, the timestamp tells them apart.
    #[inline]
    pub(super) fn place(&self, timestamp: RtpTimestamp, number: ExtSeqNum) -> Place {
        if let Some(place) = self.open.find(timestamp) {
            return Place::Open(place);
        }
        if self.open.newest().is_some_and(|newest| number < newest.first_number) {
            return Place::Late;
        }
        match &self.closed {
            Some(closed) if timestamp == closed.timestamp || number <= closed.through => Place::Late,
            _ => Place::Next,
        }
    }

    /// Opens the grain that `arrived` belongs to, where `reach` may be open; and before it those that the leg that is ahead
    /// has lost whole, and another may bring.
    pub(super) fn open<B: PacketBuf>(&mut self, arrived: &Arrived<'_, B>, reach: usize, now: Tai, locked: bool) {
        let timestamp = arrived.header.timestamp;
        let arrival = arrived.packet.meta().arrival;
        let last = self.timeline.last();
        let placed = self.timeline.place(timestamp, arrival, ClockLock::from(locked));
        let tai = match placed.mode {
            TimelineMode::Locked => unwrap_nearest(timestamp, VIDEO_CLOCK_HZ, arrival),
            TimelineMode::Async => arrival,
        };
        if placed.held {
            self.counters.grains_too_soon.add(1);
        }
        if placed.reanchored {
            self.counters.timestamp_jumps.add(1);
        }
        self.counters.is_async.set(u64::from(placed.mode == TimelineMode::Async));
        let first = arrived.samples.kept().and_then(<[Segment]>::first);
        self.store = first.map_or(Store::default(), |first| self.stores.of(first.octets.into()));
        if self.open.len() == self.open.room() {
            self.close_one();
        }
        let grain = OpenGrain {
            timestamp,
            is_expected: false,
            first_number: arrived.number,
            last_number: arrived.number,
            first_arrival: arrival,
            last_arrival: arrival,
            key: None,
        };
        if reach > 1 && !placed.reanchored {
            let missed = last.map_or(0, |last| placed.index.0.saturating_sub(last.0 + 1));
            self.expect_missed(missed, reach, placed.index, tai, grain, now);
        }
        self.begin(placed.index, tai, grain, now);
    }

    /// Opens the `missed` grains before the one of `index`, if there is room for all.
    #[cold]
    fn expect_missed(&mut self, missed: u64, reach: usize, index: GrainIndex, tai: Tai, next: OpenGrain, now: Tai) {
        let room = reach.saturating_sub(self.open.len() + 1) as u64;
        if missed > room {
            return;
        }
        for back in (1..=missed).rev() {
            let ticks = (back * u64::from(VIDEO_CLOCK_HZ) * u64::from(self.rate.den())
                + u64::from(self.rate.num()) / 2)
                / u64::from(self.rate.num());
            let timestamp = RtpTimestamp(next.timestamp.0.wrapping_sub(ticks as u32));
            let tai = tai.plus_nanos(-self.rate.period_nanos().saturating_mul(back as i64));
            let (first_number, last_number) = (next.first_number, ExtSeqNum(0));
            let grain = OpenGrain { timestamp, is_expected: true, first_number, last_number, ..next };
            self.begin(GrainIndex(index.0 - back), tai, grain, now);
        }
    }

    /// Opens a grain in the ring.
    fn begin(&mut self, index: GrainIndex, tai: Tai, mut grain: OpenGrain, now: Tai) {
        let stamp = GrainStamp { tai, rtp: grain.timestamp };
        match self.writer.open(index, stamp, now) {
            Ok(key) => grain.key = Some(key),
            Err(error) => self.count_unopened(error),
        }
        self.counters.grains_opened.add(u64::from(grain.key.is_some()));
        self.counters.grains_streamed.add((grain.key.is_some() && self.store == Store::Streamed).into());
        self.counters.last_grain.set(index.0);
        self.open.open(grain);
    }

    #[cold]
    fn count_unopened(&self, error: OpenError) {
        let counter = match error {
            // The gateway's own rings wait for nobody, and are never concluded.
            OpenError::NoSlot { .. } | OpenError::Held { .. } | OpenError::TooManyOpen { .. } => {
                &self.counters.grains_no_slot
            }
            OpenError::NotMonotone { .. } | OpenError::Limit { .. } | OpenError::Concluded { .. } => {
                &self.counters.grains_not_monotone
            }
        };
        counter.add(1);
    }

    /// The segment of a packet, if it has one only, and where the grain of it is open.
    #[inline]
    pub(super) fn sole<B: PacketBuf>(&self, packet: &B, header: &RtpHeader) -> Option<(Segment, usize)> {
        let place = self.open.find(header.timestamp)?;
        let payload = header.payload();
        let segment = srd::sole(packet.head().get(payload.start..)?, payload.len(), &self.grid)?;
        Some((segment, place))
    }

    /// Writes the segments of a packet of the open grain at `place`.
    #[inline]
    pub(super) fn write<B: PacketBuf>(&mut self, arrived: &Arrived<'_, B>, place: usize) -> Closed {
        let Some(building) = self.open.at_mut(place) else { return Closed::No };
        match building.note(arrived.header.timestamp, arrived.number, arrived.packet.meta().arrival) {
            Some(key) => {
                let is_complete = self.write_segments(key, place, arrived);
                self.close_if(is_complete, place)
            }
            None => self.drop_packet(),
        }
    }

    /// As [`Self::write`], of a packet with one segment.
    #[inline]
    pub(super) fn write_sole<B: PacketBuf>(
        &mut self,
        packet: &B,
        header: &RtpHeader,
        number: ExtSeqNum,
        (segment, place): (&Segment, usize),
    ) -> Closed {
        let Some(building) = self.open.at_mut(place) else { return Closed::No };
        let Some(key) = building.note(header.timestamp, number, packet.meta().arrival) else {
            return self.drop_packet();
        };
        if building.coverage.mark(segment) > 0 {
            let mut writing = Writing { writer: &mut self.writer, store: self.store, key, octets: 0 };
            writing.write(packet, header.payload().start, Run::of(segment));
            self.octets_copied += writing.octets;
        } else {
            self.counters.duplicates.add(1);
        }
        let is_complete = building.coverage.is_complete();
        self.count_trailing(header.payload_octets() as u64 - u64::from(segment.payload_end()));
        self.close_if(is_complete, place)
    }

    /// Of a grain that the ring had no place for.
    #[cold]
    fn drop_packet(&self) -> Closed {
        self.counters.packets_dropped_with_grain.add(1);
        Closed::No
    }

    #[inline]
    fn close_if(&mut self, is_complete: bool, place: usize) -> Closed {
        if is_complete {
            self.finish(place);
            return Closed::Yes;
        }
        Closed::No
    }

    #[inline]
    fn count_trailing(&self, octets: u64) {
        if octets > 0 {
            self.counters.octets_trailing.add(octets);
        }
    }

    /// Whether the grain is complete now.
    #[inline]
    fn write_segments<B: PacketBuf>(&mut self, key: GrainKey, place: usize, arrived: &Arrived<'_, B>) -> bool {
        let Some(building) = self.open.at_mut(place) else { return false };
        let start = arrived.header.payload().start;
        let (mut run, mut brought) = (Run::default(), 0);
        let mut take = |segment: &Segment, writing: &mut Writing<'_>| {
            // Finished lines never change: what is all there is not written again.
            let new = building.coverage.mark(segment);
            brought += new;
            if new > 0 && !run.goes_on_with(segment) {
                let before = std::mem::replace(&mut run, Run::of(segment));
                writing.write(arrived.packet, start, before);
            }
        };
        let mut writing = Writing { writer: &mut self.writer, store: self.store, key, octets: 0 };
        if let Some(kept) = arrived.samples.kept() {
            kept.iter().for_each(|segment| take(segment, &mut writing));
        } else {
            let grid = self.grid;
            let segments = samples::read_again(arrived.packet, arrived.header, &grid);
            segments.for_each(|segment| take(&segment, &mut writing));
        }
        writing.write(arrived.packet, start, run);
        self.octets_copied += writing.octets;
        let is_complete = building.coverage.is_complete();
        self.count_trailing(arrived.samples.trailing(arrived.header));
        if brought == 0 {
            self.counters.duplicates.add(1);
        }
        is_complete
    }

    /// Publishes the lines that are complete from the top, and what was counted: after each burst.
    #[inline]
    pub(super) fn end_burst(&mut self) {
        if self.octets_copied > 0 {
            self.counters.octets_copied_by_us.add(self.octets_copied);
            self.octets_copied = 0;
        }
        for at in 0..self.open.room() {
            let Some(building) = self.open.at_mut(at) else { continue };
            let complete = building.coverage.complete_prefix();
            if complete > building.published
                && let Some(key) = building.open.as_ref().and_then(|open| open.key)
            {
                building.published = complete;
                self.writer.publish(key, complete);
            }
        }
    }

    /// Closes the oldest open grain, if there is one: its missing lines are declared lost.
    pub(super) fn close(&mut self) {
        if let Some(place) = self.open.oldest() {
            self.close_at(place);
        }
    }

    /// Closes all of them, the oldest first.
    pub(super) fn close_all(&mut self) {
        while self.open.len() > 0 {
            self.close();
        }
    }

    /// Closes one to make room: the oldest of those that the ring has no place for, if there is one.
    fn close_one(&mut self) {
        match self.open.oldest_unkept() {
            Some(place) => self.close_at(place),
            None => self.close(),
        }
    }

    fn close_at(&mut self, place: usize) {
        let Some(key) = self.open.at(place).and_then(|open| open.key) else { return self.forget(place) };
        let Some(building) = self.open.at_mut(place) else { return };
        let mut lost = 0;
        for row in building.coverage.missing_rows() {
            self.writer.mark_lost(key, row);
            lost += 1;
        }
        self.counters.lines_lost.add(lost);
        self.finish(place);
    }

    fn finish(&mut self, place: usize) {
        let Some((open, key)) = self.open.at(place).and_then(|open| Some((*open, open.key?))) else { return };
        let end = GrainEnd { first_arrival: open.first_arrival, last_arrival: open.last_arrival, octets: None };
        self.writer.commit(key, end);
        if self.open.at_mut(place).is_some_and(|building| building.coverage.is_complete()) {
            self.counters.grains_complete.add(1);
        } else {
            self.counters.grains_incomplete.add(1);
        }
        self.forget(place);
    }

    fn forget(&mut self, place: usize) {
        let Some(open) = self.open.take(place) else { return };
        if self.closed.as_ref().is_none_or(|closed| closed.through <= open.last_number) {
            self.closed = Some(ClosedGrain { timestamp: open.timestamp, through: open.last_number });
        }
    }
}
