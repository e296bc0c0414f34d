//! The media clock: grains and RTP timestamps on the TAI time line (ST 2059-1, ST 2110-10 §7).
//!
//! All in exact integers; the inverse (index from an instant) is the *nearest* integer, because the
//! timestamp of a grain was rounded down: by floor, half of the frames at 60000/1001 would come out one
//! too low.

use crate::{GrainIndex, Rate, RtpTimestamp, Tai};

/// The RTP clock of video, Hz (ST 2110-20 §6.1.2).
pub const VIDEO_CLOCK_HZ: u32 = 90_000;

const NANOS: i128 = 1_000_000_000;

/// The grain whose start is nearest to `at`; index 0 for instants before the epoch.
#[must_use]
pub fn grain_index_nearest(at: Tai, rate: Rate) -> GrainIndex {
    let scaled = i128::from(at.as_nanos()) * i128::from(rate.num());
    let unit = NANOS * i128::from(rate.den());
    let index = (2 * scaled + unit).div_euclid(2 * unit);
    GrainIndex(u64::try_from(index).unwrap_or(0))
}

/// When grain `index` starts: index × den / num seconds after the epoch, rounded down to 1 ns.
#[must_use]
pub fn grain_start(index: GrainIndex, rate: Rate) -> Tai {
    let nanos = i128::from(index.0) * i128::from(rate.den()) * NANOS / i128::from(rate.num());
    Tai::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}

/// The RTP timestamp of grain `index`: floor(index × clock × den / num) modulo 2³² (ST 2110-10 §7.3).
///
/// Computed from the index, not from [`grain_start`], so that no rounding to nanoseconds enters.
#[must_use]
pub fn rtp_timestamp(index: GrainIndex, rate: Rate, clock_hz: u32) -> RtpTimestamp {
    let ticks = u128::from(index.0) * u128::from(clock_hz) * u128::from(rate.den()) / u128::from(rate.num());
    RtpTimestamp(ticks as u32)
}

/// The instant nearest to `near` whose RTP timestamp is `timestamp` (offset 0, `mediaclk:direct=0`).
#[must_use]
pub fn unwrap_nearest(timestamp: RtpTimestamp, clock_hz: u32, near: Tai) -> Tai {
    let ticks_now = i128::from(near.as_nanos()) * i128::from(clock_hz) / NANOS;
    let delta = i128::from(timestamp.ticks_since(RtpTimestamp(ticks_now as u32)));
    let ticks = ticks_now + delta;
    // Rounded up, so that flooring the instant again gives the same tick.
    let nanos = (ticks * NANOS + i128::from(clock_hz) - 1).div_euclid(i128::from(clock_hz));
    Tai::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(num: u32, den: u32) -> Rate {
        Rate::new(num, den).unwrap()
    }

    #[test]
    fn timestamps_of_5994_alternate_between_1501_and_1502() {
        let r = rate(60_000, 1001);
        let steps: Vec<i32> = (0..4)
            .map(|n| {
                let a = rtp_timestamp(GrainIndex(n), r, VIDEO_CLOCK_HZ);
                rtp_timestamp(GrainIndex(n + 1), r, VIDEO_CLOCK_HZ).ticks_since(a)
            })
            .collect();
        assert_eq!(steps, [1501, 1502, 1501, 1502]);
    }

    #[test]
    fn an_index_survives_its_rtp_timestamp_at_every_rate() {
        for (num, den) in [(60_000, 1001), (30_000, 1001), (24_000, 1001), (25, 1), (50, 1), (60, 1), (5, 1), (25, 2)] {
            let r = rate(num, den);
            let first = grain_index_nearest(Tai::from_nanos(1_790_000_000_123_456_789), r);
            for n in first.0..first.0 + 2000 {
                let index = GrainIndex(n);
                let stamp = rtp_timestamp(index, r, VIDEO_CLOCK_HZ);
                let arrival = grain_start(index, r).plus_nanos(40_000_000);
                let at = unwrap_nearest(stamp, VIDEO_CLOCK_HZ, arrival);
                assert_eq!(grain_index_nearest(at, r), index, "{r}");
            }
        }
    }

    #[test]
    fn unwrapping_crosses_the_32_bit_wrap_both_ways() {
        let near = Tai::from_nanos(47_721 * 1_000_000_000 + 858_800_000); // just under 2^32 ticks
        for offset in [-5_000_000, 0, 5_000_000] {
            let at = near.plus_nanos(offset);
            let stamp = RtpTimestamp((i128::from(at.as_nanos()) * 90_000 / NANOS) as u32);
            let back = unwrap_nearest(stamp, VIDEO_CLOCK_HZ, near);
            assert!(back.nanos_since(at).abs() < 11_112, "{back} {at}");
        }
    }

    #[test]
    fn instants_before_the_epoch_are_index_0() {
        assert_eq!(grain_index_nearest(Tai::from_nanos(i64::MIN), rate(50, 1)), GrainIndex(0));
    }
}
