//! A device's own clock beside TAI.
//!
//! A card counts ticks of a unit, from a beginning and at a pace that are its own. Somebody who may wait reads both clocks some times
//! a second ([`crate::port::Port::clock_pair`]) and has a [`ClockFollower`] find out the pace; queues read what it has published:
//!
//! ```text
//!  (ticks, TAI), (ticks, TAI), … ─► ClockFollower ─► Pairing, published ─► DeviceClock ─► ticks of a TAI, TAI of ticks
//! ```
//! Each pair pins the two clocks to one another anew, so that a card whose clock is disciplined, set or drifts is followed; the pace
//! is taken over a second, and carries over from one pair to the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering, fence};

use media::Tai;

/// Fractional bits of nanoseconds a tick, and of ticks a nanosecond.
const NANOS_BITS: u32 = 32;
const TICKS_BITS: u32 = 44;

/// The least time over which the pace is measured anew. The first is taken over whatever there is.
const BASELINE_NANOS: i64 = 1_000_000_000;
/// Measured paces that differ by more than one part of so many are not of one clock that drifts: one of the two was set.
const STEP_PARTS: u64 = 1_000;
/// Ticks that last longer than this are of no use, nanoseconds.
const TICK_NANOS_MAX: i64 = 1_000_000;

/// The device's clock and TAI, read at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockPair {
    /// Of the device.
    pub ticks: u64,
    /// Ours.
    pub tai: Tai,
}

/// What a device's clock says, by the last look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pairing {
    pair: ClockPair,
    nanos_per_tick: u64,
    ticks_per_nano: u64,
}

/// The clock of a device, to be read by its queues: without waiting, and without asking the device. Clones are of the same clock.
#[derive(Clone, Debug, Default)]
pub struct DeviceClock(Arc<Published>);

/// Guarded by a sequence: odd while it is being written, 0 before the first time.
#[derive(Debug, Default)]
struct Published {
    sequence: AtomicU64,
    ticks: AtomicU64,
    tai: AtomicI64,
    nanos_per_tick: AtomicU64,
    ticks_per_nano: AtomicU64,
}

/// The one who looks at a device's clock.
#[derive(Debug, Default)]
pub struct ClockFollower {
    clock: DeviceClock,
    /// From where on the pace is measured.
    anchor: Option<ClockPair>,
    pace: Option<Pace>,
    /// The last measured pace was another one.
    is_doubted: bool,
    steps: u64,
}

/// How long a tick is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pace {
    nanos_per_tick: u64,
    ticks_per_nano: u64,
}

impl Pairing {
    /// When the device's clock shows so many ticks.
    #[inline]
    #[must_use]
    pub fn tai_at(&self, ticks: u64) -> Tai {
        let since = ticks.wrapping_sub(self.pair.ticks).cast_signed();
        let nanos = (i128::from(since) * i128::from(self.nanos_per_tick)) >> NANOS_BITS;
        self.pair.tai.plus_nanos(nanos.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
    }

    /// What the device's clock shows then.
    #[inline]
    #[must_use]
    pub fn ticks_at(&self, tai: Tai) -> u64 {
        let since = i128::from(tai.nanos_since(self.pair.tai));
        let ticks = (since * i128::from(self.ticks_per_nano)) >> TICKS_BITS;
        // The clock of a device goes round.
        self.pair.ticks.wrapping_add(ticks as u64)
    }
}

impl DeviceClock {
    /// By the last look; `None` as long as nobody has measured it.
    #[inline]
    #[must_use]
    pub fn pairing(&self) -> Option<Pairing> {
        let published = &*self.0;
        loop {
            let before = published.sequence.load(Ordering::Acquire); // pairs with ClockFollower::publish
            if before == 0 {
                return None;
            }
            let ticks = published.ticks.load(Ordering::Relaxed);
            let tai = Tai::from_nanos(published.tai.load(Ordering::Relaxed));
            let nanos_per_tick = published.nanos_per_tick.load(Ordering::Relaxed);
            let ticks_per_nano = published.ticks_per_nano.load(Ordering::Relaxed);
            fence(Ordering::Acquire); // pairs with ClockFollower::publish
            if before & 1 == 0 && published.sequence.load(Ordering::Relaxed) == before {
                return Some(Pairing { pair: ClockPair { ticks, tai }, nanos_per_tick, ticks_per_nano });
            }
            std::hint::spin_loop();
        }
    }
}

impl ClockFollower {
    /// What its queues read.
    #[must_use]
    pub fn clock(&self) -> DeviceClock {
        self.clock.clone()
    }

