//! The grains that packets still come for. There is a place for each that may be open at a time: one, and some more where
//! a second leg may bring what is missing of a grain while later ones come already (ST 2022-7).

use media::{ExtSeqNum, RtpTimestamp, Tai, VideoFormat};
use shm::GrainKey;
use st2110::coverage::Coverage;

/// How far the time stamp of a grain that was opened before its first packet may be from the one that comes: it was
/// computed, and both are rounded.
const ROUNDED_TICKS: u32 = 2;

/// A grain that packets still come for.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenGrain {
    pub(super) timestamp: RtpTimestamp,
    /// None of its packets has come: the leg that is ahead has lost all of them, and the time stamp is computed.
    pub(super) is_expected: bool,
    /// The least sequence number seen in it: what comes before belongs to an earlier grain.
    pub(super) first_number: ExtSeqNum,
    pub(super) last_number: ExtSeqNum,
    pub(super) first_arrival: Tai,
    pub(super) last_arrival: Tai,
    /// None: the ring had no place, and its packets are dropped.
    pub(super) key: Option<GrainKey>,
}

impl OpenGrain {
    #[inline]
    fn has(&self, timestamp: RtpTimestamp) -> bool {
        self.timestamp == timestamp
            || self.is_expected && timestamp.ticks_since(self.timestamp).unsigned_abs() <= ROUNDED_TICKS
    }
}

/// A place for an open grain.
#[derive(Debug)]
pub(super) struct Building {
    pub(super) open: Option<OpenGrain>,
    pub(super) coverage: Coverage,
    /// Lines that are published.
    pub(super) published: u16,
}

impl Building {
    /// Notes a packet of the open grain: its number, and when it came. The grain's key, where the ring has a place for it.
    #[inline]
    pub(super) fn note(&mut self, timestamp: RtpTimestamp, number: ExtSeqNum, arrival: Tai) -> Option<GrainKey> {
        let open = self.open.as_mut()?;
        if open.is_expected {
            (open.is_expected, open.timestamp) = (false, timestamp);
        }
        open.first_number = open.first_number.min(number);
        open.last_number = open.last_number.max(number);
        open.last_arrival = arrival;
        open.key
    }
}

/// The open grains, in their order.
#[derive(Debug)]
pub(super) struct Buildings {
    places: Box<[Building]>,
    /// The places of those that are open, the oldest first.
    order: Vec<u8>,
}

impl Buildings {
    /// Room for `count` grains of a format. Everything is allocated here.
    pub(super) fn new(format: &VideoFormat, count: u16) -> Self {
        let place = |_| Building { open: None, coverage: Coverage::new(format), published: 0 };
        let places: Box<[Building]> = (0..count.max(1)).map(place).collect();
        Self { order: Vec::with_capacity(places.len()), places }
    }

    /// Grains that may be open at a time.
    pub(super) const fn room(&self) -> usize {
        self.places.len()
    }

    /// Grains that are open.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Where the grain of that time stamp is, if it is open. Most packets are the newest one's.
    #[inline]
    pub(super) fn find(&self, timestamp: RtpTimestamp) -> Option<usize> {
        let is_of = |place: &&u8| self.at(usize::from(**place)).is_some_and(|open| open.has(timestamp));
        self.order.iter().rev().find(is_of).map(|place| usize::from(*place))
    }

    #[inline]
    pub(super) fn at(&self, place: usize) -> Option<&OpenGrain> {
        self.places.get(place)?.open.as_ref()
    }

    #[inline]
    pub(super) fn at_mut(&mut self, place: usize) -> Option<&mut Building> {
        self.places.get_mut(place)
    }

    /// The places of the open grains, the oldest first.
    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        self.order.iter().map(|place| usize::from(*place))
    }

    /// The place of the grain that was opened first.
    pub(super) fn oldest(&self) -> Option<usize> {
        self.places().next()
    }

    #[inline]
    pub(super) fn newest(&self) -> Option<&OpenGrain> {
        self.at(usize::from(*self.order.last()?))
    }

    /// Open grains that the ring has a place for.
    pub(super) fn kept(&self) -> usize {
        self.places().filter(|place| self.at(*place).is_some_and(|open| open.key.is_some())).count()
    }

    /// The oldest that the ring has no place for.
    pub(super) fn oldest_unkept(&self) -> Option<usize> {
        self.places().find(|place| self.at(*place).is_some_and(|open| open.key.is_none()))
    }

    /// Puts a grain into a free place; there is one.
    pub(super) fn open(&mut self, grain: OpenGrain) {
        let free = self.places.iter_mut().zip(0_u8..).find(|(place, _)| place.open.is_none());
        debug_assert!(free.is_some(), "all places are taken");
        if let Some((building, place)) = free {
            building.coverage.reset();
            building.published = 0;
            building.open = Some(grain);
            self.order.push(place);
        }
    }

    /// Takes a grain out of its place.
    pub(super) fn take(&mut self, place: usize) -> Option<OpenGrain> {
        self.order.retain(|open| usize::from(*open) != place);
        self.places.get_mut(place)?.open.take()
    }
}
