//! The network compatibility model of ST 2110-21 §7.1: a bucket into which each packet falls as it is sent, and which
//! drains at 1.1 × the stream's mean rate. A sender of a type never has more than C_MAX packets in it.
//!
//! Exact: a packet is `nanos` units, and each nanosecond takes `per` units out, where `per` / `nanos` is the drain in packets
//! per nanosecond in lowest terms. The model of an analyser drains in whole packets at ticks of its own; as packets only
//! go in whole here, it never counts more than this one does.

use media::{Rate, Tai};

use crate::gcd::gcd;

const NANOS: u128 = 1_000_000_000;
/// β of ST 2110-21 §7.1: 1.10.
const BETA: (u128, u128) = (11, 10);

/// What of a sender's packets the network still has to spread.
#[derive(Clone, Debug)]
pub struct Bucket {
    c_max: u32,
    /// The drain, in packets per nanosecond.
    drain: (u128, u128),
    /// Units in it at `at`.
    level: u128,
    at: Tai,
}

impl Bucket {
    /// An empty bucket for frames of `packets` packets at `rate`, which holds `c_max` packets, at least 1.
    #[must_use]
    pub fn new(rate: Rate, packets: u32, c_max: u32) -> Self {
        // 1 / T_DRAIN = N_PKTS × β / T_FRAME
        let per = u128::from(packets.max(1)) * u128::from(rate.num()) * BETA.0;
        let nanos = u128::from(rate.den()) * NANOS * BETA.1;
        let divisor = gcd(per, nanos);
        Self { c_max: c_max.max(1), drain: (per / divisor, nanos / divisor), level: 0, at: Tai::from_nanos(i64::MIN) }
    }

    /// C_MAX.
    #[must_use]
    pub const fn c_max(&self) -> u32 {
        self.c_max
    }

    /// How many packets may be sent at `now`.
    #[inline]
    #[must_use]
    pub fn room(&mut self, now: Tai) -> u32 {
        self.drain(now);
        let free = (u128::from(self.c_max) * self.drain.1).saturating_sub(self.level);
        quotient(free, self.drain.1)
    }

    /// `packets` were sent at `now`. Returns how many are in the bucket, one that has not drained whole included.
    #[inline]
    pub fn put(&mut self, packets: u32, now: Tai) -> u32 {
        self.drain(now);
        self.level += u128::from(packets) * self.drain.1;
        quotient(self.level + (self.drain.1 - 1), self.drain.1)
    }

    /// Nanoseconds from `now` until a packet more has room; 0 when it has.
    #[must_use]
    pub fn wait_nanos(&mut self, now: Tai) -> i64 {
        self.drain(now);
        let over = (self.level + self.drain.1).saturating_sub(u128::from(self.c_max) * self.drain.1);
        i64::try_from(over.div_ceil(self.drain.0)).unwrap_or(i64::MAX)
    }

    /// Nanoseconds in which `packets` drain, rounded up: so far apart none finds another one in it.
    #[inline]
    #[must_use]
    pub fn drain_nanos(&self, packets: u32) -> i64 {
        let nanos = (u128::from(packets) * self.drain.1).div_ceil(self.drain.0);
        i64::try_from(nanos).unwrap_or(i64::MAX)
    }

    /// Packets that drain in `nanos`; none in a negative time.
    #[inline]
    #[must_use]
    pub fn drained_in(&self, nanos: i64) -> u32 {
        quotient(u128::from(nanos.max(0).unsigned_abs()) * self.drain.0, self.drain.1)
    }

    /// A clock that is set back stops the drain until it has caught up by the time that the full bucket takes.
    #[inline]
    fn drain(&mut self, now: Tai) {
        let elapsed = now.nanos_since(self.at);
        if elapsed > 0 {
            self.level = self.level.saturating_sub(u128::from(elapsed as u64) * self.drain.0);
        }
        if elapsed != 0 {
            self.at = now;
        }
    }
}

