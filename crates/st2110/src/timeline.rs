//! The grain index of each RTP timestamp of one stream (ST 2110-10 §7, ST 2059-1).
//!
//! A stream locked to PTP: the timestamp is unwrapped to the TAI nearest to arrival, and the index is the
//! nearest integer of TAI × rate. Any other stream is async: its first timestamp is anchored where it
//! arrived, later ones advance by their difference in ticks, and a jump anchors anew. Whatever comes, a new
//! timestamp never gets an index at or below the last.

use media::{GrainIndex, Rate, RtpTimestamp, Tai, grain_index_nearest, unwrap_nearest};

/// How a stream's SDP says that its timestamps relate to TAI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimelineMode {
    /// PTP, `mediaclk:direct=0`: timestamps are TAI.
    Locked,
    /// Anything else: anchored at arrival.
    Async,
}

/// Whether this node's own TAI can be trusted now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClockLock {
    /// It can.
    Locked,
    /// It cannot: every stream is async.
    Unlocked,
}

impl From<bool> for ClockLock {
    /// From [`media::Clock::is_locked`].
    fn from(locked: bool) -> Self {
        if locked { Self::Locked } else { Self::Unlocked }
    }
}

/// Where a timestamp's grain belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its index: above that of every earlier timestamp.
    pub index: GrainIndex,
    /// How it was found: async also for a stream whose SDP says PTP and whose timestamps do not.
    pub mode: TimelineMode,
    /// The timestamps jumped, or changed between locked and async: the index is not the last plus their
    /// difference.
    pub reanchored: bool,
    /// The index was raised to the last plus 1: the clock stepped back, or frames come faster than the
    /// rate says.
    pub held: bool,
}

/// The last placement, from which async timestamps advance.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    /// Index at `ticks` 0.
    index: GrainIndex,
    /// Ticks from the anchor to the last timestamp, wraps counted.
    ticks: i64,
    last_timestamp: RtpTimestamp,
    last_arrival: Tai,
    last_index: GrainIndex,
    mode: TimelineMode,
    /// Indices in a row, up to the last, that were raised.
    held: u32,
}

/// The timeline of one stream.
#[derive(Clone, Debug)]
pub struct Timeline {
    rate: Rate,
    clock_hz: u32,
    mode: TimelineMode,
    anchor: Option<Anchor>,
    reanchors: u64,
    held: u64,
}

impl Timeline {
    /// Timestamps of a locked stream may be this much older than their arrival (chains of processors keep
    /// the source's); older ones are not TAI.
    pub const MAX_AGE_NANOS: i64 = 10_000_000_000;
    /// Timestamps of a locked stream may be this much ahead of their arrival.
    pub const MAX_AHEAD_NANOS: i64 = 1_000_000_000;
    /// Timestamps of an async stream may advance by so much more or less than their arrivals; beyond, they
    /// jumped.
    pub const MAX_SLIP_NANOS: i64 = 1_000_000_000;

    /// After so many indices in a row that were raised, an async stream is anchored anew at the last: it came faster than
    /// its rate says, or still does, and must not be ahead of its time for as long again when it no longer does.
    pub const MAX_HELD: u32 = 16;

    /// A stream of `rate` grains per second whose timestamps count `clock_hz`.
    #[must_use]
    pub const fn new(rate: Rate, clock_hz: u32, mode: TimelineMode) -> Self {
        Self { rate, clock_hz, mode, anchor: None, reanchors: 0, held: 0 }
    }

    /// Jumps, and changes between locked and async, so far.
    #[must_use]
    pub const fn reanchors(&self) -> u64 {
        self.reanchors
    }

    /// Indices raised to the last plus 1 so far.
    #[must_use]
    pub const fn held(&self) -> u64 {
        self.held
    }

    /// The last index given.
    #[must_use]
    pub fn last(&self) -> Option<GrainIndex> {
        self.anchor.map(|anchor| anchor.last_index)
    }

