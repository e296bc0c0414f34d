//! Grains on their way out: one, or two while a leg is behind the other.

use std::ops::RangeInclusive;

use media::{RtpTimestamp, Tai};
use shm::{FrameReader, GrainRef};
use st2110::Packetiser;

use super::Source;
use super::book::Book;

/// Grains that one sender has on their way at most.
const GRAINS_MAX: usize = 2;

/// A grain on its way out.
pub(super) struct Active<P> {
    pub(super) grain: GrainRef,
    pub(super) payload: P,
    /// The legs that have not sent all of it, a bit for each.
    pub(super) legs: u8,
    pub(super) t_vd: Tai,
    /// When it may be sent.
    pub(super) time: RangeInclusive<Tai>,
    pub(super) timestamp: RtpTimestamp,
    /// The number of its first packet.
    pub(super) sequence: u32,
    /// Lines that are there, or lost.
    pub(super) slices: u16,
    pub(super) has_lost_lines: bool,
    /// All lines are there, and none is lost: nothing of it changes any more.
    is_whole: bool,
    /// Rises from grain to grain.
    order: u64,
}

/// What all legs are told of a turn.
pub(super) struct Ready<'a, C> {
    pub(super) source: &'a Source,
    pub(super) packetiser: &'a Packetiser,
    /// Which one of the worker's senders this is.
    pub(super) number: u16,
    pub(super) book: &'a Book<'a, C>,
}

impl<P> Active<P> {
    pub(super) const fn new(
        grain: GrainRef,
        payload: P,
        legs: u8,
        (t_vd, time): (Tai, RangeInclusive<Tai>),
        (timestamp, sequence): (RtpTimestamp, u32),
    ) -> Self {
        Self {
            grain,
            payload,
            legs,
            t_vd,
            time,
            timestamp,
            sequence,
            slices: 0,
            has_lost_lines: false,
            is_whole: false,
            order: 0,
        }
    }

    /// Sees how far it has come; `false`: it is cancelled, or gone.
    #[inline]
    pub(super) fn see(&mut self, reader: &FrameReader) -> bool {
        self.is_whole || self.look(reader)
    }

    fn look(&mut self, reader: &FrameReader) -> bool {
        let Some(state) = reader.state(&self.grain).ok().filter(|state| !state.cancelled) else { return false };
        if state.slices != self.slices {
            self.slices = state.slices;
            self.has_lost_lines = reader.lost_lines(&self.grain).next().is_some();
        }
        // Of a grain that is leased and has ended only a writer that breaks the ring's rules changes anything.
        self.is_whole = state.complete && !self.has_lost_lines;
        true
    }
}

/// The grains of a sender.
pub(super) struct Grains<P> {
    places: [Option<Active<P>>; GRAINS_MAX],
    begun: u64,
}

impl<P> Default for Grains<P> {
    fn default() -> Self {
        Self { places: [const { None }; GRAINS_MAX], begun: 0 }
    }
}

impl<P> Grains<P> {
    pub(super) const fn places(&self) -> std::ops::Range<usize> {
        0..GRAINS_MAX
    }

    pub(super) fn at(&self, place: usize) -> Option<&Active<P>> {
        self.places.get(place)?.as_ref()
    }

    pub(super) fn at_mut(&mut self, place: usize) -> Option<&mut Active<P>> {
        self.places.get_mut(place)?.as_mut()
    }

    /// The oldest grain that the leg of this bit has not sent.
    #[inline]
    pub(super) fn oldest_of(&self, bit: u8) -> Option<usize> {
        let here = |place: &usize| self.at(*place).filter(|active| active.legs & bit != 0).map(|active| active.order);
        self.places().filter(|place| here(place).is_some()).min_by_key(here)
    }

    /// An empty place, or the one of the oldest grain, and whether it is taken.
    pub(super) fn oldest_place(&self) -> (usize, bool) {
        let order = |place: &usize| self.at(*place).map(|active| active.order);
        let place = self.places().min_by_key(order).unwrap_or(0);
        (place, self.at(place).is_some())
    }

    pub(super) fn newest(&self) -> Option<&Active<P>> {
        self.places.iter().flatten().max_by_key(|active| active.order)
    }

    pub(super) fn put(&mut self, place: usize, active: Active<P>) {
        self.begun += 1;
        if let Some(empty) = self.places.get_mut(place) {
            *empty = Some(Active { order: self.begun, ..active });
        }
    }

    pub(super) fn take(&mut self, place: usize) -> Option<Active<P>> {
        self.places.get_mut(place)?.take()
    }

    /// The leg of this bit has sent all; returns whether it was the last.
    pub(super) fn done(&mut self, place: usize, bit: u8) -> bool {
        let Some(active) = self.at_mut(place) else { return false };
        active.legs &= !bit;
        active.legs == 0
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.places.iter().all(Option::is_none)
    }
}
