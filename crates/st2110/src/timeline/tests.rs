//! Locked at 60000/1001, async with wraps, jumps and clock steps.

use super::*;
use media::{VIDEO_CLOCK_HZ, grain_start, rtp_timestamp};
use proptest::prelude::*;

const NOW: i64 = 1_790_000_000_123_456_789;
const SECOND: i64 = 1_000_000_000;

fn rate(num: u32, den: u32) -> Rate {
    Rate::new(num, den).unwrap()
}

fn timeline(rate: Rate, mode: TimelineMode) -> Timeline {
    Timeline::new(rate, VIDEO_CLOCK_HZ, mode)
}

/// Where an async stream is anchored.
fn async_at(rate: Rate, nanos: i64) -> GrainIndex {
    grain_index_nearest(Tai::from_nanos(nanos), rate)
}

#[test]
fn locked_at_5994_gives_every_frame_its_own_index() {
    let r = rate(60_000, 1001);
    let mut line = timeline(r, TimelineMode::Locked);
    let first = async_at(r, NOW).0;
    for n in first..first + 5000 {
        let index = GrainIndex(n);
        // The first packet arrives up to a frame after the frame began.
        let arrival = grain_start(index, r).plus_nanos((n % 16) as i64 * 1_000_000);
        let placed = line.place(rtp_timestamp(index, r, VIDEO_CLOCK_HZ), arrival, ClockLock::Locked);
        let want = Placed { index, mode: TimelineMode::Locked, reanchored: false, held: false };
        assert_eq!(placed, want);
    }
    assert_eq!((line.reanchors(), line.held()), (0, 0));
}

#[test]
fn a_locked_timestamp_may_be_off_by_a_tick_and_frames_may_be_missing() {
    let r = rate(60_000, 1001);
    let mut line = timeline(r, TimelineMode::Locked);
    let first = async_at(r, NOW).0;
    for (n, tick) in [(0u64, -1i32), (1, 1), (5, 0), (6, -1), (100, 1)] {
        let index = GrainIndex(first + n);
        let stamp = RtpTimestamp(rtp_timestamp(index, r, VIDEO_CLOCK_HZ).0.wrapping_add_signed(tick));
        let placed = line.place(stamp, grain_start(index, r).plus_nanos(2_000_000), ClockLock::Locked);
        assert_eq!((placed.index, placed.held), (index, false));
    }
}

#[test]
fn a_locked_stream_keeps_its_index_when_it_comes_seconds_later() {
    let r = rate(50, 1);
    let mut line = timeline(r, TimelineMode::Locked);
    let index = async_at(r, NOW);
    let stamp = rtp_timestamp(index, r, VIDEO_CLOCK_HZ);
    let placed = line.place(stamp, grain_start(index, r).plus_nanos(8 * SECOND), ClockLock::Locked);
    assert_eq!((placed.index, placed.mode), (index, TimelineMode::Locked));
}

#[test]
fn locked_goes_on_over_the_32_bit_wrap() {
    let r = rate(25, 1);
    let mut line = timeline(r, TimelineMode::Locked);
    let wrap = (1u64 << 32) / 3600; // the frame before the wrap
    for index in (wrap - 3..wrap + 4).map(GrainIndex) {
        let stamp = rtp_timestamp(index, r, VIDEO_CLOCK_HZ);
        assert_eq!(line.place(stamp, grain_start(index, r), ClockLock::Locked).index, index);
    }
}

#[test]
fn a_stream_that_says_ptp_and_has_random_timestamps_is_async() {
    let r = rate(25, 1);
    let mut line = timeline(r, TimelineMode::Locked);
    let base = rtp_timestamp(async_at(r, NOW), r, VIDEO_CLOCK_HZ).0.wrapping_add(1_234_567_890);
    for n in 0..50u32 {
        let stamp = RtpTimestamp(base.wrapping_add(n * 3600));
        let placed = line.place(stamp, Tai::from_nanos(NOW + i64::from(n) * 40_000_000), ClockLock::Locked);
        assert_eq!(placed.mode, TimelineMode::Async);
        assert_eq!(placed.index.0, async_at(r, NOW).0 + u64::from(n));
    }
    assert_eq!((line.reanchors(), line.held()), (0, 0));
}