    /// Times that one of the two clocks was set, or went at another pace.
    #[must_use]
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    /// Takes a look at both clocks in. The first one tells nothing yet: two are needed for a pace.
    pub fn follow(&mut self, pair: ClockPair) {
        let Some(anchor) = self.anchor else {
            self.anchor = Some(pair);
            return;
        };
        let nanos = pair.tai.nanos_since(anchor.tai);
        if nanos >= BASELINE_NANOS || nanos <= 0 || self.pace.is_none() {
            match Pace::between(anchor, pair) {
                Some(pace) => self.adopt(pace),
                // One of the two has gone back, or the device's stands still.
                None => self.steps += u64::from(self.pace.is_some()),
            }
            self.anchor = Some(pair);
        }
        if let Some(pace) = self.pace {
            self.publish(pair, pace);
        }
    }

    /// Takes a measured pace, unless a step of one of the clocks lies in it. One that is measured twice is the clock's.
    fn adopt(&mut self, measured: Pace) {
        let is_other = self.pace.is_some_and(|pace| !pace.resembles(measured));
        self.steps += u64::from(is_other);
        if !is_other || self.is_doubted {
            self.pace = Some(measured);
        }
        self.is_doubted = is_other && !self.is_doubted;
    }

    fn publish(&self, pair: ClockPair, pace: Pace) {
        let published = &*self.clock.0;
        let sequence = published.sequence.load(Ordering::Relaxed);
        published.sequence.store(sequence | 1, Ordering::Relaxed);
        fence(Ordering::Release); // pairs with DeviceClock::pairing
        published.ticks.store(pair.ticks, Ordering::Relaxed);
        published.tai.store(pair.tai.as_nanos(), Ordering::Relaxed);
        published.nanos_per_tick.store(pace.nanos_per_tick, Ordering::Relaxed);
        published.ticks_per_nano.store(pace.ticks_per_nano, Ordering::Relaxed);
        published.sequence.store((sequence | 1).wrapping_add(1), Ordering::Release); // pairs with DeviceClock::pairing
    }
}

impl Pace {
    /// `None` where one of the clocks did not go on.
    fn between(before: ClockPair, after: ClockPair) -> Option<Self> {
        let nanos = after.tai.nanos_since(before.tai);
        let ticks = after.ticks.wrapping_sub(before.ticks).cast_signed();
        if nanos <= 0 || ticks <= 0 || nanos / ticks > TICK_NANOS_MAX {
            return None;
        }
        let ratio = |of: i64, to: i64, bits: u32| u64::try_from((i128::from(of) << bits) / i128::from(to)).ok();
        let (nanos_per_tick, ticks_per_nano) = (ratio(nanos, ticks, NANOS_BITS)?, ratio(ticks, nanos, TICKS_BITS)?);
        Some(Self { nanos_per_tick, ticks_per_nano })
    }