    /// Places a timestamp seen for the first time, whose first packet came at `arrival`. To be called once
    /// per new timestamp, in the order in which grains are opened.
    pub fn place(&mut self, timestamp: RtpTimestamp, arrival: Tai, lock: ClockLock) -> Placed {
        let locked = self.place_locked(timestamp, arrival, lock);
        let (wanted, mode, ticks) = match (locked, self.anchor.and_then(|a| self.advanced(&a, timestamp, arrival))) {
            (Some(index), _) => (index, TimelineMode::Locked, None),
            (None, Some((index, ticks))) => (index, TimelineMode::Async, Some(ticks)),
            (None, None) => (grain_index_nearest(arrival, self.rate), TimelineMode::Async, None),
        };
        let least = self.anchor.map_or(GrainIndex(0), |a| GrainIndex(a.last_index.0.saturating_add(1)));
        let index = wanted.max(least);
        let reanchored = self.anchor.is_some_and(|a| match mode {
            TimelineMode::Locked => a.mode == TimelineMode::Async,
            TimelineMode::Async => ticks.is_none(),
        });
        let placed = Placed { index, mode, reanchored, held: index != wanted };
        self.reanchors += u64::from(reanchored);
        self.held += u64::from(placed.held);
        self.anchor = Some(self.anchored(timestamp, arrival, &placed, ticks));
        placed
    }

    /// The index by TAI, if the stream and the clock are locked and the timestamp is near arrival.
    fn place_locked(&self, timestamp: RtpTimestamp, arrival: Tai, lock: ClockLock) -> Option<GrainIndex> {
        if (self.mode, lock) != (TimelineMode::Locked, ClockLock::Locked) {
            return None;
        }
        let at = unwrap_nearest(timestamp, self.clock_hz, arrival);
        let age = arrival.nanos_since(at);
        let near = (-Self::MAX_AHEAD_NANOS..=Self::MAX_AGE_NANOS).contains(&age);
        near.then(|| grain_index_nearest(at, self.rate))
    }

    /// The index and ticks by difference from the anchor; none if the timestamp jumped.
    fn advanced(&self, anchor: &Anchor, timestamp: RtpTimestamp, arrival: Tai) -> Option<(GrainIndex, i64)> {
        let step = i64::from(timestamp.ticks_since(anchor.last_timestamp));
        let step_nanos = i128::from(step) * 1_000_000_000 / i128::from(self.clock_hz);
        let slip = step_nanos - i128::from(arrival.nanos_since(anchor.last_arrival));
        if slip.abs() > i128::from(Self::MAX_SLIP_NANOS) {
            return None;
        }
        let ticks = anchor.ticks + step;
        let scaled = i128::from(ticks) * i128::from(self.rate.num());
        let unit = i128::from(self.clock_hz) * i128::from(self.rate.den());
        let grains = (2 * scaled + unit).div_euclid(2 * unit);
        let index = (i128::from(anchor.index.0) + grains).max(0);
        Some((GrainIndex(u64::try_from(index).unwrap_or(u64::MAX)), ticks))
    }

    /// The anchor after a placement: kept while an async stream advances (so that rounding does not add
    /// up), set anew otherwise.
    fn anchored(&self, timestamp: RtpTimestamp, arrival: Tai, placed: &Placed, ticks: Option<i64>) -> Anchor {
        let held = if placed.held { self.anchor.map_or(0, |anchor| anchor.held) + 1 } else { 0 };
        let (index, ticks, held) = match (self.anchor, ticks) {
            (Some(anchor), Some(ticks)) if held < Self::MAX_HELD => (anchor.index, ticks, held),
            _ => (placed.index, 0, 0),
        };
        Anchor {
            index,
            ticks,
            last_timestamp: timestamp,
            last_arrival: arrival,
            last_index: placed.index,
            mode: placed.mode,
            held,
        }
    }
}

#[cfg(test)]
mod tests;