/// One 64-bit division where the numbers fit, as they do at all usual rates.
#[inline]
fn quotient(value: u128, by: u128) -> u32 {
    let whole = match (u64::try_from(value), u64::try_from(by)) {
        (Ok(value), Ok(by)) => u128::from(value / by),
        _ => value / by,
    };
    u32::try_from(whole).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Tai = Tai::from_nanos(1_790_000_000_000_000_000);

    /// 1,000 packets a second: one drains in 10/11 ms.
    fn bucket(c_max: u32) -> Bucket {
        Bucket::new(Rate::new(25, 1).unwrap(), 40, c_max)
    }

    #[test]
    fn it_holds_c_max_and_drains_a_tenth_faster_than_the_stream() {
        let mut bucket = bucket(4);
        assert_eq!((bucket.room(START), bucket.put(4, START), bucket.room(START)), (4, 4, 0));
        assert_eq!(bucket.wait_nanos(START), 909_091);
        assert_eq!(bucket.room(START.plus_nanos(909_090)), 0);
        assert_eq!(bucket.room(START.plus_nanos(909_091)), 1);
        assert_eq!(bucket.room(START.plus_nanos(3_636_364)), 4);
        assert_eq!(bucket.room(START.plus_nanos(1_000_000_000)), 4, "a pause saves nothing up");
        assert_eq!(bucket.put(6, START.plus_nanos(2_000_000_000)), 6, "what was sent is told, whatever was allowed");
        assert_eq!(bucket.room(START.plus_nanos(2_000_000_000)), 0);
    }

    #[test]
    fn what_drains_is_told_from_either_side() {
        let bucket = bucket(4);
        assert_eq!([0, 1, 11].map(|packets| bucket.drain_nanos(packets)), [0, 909_091, 10_000_000]);
        assert_eq!([-1, 0, 909_090, 909_091, 10_000_000].map(|nanos| bucket.drained_in(nanos)), [0, 0, 0, 1, 11]);
    }

    #[test]
    fn a_clock_that_is_set_back_neither_empties_nor_blocks_it() {
        let mut bucket = bucket(4);
        bucket.put(4, START);
        let back = START.plus_nanos(-5_000_000_000);
        assert_eq!(bucket.room(back), 0);
        assert_eq!(bucket.room(back.plus_nanos(1_000_000)), 1);
    }

    /// The analyser's model, in integer ticks of T_DRAIN from the first packet on: never above C_MAX.
    fn analysed(sent: &[Tai], packets: u32, rate: Rate) -> u32 {
        let (mut level, mut last_tick, mut most) = (0_u32, 0_i128, 0);
        let start = sent[0];
        for at in sent {
            let nanos = i128::from(at.nanos_since(start));
            let tick =
                nanos * i128::from(packets) * i128::from(rate.num()) * 11 / (i128::from(rate.den()) * 10_000_000_000);
            level = level.saturating_sub((tick - last_tick) as u32) + 1;
            last_tick = tick;
            most = most.max(level);
        }
        most
    }

    proptest! {
        /// However a sender comes to its turns, and however much is due: taking what has room keeps the model.
        #[test]
        fn who_asks_keeps_the_model(
            c_max in 1_u32..60,
            packets in prop_oneof![Just(1_829_u32), Just(4_320), Just(17_280), 1_u32..70_000],
            rate in prop_oneof![Just((25, 1)), Just((60_000, 1_001)), Just((60, 1))],
            pauses in prop::collection::vec(prop_oneof![0_i64..200, 0_i64..100_000, 0_i64..80_000_000], 1..200),
        ) {
            let rate = Rate::new(rate.0, rate.1).unwrap();
            let mut bucket = Bucket::new(rate, packets, c_max);
            let (mut now, mut sent) = (START, Vec::new());
            for pause in pauses {
                now = now.plus_nanos(pause);
                let room = bucket.room(now);
                sent.extend((0..room).map(|_| now));
                prop_assert!(bucket.put(room, now) <= c_max);
                prop_assert!(bucket.room(now) == 0);
                let next = now.plus_nanos(bucket.wait_nanos(now));
                prop_assert_eq!(bucket.clone().room(next), 1);
            }
            prop_assert!(analysed(&sent, packets, rate) <= c_max);
        }
    }
}
