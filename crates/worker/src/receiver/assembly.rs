//! The open grain: which packets belong to it, what of it is there, and its place in the ring.

use std::sync::Arc;

use media::{ExtSeqNum, RtpTimestamp, Tai, VIDEO_CLOCK_HZ, VideoFormat, unwrap_nearest};
use netio::PacketBuf;
use rtp::RtpHeader;
use shm::{FrameWriter, GrainEnd, GrainKey, GrainStamp, OpenError, Store};
use st2110::coverage::Coverage;
use st2110::srd::{SampleGrid, Segment};
use st2110::timeline::{ClockLock, Timeline, TimelineMode};

use super::samples::{self, Samples};
use super::{Arrived, Place};
use crate::counters::ReceiverCounters;

/// How far ahead of a packet memory is asked for: some packets, which is longer than memory takes to answer.
const AHEAD_OCTETS: u32 = 4_096;

/// Whether a grain was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    Yes,
    No,
}

/// A grain that packets still come for.
#[derive(Clone, Copy, Debug)]
struct OpenGrain {
    timestamp: RtpTimestamp,
    /// The least sequence number seen in it: what comes before belongs to an earlier grain.
    first_number: ExtSeqNum,
    last_number: ExtSeqNum,
    first_arrival: Tai,
    last_arrival: Tai,
    /// None: the ring had no place, and its packets are dropped.
    key: Option<GrainKey>,
}

/// The grain that was closed last.
#[derive(Clone, Copy, Debug)]
struct ClosedGrain {
    timestamp: RtpTimestamp,
    through: ExtSeqNum,
}

/// Assembles grains, one at a time.
pub(super) struct Assembly {
    grid: SampleGrid,
    timeline: Timeline,
    writer: FrameWriter,
    coverage: Coverage,
    open: Option<OpenGrain>,
    closed: Option<ClosedGrain>,
    published: u16,
    store: Store,
    /// Since the burst began.
    octets_copied: u64,
    counters: Arc<ReceiverCounters>,
}