#[test]
fn one_garbage_timestamp_does_not_lose_a_locked_stream_its_place() {
    let r = rate(50, 1);
    let mut line = timeline(r, TimelineMode::Locked);
    let first = async_at(r, NOW).0;
    for n in 0..10 {
        let index = GrainIndex(first + n);
        let stamp = rtp_timestamp(index, r, VIDEO_CLOCK_HZ);
        let garbage = RtpTimestamp(stamp.0 ^ 0x4000_0000);
        let arrival = grain_start(index, r);
        let placed = line.place(if n == 5 { garbage } else { stamp }, arrival, ClockLock::Locked);
        assert_eq!(placed.index, index, "{n}");
        assert_eq!(placed.reanchored, n == 5 || n == 6, "{n}");
    }
}

#[test]
fn async_advances_by_ticks_and_not_by_arrival() {
    let r = rate(60_000, 1001);
    let mut line = timeline(r, TimelineMode::Async);
    let first = async_at(r, NOW).0;
    let mut stamp = u32::MAX - 3000; // wraps at the third frame
    for n in 0..10_000u64 {
        let frame = grain_start(GrainIndex(n), r).as_nanos();
        let jitter = (n as i64 * 7919) % 30_000_000;
        let placed = line.place(RtpTimestamp(stamp), Tai::from_nanos(NOW + frame + jitter), ClockLock::Locked);
        assert_eq!((placed.index.0, placed.mode), (first + n, TimelineMode::Async));
        stamp = stamp.wrapping_add(if n.is_multiple_of(2) { 1501 } else { 1502 });
    }
    assert_eq!((line.reanchors(), line.held()), (0, 0));
}

#[test]
fn async_rounding_does_not_add_up() {
    let r = rate(25, 1);
    let mut line = timeline(r, TimelineMode::Async);
    let indices: Vec<u64> = (0..6u32)
        .map(|n| {
            let arrival = Tai::from_nanos(NOW + i64::from(n) * 56_000_000);
            // 1.4 frames apart
            line.place(RtpTimestamp(n * 5040), arrival, ClockLock::Locked).index.0 - async_at(r, NOW).0
        })
        .collect();
    assert_eq!(indices, [0, 1, 3, 4, 6, 7]);
}

#[test]
fn async_goes_on_over_days_and_many_wraps() {
    let r = rate(50, 1);
    let mut line = timeline(r, TimelineMode::Async);
    let first = async_at(r, NOW).0;
    let hour = 3600 * 90_000u32;
    for n in 0..100u32 {
        let arrival = Tai::from_nanos(NOW + i64::from(n) * 3600 * SECOND);
        let placed = line.place(RtpTimestamp(7u32.wrapping_add(hour.wrapping_mul(n))), arrival, ClockLock::Locked);
        assert_eq!(placed.index.0, first + u64::from(n) * 3600 * 50);
    }
    assert_eq!(line.reanchors(), 0);
}

#[test]
fn async_jumps_anchor_anew_at_arrival() {
    let r = rate(25, 1);
    for jump in [90_000u32 * 3600, 0u32.wrapping_sub(90_000 * 60)] {
        let mut line = timeline(r, TimelineMode::Async);
        line.place(RtpTimestamp(1000), Tai::from_nanos(NOW), ClockLock::Locked);
        let after = NOW + 3 * 40_000_000;
        let placed = line.place(RtpTimestamp(1000u32.wrapping_add(jump)), Tai::from_nanos(after), ClockLock::Locked);
        assert_eq!((placed.index, placed.reanchored, placed.held), (async_at(r, after), true, false));
        let next = RtpTimestamp(1000u32.wrapping_add(jump).wrapping_add(3600));
        let placed = line.place(next, Tai::from_nanos(after + 90_000_000), ClockLock::Locked);
        assert_eq!((placed.index.0, placed.reanchored), (async_at(r, after).0 + 1, false));
        assert_eq!(line.reanchors(), 1);
    }
}

#[test]
fn a_jump_never_goes_at_or_below_the_last_index() {
    let r = rate(25, 1);
    let mut line = timeline(r, TimelineMode::Async);
    line.place(RtpTimestamp(0), Tai::from_nanos(NOW), ClockLock::Locked);
    // Half a second ahead by its timestamps, then a jump.
    let ahead = line.place(RtpTimestamp(45_000), Tai::from_nanos(NOW + 1), ClockLock::Locked).index;
    let placed = line.place(RtpTimestamp(1 << 31), Tai::from_nanos(NOW + 2), ClockLock::Locked);
    assert_eq!((placed.index.0, placed.held, placed.reanchored), (ahead.0 + 1, true, true));
    let placed = line.place(RtpTimestamp((1 << 31) + 3600), Tai::from_nanos(NOW + 3), ClockLock::Locked);
    assert_eq!((placed.index.0, placed.held), (ahead.0 + 2, false));
}

