//! The open grain: which packets belong to it, what of it is there, and its place in the ring.

use std::sync::Arc;

use media::{ExtSeqNum, RtpTimestamp, Tai, VIDEO_CLOCK_HZ, VideoFormat, unwrap_nearest};
use netio::PacketBuf;
use rtp::RtpHeader;
use shm::{FrameWriter, GrainEnd, GrainKey, GrainStamp, OpenError};
use st2110::coverage::Coverage;
use st2110::srd::{self, Segment, SegmentError};
use st2110::timeline::{ClockLock, Timeline, TimelineMode};

use super::{Arrived, Place};
use crate::counters::ReceiverCounters;

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
    format: VideoFormat,
    timeline: Timeline,
    writer: FrameWriter,
    coverage: Coverage,
    open: Option<OpenGrain>,
    closed: Option<ClosedGrain>,
    published: u16,
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
        Self { format, timeline, writer, coverage, open: None, closed: None, published: 0, counters }
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

    /// Whether a packet brings any samples of this picture; if not, the counters say why.
    pub(super) fn has_samples<B: PacketBuf>(&self, packet: &B, header: &RtpHeader) -> bool {
        let payload = header.payload();
        let head = packet.head().get(payload.start..).unwrap_or_default();
        let Ok(parsed) = srd::parse(head, payload.len()) else {
            self.counters.payload_malformed.add(1);
            return false;
        };
        // Of nearly every packet only the first header is read here.
        if parsed.segments(&self.format).any(|segment| segment.is_ok()) {
            return true;
        }
        parsed.segments(&self.format).filter_map(Result::err).for_each(|error| count_segment(&self.counters, error));
        false
    }

    /// Sequence tells the order of grains, the timestamp tells them apart.
    pub(super) fn place(&self, timestamp: RtpTimestamp, number: ExtSeqNum) -> Place {
        if let Some(open) = self.open {
            if timestamp == open.timestamp {
                return Place::Open;
            }
            if number < open.first_number {
                return Place::Late;
            }
        }
        match self.closed {
            Some(closed) if timestamp == closed.timestamp || number <= closed.through => Place::Late,
            _ => Place::Next,
        }
    }

    /// Opens the grain that `arrived` belongs to.
    pub(super) fn open<B: PacketBuf>(&mut self, arrived: &Arrived<B>, now: Tai, locked: bool) {
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
    pub(super) fn write<B: PacketBuf>(&mut self, arrived: &Arrived<B>) -> Closed {
        let Some(open) = &mut self.open else { return Closed::No };
        open.first_number = open.first_number.min(arrived.number);
        open.last_number = open.last_number.max(arrived.number);
        open.last_arrival = arrived.packet.meta().arrival;
        let Some(key) = open.key else {
            self.counters.packets_dropped_with_grain.add(1);
            return Closed::No;
        };
        self.write_segments(key, &arrived.packet, &arrived.header);
        self.publish(key);
        if self.coverage.is_complete() {
            self.finish();
            return Closed::Yes;
        }
        Closed::No
    }

    fn write_segments<B: PacketBuf>(&mut self, key: GrainKey, packet: &B, header: &RtpHeader) {
        let payload = header.payload();
        let head = packet.head().get(payload.start..).unwrap_or_default();
        // `has_samples` has let it pass: its chain of headers is whole, and a segment is sound.
        let Ok(parsed) = srd::parse(head, payload.len()) else { return };
        let mut brought = 0;
        let mut end = payload.len();
        for segment in parsed.segments(&self.format) {
            match segment {
                Ok(segment) => {
                    end = segment.payload_start as usize + usize::from(segment.octets);
                    brought += self.write_segment(key, packet, payload.start, &segment);
                }
                Err(error) => count_segment(&self.counters, error),
            }
        }
        self.counters.octets_trailing.add((payload.len() - end) as u64);
        if brought == 0 {
            self.counters.duplicates.add(1);
        }
    }

    /// Writes a segment unless all of it is there: finished lines never change. Returns its new pgroups.
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
        let mut offset = segment.grain_start;
        let mut skip = payload_start + segment.payload_start as usize;
        let mut left = usize::from(segment.octets);
        for part in packet.segments() {
            let from = skip.min(part.len());
            let take = left.min(part.len() - from);
            if self.writer.write(key, offset, &part[from..from + take]).is_err() {
                break;
            }
            offset += take as u32;
            skip -= from;
            left -= take;
            if left == 0 {
                break;
            }
        }
        self.counters.octets_copied_by_us.add(u64::from(segment.octets));
        brought
    }

    fn publish(&mut self, key: GrainKey) {
        let complete = self.coverage.complete_prefix();
        if complete > self.published {
            self.published = complete;
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

fn count_segment(counters: &ReceiverCounters, error: SegmentError) {
    let counter = match error {
        SegmentError::Row => &counters.segment_row,
        SegmentError::Offset | SegmentError::OffsetUnaligned | SegmentError::RowEnd => &counters.segment_offset,
        SegmentError::Zero | SegmentError::LengthUnaligned => &counters.segment_length,
        SegmentError::Truncated => &counters.segment_truncated,
        SegmentError::Field => &counters.segment_field,
    };
    counter.add(1);
}