impl Assembly {
    pub(super) fn new(
        format: VideoFormat,
        mode: TimelineMode,
        writer: FrameWriter,
        counters: Arc<ReceiverCounters>,
    ) -> Self {
        let timeline = Timeline::new(format.rate(), VIDEO_CLOCK_HZ, mode);
        let coverage = Coverage::new(&format);
        Self {
            grid: SampleGrid::new(&format),
            timeline,
            writer,
            coverage,
            open: None,
            closed: None,
            published: 0,
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

    /// When the first packet of the open grain came.
    pub(super) fn open_since(&self) -> Option<Tai> {
        self.open.map(|open| open.first_arrival)
    }

    /// Whether packets of the next grain must wait for the open one.
    pub(super) fn is_waiting(&self) -> bool {
        self.open.is_some_and(|open| open.key.is_some())
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
        if let Some(open) = &self.open {
            if timestamp == open.timestamp {
                return Place::Open;
            }
            if number < open.first_number {
                return Place::Late;
            }
        }
        match &self.closed {
            Some(closed) if timestamp == closed.timestamp || number <= closed.through => Place::Late,
            _ => Place::Next,
        }
    }

    /// Opens the grain that `arrived` belongs to.
    pub(super) fn open<B: PacketBuf>(&mut self, arrived: &Arrived<'_, B>, now: Tai, locked: bool) {
        let timestamp = arrived.header.timestamp;
        let arrival = arrived.packet.meta().arrival;
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
        let stamp = GrainStamp { tai, rtp: timestamp };
        let key = match self.writer.open(placed.index, stamp, now) {
            Ok(key) => Some(key),
            Err(error) => {
                self.count_unopened(error);
                None
            }
        };
        self.counters.grains_opened.add(u64::from(key.is_some()));
        self.counters.last_grain.set(placed.index.0);
        self.counters.is_async.set(u64::from(placed.mode == TimelineMode::Async));
        self.coverage.reset();
        self.published = 0;
        self.open = Some(OpenGrain {
            timestamp,
            first_number: arrived.number,
            last_number: arrived.number,
            first_arrival: arrival,
            last_arrival: arrival,
            key,
        });
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

    /// Writes the segments of a packet of the open grain.
    #[inline]
    pub(super) fn write<B: PacketBuf>(&mut self, arrived: &Arrived<'_, B>) -> Closed {
        let Some(open) = &mut self.open else { return Closed::No };
        open.first_number = open.first_number.min(arrived.number);
        open.last_number = open.last_number.max(arrived.number);
        open.last_arrival = arrived.packet.meta().arrival;
        let Some(key) = open.key else {
            self.counters.packets_dropped_with_grain.add(1);
            return Closed::No;
        };
        self.write_segments(key, arrived);
        if self.coverage.is_complete() {
            self.finish();
            return Closed::Yes;
        }
        Closed::No
    }

    #[inline]
    fn write_segments<B: PacketBuf>(&mut self, key: GrainKey, arrived: &Arrived<'_, B>) {
        let start = arrived.header.payload().start;
        let mut brought = 0;
        if let Some(kept) = arrived.samples.kept() {
            self.expect(key, kept);
            for segment in kept {
                brought += self.write_segment(key, arrived.packet, start, segment);
            }
        } else {
            let grid = self.grid;
            for segment in samples::read_again(arrived.packet, arrived.header, &grid) {
                brought += self.write_segment(key, arrived.packet, start, &segment);
            }
        }
        let trailing = arrived.samples.trailing(arrived.header);
        if trailing > 0 {
            self.counters.octets_trailing.add(trailing);
        }
        if brought == 0 {
            self.counters.duplicates.add(1);
        }
    }

    /// Asks for the memory of the packets that come next: a stream in order goes on where this packet ends. Without that each
    /// packet waits for lines to come from memory that it is going to overwrite.
    #[inline]
    fn expect(&self, key: GrainKey, segments: &[Segment]) {
        if self.store == Store::Cached
            && let (Some(first), Some(last)) = (segments.first(), segments.last())
        {
            let end = last.grain_start + u32::from(last.octets);
            self.writer.prefetch(key, end + AHEAD_OCTETS, end.saturating_sub(first.grain_start));
        }
    }

    /// Writes a segment unless all of it is there: finished lines never change. Returns its new pgroups.
    #[inline]
    fn write_segment<B: PacketBuf>(
        &mut self,
        key: GrainKey,
        packet: &B,
        payload_start: usize,
        segment: &Segment,
    ) -> u32 {
        let brought = self.coverage.mark(segment);
        if brought == 0 {
            return 0;
        }
        let skip = payload_start + segment.payload_start as usize;
        match packet.head().get(skip..skip + usize::from(segment.octets)) {
            Some(whole) => {
                // The grain is open, and no line that is published is covered anew.
                let written = self.writer.write_by(self.store, key, segment.grain_start, whole);
                debug_assert!(written.is_ok(), "{written:?}");
            }
            None => self.write_pieces(key, packet, skip, segment),
        }
        self.octets_copied += u64::from(segment.octets);
        brought
    }

    /// A segment whose octets lie in several buffers.
    #[cold]
    fn write_pieces<B: PacketBuf>(&mut self, key: GrainKey, packet: &B, skip: usize, segment: &Segment) {
        let (mut offset, mut skip, mut left) = (segment.grain_start, skip, usize::from(segment.octets));
        for part in packet.segments() {
            let from = skip.min(part.len());
            let take = left.min(part.len() - from);
            if self.writer.write_by(self.store, key, offset, &part[from..from + take]).is_err() {
                break;
            }
            offset += take as u32;
            skip -= from;
            left -= take;
            if left == 0 {
                break;
            }
        }
    }

    /// Publishes the lines that are complete from the top, and what was counted: after each burst.
    #[inline]
    pub(super) fn end_burst(&mut self) {
        if self.octets_copied > 0 {
            self.counters.octets_copied_by_us.add(self.octets_copied);
            self.octets_copied = 0;
        }
        let complete = self.coverage.complete_prefix();
        if complete > self.published
            && let Some(key) = self.open.as_ref().and_then(|open| open.key)
        {
            self.published = complete;
            self.store.fence();
            self.writer.publish(key, complete);
        }
    }

    /// Closes the open grain, if there is one: its missing lines are declared lost.
    pub(super) fn close(&mut self) {
        let Some(open) = self.open else { return };
        let Some(key) = open.key else { return self.forget(open) };
        let mut lost = 0;
        for row in self.coverage.missing_rows() {
            self.writer.mark_lost(key, row);
            lost += 1;
        }
        self.counters.lines_lost.add(lost);
        self.finish();
    }

    fn finish(&mut self) {
        let Some((open, key)) = self.open.and_then(|open| Some((open, open.key?))) else { return };
        let end = GrainEnd { first_arrival: open.first_arrival, last_arrival: open.last_arrival, octets: None };
        self.store.fence();
        self.writer.commit(key, end);
        if self.coverage.is_complete() {
            self.counters.grains_complete.add(1);
        } else {
            self.counters.grains_incomplete.add(1);
        }
        self.forget(open);
    }

    fn forget(&mut self, open: OpenGrain) {
        self.closed = Some(ClosedGrain { timestamp: open.timestamp, through: open.last_number });
        self.open = None;
    }
}