    const fn resembles(self, other: Self) -> bool {
        self.nanos_per_tick.abs_diff(other.nanos_per_tick) <= self.nanos_per_tick / STEP_PARTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_800_000_000_000_000_000;

    /// A card's clock: `ticks` of them in `nanos`, and so much at noon.
    #[derive(Clone, Copy)]
    struct Card {
        ticks: i128,
        nanos: i128,
        at_noon: u64,
    }

    impl Card {
        fn at(self, nanos: i64) -> ClockPair {
            let ticks = self.at_noon.wrapping_add((i128::from(nanos) * self.ticks / self.nanos) as u64);
            ClockPair { ticks, tai: Tai::from_nanos(NOON + nanos) }
        }
    }

    /// Nanoseconds: a microsecond clock, mlx5's 156.25 MHz, one of nanoseconds that is 40 ppm fast and near its end, 3 GHz.
    const CARDS: [Card; 4] = [
        Card { ticks: 1, nanos: 1_000, at_noon: 7 },
        Card { ticks: 15_625, nanos: 100_000, at_noon: 0 },
        Card { ticks: 1_000_040, nanos: 1_000_000, at_noon: u64::MAX - 1_000_000 },
        Card { ticks: 3, nanos: 1, at_noon: 1 << 63 },
    ];

    fn followed(card: Card, looks: &[i64]) -> (ClockFollower, DeviceClock) {
        let mut follower = ClockFollower::default();
        looks.iter().for_each(|nanos| follower.follow(card.at(*nanos)));
        let clock = follower.clock();
        (follower, clock)
    }

    #[test]
    fn one_look_tells_no_time() {
        assert_eq!(followed(CARDS[0], &[]).1.pairing(), None);
        assert_eq!(followed(CARDS[0], &[0]).1.pairing(), None);
        assert!(followed(CARDS[0], &[0, 20_000_000]).1.pairing().is_some());
    }

    #[test]
    fn ticks_and_times_are_each_others() {
        for card in CARDS {
            let (follower, clock) = followed(card, &[0, 20_000_000, 500_000_000, 1_100_000_000, 1_600_000_000]);
            let pairing = clock.pairing().unwrap();
            for ahead in [-700_000_000, -1_000, 0, 1, 250_000, 500_000_000] {
                let there = card.at(1_600_000_000 + ahead);
                let tick = (card.nanos / card.ticks) as i64 + 1;
                assert!(pairing.tai_at(there.ticks).nanos_since(there.tai).abs() <= tick, "{ahead}");
                let off = pairing.ticks_at(there.tai).wrapping_sub(there.ticks).cast_signed();
                assert!(off.abs() <= 4, "{ahead}: {off} ticks");
            }
            assert_eq!(follower.steps(), 0);
        }
    }

    /// Half a second after a look a card that is 100 ppm off has gone 50 µs astray: its pace is known, so it has not.
    #[test]
    fn a_card_that_drifts_is_followed() {
        let (fast, slow) = (Card { ticks: 1_000_100, nanos: 1_000_000, at_noon: 0 }, CARDS[1]);
        for card in [fast, slow] {
            let looks: Vec<i64> = (0..9).map(|look| look * 500_000_000).collect();
            let (_, clock) = followed(card, &looks);
            let there = card.at(4_499_999_000);
            let off = clock.pairing().unwrap().tai_at(there.ticks).nanos_since(there.tai);
            assert!(off.abs() <= 10, "{off} ns");
        }
    }

    #[test]
    fn a_clock_that_is_set_is_pinned_anew_at_the_next_look() {
        for step in [5_000_000_000, -5_000_000_000] {
            let card = Card { ticks: 1, nanos: 1, at_noon: 1 << 40 };
            let (mut follower, clock) = followed(card, &[0, 500_000_000, 1_000_000_000, 1_500_000_000]);
            let set = Card { at_noon: card.at_noon.wrapping_add_signed(step), ..card };
            for look in [2_000_000_000, 2_500_000_000, 3_000_000_000, 3_500_000_000] {
                follower.follow(set.at(look));
                let there = set.at(look + 250_000);
                assert_eq!(clock.pairing().unwrap().ticks_at(there.tai), there.ticks, "{step} {look}");
            }
            assert_eq!(follower.steps(), 1, "{step}");
        }
    }

    #[test]
    fn a_first_pace_that_was_wrong_is_not_kept_for_ever() {
        let (card, wrong) = (CARDS[1], ClockPair { ticks: 12_345, tai: Tai::from_nanos(NOON - 10_000_000) });
        let mut follower = ClockFollower::default();
        follower.follow(wrong);
        (0..6).for_each(|look| follower.follow(card.at(look * 500_000_000)));
        let there = card.at(2_750_000_000);
        let off = follower.clock().pairing().unwrap().tai_at(there.ticks).nanos_since(there.tai);
        assert!(off.abs() <= 10, "{off} ns");
    }

    #[test]
    fn a_clock_that_stands_still_tells_no_time() {
        let mut follower = ClockFollower::default();
        (0..5).for_each(|look| follower.follow(ClockPair { ticks: 9, ..CARDS[0].at(look * 500_000_000) }));
        assert_eq!(follower.clock().pairing(), None);
    }
}