#[test]
fn frames_faster_than_the_rate_says_still_get_their_own_index() {
    let r = rate(25, 1); // and the camera runs at 50
    let mut line = timeline(r, TimelineMode::Locked);
    let first = async_at(r, NOW).0 * 2;
    let mut last = None;
    for n in 0..100 {
        let stamp = rtp_timestamp(GrainIndex(first + n), rate(50, 1), VIDEO_CLOCK_HZ);
        let arrival = grain_start(GrainIndex(first + n), rate(50, 1));
        let placed = line.place(stamp, arrival, ClockLock::Locked);
        assert!(Some(placed.index) > last);
        last = Some(placed.index);
    }
    assert!(line.held() >= 49, "{}", line.held());
}

#[test]
fn a_stream_that_was_too_fast_for_an_hour_is_in_step_again_within_a_second() {
    let r = rate(25, 1);
    let mut line = timeline(r, TimelineMode::Async);
    let mut at = (0_u32, NOW);
    let mut place = |ticks: u32| {
        at = (at.0.wrapping_add(ticks), at.1 + i64::from(ticks) * SECOND / 90_000);
        line.place(RtpTimestamp(at.0), Tai::from_nanos(at.1), ClockLock::Locked)
    };
    (0..180_000).for_each(|_| _ = place(1_800));
    let held = (0..25).filter(|_| place(3_600).held).count();
    assert!(held <= Timeline::MAX_HELD as usize, "{held} are still raised");
    assert!((0..25).all(|_| !place(3_600).held));
}

#[test]
fn losing_the_clock_goes_on_from_the_last_index_and_regaining_it_returns() {
    let r = rate(50, 1);
    let mut line = timeline(r, TimelineMode::Locked);
    let first = async_at(r, NOW).0;
    for n in 0..30u64 {
        let index = GrainIndex(first + n);
        let lock = ClockLock::from(!(10..20).contains(&n));
        let placed = line.place(rtp_timestamp(index, r, VIDEO_CLOCK_HZ), grain_start(index, r), lock);
        assert_eq!((placed.index, placed.held, placed.reanchored), (index, false, n == 20));
        assert_eq!(placed.mode == TimelineMode::Async, (10..20).contains(&n));
    }
}

#[test]
fn a_clock_step_back_holds_the_index_and_a_step_ahead_anchors_anew() {
    let r = rate(50, 1);
    let mut line = timeline(r, TimelineMode::Async);
    let before = line.place(RtpTimestamp(0), Tai::from_nanos(NOW), ClockLock::Unlocked).index;
    let placed = line.place(RtpTimestamp(1800), Tai::from_nanos(NOW - 37 * SECOND), ClockLock::Unlocked);
    assert_eq!((placed.index.0, placed.held, placed.reanchored), (before.0 + 1, true, true));
    let placed = line.place(RtpTimestamp(3600), Tai::from_nanos(NOW + 37 * SECOND), ClockLock::Unlocked);
    assert_eq!((placed.index, placed.held, placed.reanchored), (async_at(r, NOW + 37 * SECOND), false, true));
}

proptest! {
    #[test]
    fn indices_rise_whatever_comes(
        locked in any::<bool>(),
        steps in prop::collection::vec((any::<u32>(), prop_oneof![Just(i64::MIN), Just(i64::MAX), any::<i64>(), NOW..NOW + SECOND], any::<bool>()), 1..50),
    ) {
        let mode = if locked { TimelineMode::Locked } else { TimelineMode::Async };
        let mut line = timeline(rate(60_000, 1001), mode);
        let mut last = None;
        for (stamp, arrival, lock) in steps {
            let placed = line.place(RtpTimestamp(stamp), Tai::from_nanos(arrival), lock.into());
            prop_assert!(Some(placed.index) > last);
            prop_assert_eq!(line.last(), Some(placed.index));
            last = Some(placed.index);
        }
    }
}
