//! Legs at any distance, with losses, cuts, restarts and jumps: what one of them brings comes through once.

use proptest::prelude::*;

use super::*;

const START: Tai = Tai::from_nanos(1_790_000_000_000_000_000);
/// 1080p50 at 1,200 octets a packet: 4,320 packets a picture.
const SPACING_NANOS: i64 = 4_630;
const PICTURE: u64 = 4_320;
const TICKS: u32 = 1_800;

/// A sender: packet `n` goes at `n` times the spacing, and its numbers begin somewhere.
#[derive(Clone, Copy)]
struct Source {
    first: u16,
    timestamp: u32,
    /// Packets before this are not its.
    from: u64,
}

impl Source {
    fn heard(&self, n: u64, arrival: Tai) -> Heard {
        let timestamp = RtpTimestamp(self.timestamp.wrapping_add((n / PICTURE) as u32 * TICKS));
        Heard { sequence: SeqNum(self.first.wrapping_add((n - self.from) as u16)), timestamp, arrival }
    }
}

const SOURCE: Source = Source { first: 60_000, timestamp: u32::MAX - 5_000, from: 0 };

/// Two legs, the second `lag` packets behind the first; `brings` says which packets a leg has. What became of each packet.
fn run(
    merge: &mut Merge,
    packets: std::ops::Range<u64>,
    lag: u64,
    sources: &[Source],
    mut brings: impl FnMut(usize, u64) -> bool,
) -> Vec<(usize, u64, ExtSeqNum, Arrival)> {
    let mut all = Vec::new();
    for turn in packets.start..packets.end + lag {
        let now = START.plus_nanos(turn as i64 * SPACING_NANOS);
        for (leg, n) in [(0, Some(turn)), (1, turn.checked_sub(lag))] {
            let Some(n) = n.filter(|n| packets.contains(n)).filter(|n| brings(leg, *n)) else { continue };
            let source = sources.iter().rev().find(|source| source.from <= n).unwrap();
            let (number, arrival) = merge.observe(leg, source.heard(n, now), now);
            all.push((leg, n, number, arrival));
        }
    }
    all
}

/// How many of `packets` were delivered by either leg, each once.
fn delivered(all: &[(usize, u64, ExtSeqNum, Arrival)]) -> std::collections::BTreeMap<u64, ExtSeqNum> {
    let mut delivered = std::collections::BTreeMap::new();
    for (_, n, number, arrival) in all {
        if !matches!(arrival, Arrival::Duplicate | Arrival::Doubtful) {
            assert!(delivered.insert(*n, *number).is_none(), "packet {n} came through twice");
        }
    }
    delivered
}

#[test]
fn a_leg_that_lags_far_behind_destroys_nothing_and_fills_every_gap() {
    // Beyond MAX_MISORDER, beyond what would count as ahead, beyond half a turn.
    for lag in [10, 8_192, 10_800, 25_536, 40_000, 51_840] {
        let mut merge = Merge::new(2);
        // The one ahead loses a packet in seven.
        let all = run(&mut merge, 0..150_000, lag, &[SOURCE], |leg, n| leg == 1 || n % 7 != 3);
        let delivered = delivered(&all);
        assert_eq!(delivered.len(), 150_000, "lag {lag}");
        let first = delivered[&0].0;
        assert!(delivered.iter().all(|(n, number)| number.0 == first + n), "lag {lag}");
        let counters = *merge.counters();
        assert_eq!((counters.lost(), counters.restarts, counters.strays), (0, 0, 0), "lag {lag}");
        assert_eq!(merge.leg(0).unwrap().lost(), 150_000 / 7, "lag {lag}");
        assert_eq!(merge.leg(1).unwrap().lost(), 0, "lag {lag}");
        let behind = merge.leg(1).unwrap().behind_nanos;
        assert_eq!((merge.leg(0).unwrap().behind_nanos, behind), (0, lag * SPACING_NANOS as u64), "lag {lag}");
    }
}

#[test]
fn the_slower_leg_may_be_there_first() {
    for lag in [10, 20_000, 51_840] {
        let mut merge = Merge::new(2);
        // The fast one comes up when the slow one has been there for long.
        let all = run(&mut merge, 0..250_000, lag, &[SOURCE], |leg, n| leg == 1 || n >= 120_000);
        let delivered = delivered(&all);
        assert_eq!(delivered.len(), 250_000, "lag {lag}");
        assert!(delivered.iter().all(|(n, number)| number.0 == delivered[&0].0 + n), "lag {lag}");
        assert_eq!(merge.counters().lost(), 0, "lag {lag}");
    }
}

#[test]
fn a_leg_that_is_away_for_seconds_comes_back_to_its_place() {
    for (leg_away, lag) in [(0, 0), (0, 10_800), (1, 0), (1, 10_800), (1, 40_000)] {
        let mut merge = Merge::new(2);
        // 1.4 seconds: more than four turns of the 16 bits.
        let all =
            run(&mut merge, 0..600_000, lag, &[SOURCE], |leg, n| leg != leg_away || !(100_000..400_000).contains(&n));
        let delivered = delivered(&all);
        assert_eq!(delivered.len(), 600_000, "leg {leg_away} away, lag {lag}");
        assert!(delivered.iter().all(|(n, number)| number.0 == delivered[&0].0 + n), "leg {leg_away}, lag {lag}");
        assert_eq!((merge.counters().lost(), merge.counters().restarts), (0, 0));
    }
}

#[test]
fn a_sender_that_begins_anew_on_both_legs_is_believed() {
    for lag in [0, 1, 3_000, 10_800] {
        // To numbers that seem ahead, behind, and far from all before.
        for first in [20_000, 29_000, 47_000, 60_000] {
            let mut merge = Merge::new(2);
            let anew = Source { first, timestamp: 77, from: 100_000 };
            let all = run(&mut merge, 0..300_000, lag, &[SOURCE, anew], |_, _| true);
            let delivered = delivered(&all);
            // The first packet is doubted where it is not ahead, and in its place when the second has come.
            let missing = 300_000 - delivered.len();
            assert!(missing <= 1, "lag {lag}, {first}: {missing} missing");
            let order: Vec<ExtSeqNum> = delivered.range(100_002..).map(|(_, number)| *number).collect();
            assert!(order.windows(2).all(|pair| pair[0] < pair[1]), "lag {lag}, {first}");
        }
    }
}

#[test]
fn one_leg_that_jumps_does_not_move_the_other() {
    let mut merge = Merge::new(2);
    // The second leg is switched to something else of the same SSRC.
    let mut strays = 0;
    for n in 0..200_000_u64 {
        let now = START.plus_nanos(n as i64 * SPACING_NANOS);
        let (_, arrival) = merge.observe(0, SOURCE.heard(n, now), now);
        assert_eq!(arrival, Arrival::InOrder, "packet {n}");
        let mut copy = SOURCE.heard(n, now);
        if n >= 50_000 {
            copy.sequence = SeqNum(copy.sequence.0.wrapping_sub(15_000));
            copy.timestamp.0 = copy.timestamp.0.wrapping_add(0x4000_0000);
        }
        strays += u64::from(merge.observe(1, copy, now).1 == Arrival::Doubtful);
    }
    assert!(strays > 1_000, "{strays}");
    assert_eq!((merge.counters().restarts, merge.counters().lost()), (0, 0));
}

#[test]
fn legs_that_both_pause_go_on_in_their_order() {
    let mut merge = Merge::new(2);
    let mut all = run(&mut merge, 0..10_000, 50, &[SOURCE], |_, _| true);
    // A second later, at any number.
    let later = Source { first: 45_000, timestamp: 9, from: 300_000 };
    all.extend(run(&mut merge, 300_000..310_000, 50, &[SOURCE, later], |_, _| true));
    let delivered = delivered(&all);
    // The first packet after the pause is doubted, and in its place when the second has come.
    assert_eq!(delivered.len(), 19_999);
    assert_eq!(merge.counters().restarts, 1);
}

#[test]
fn a_single_leg_is_what_reception_says() {
    let (mut merge, mut reception) = (Merge::new(1), Reception::new());
    for sequence in [10, 11, 50_000, 50_001, 50_002, 49_000, 49_001, 50_003, 50_003] {
        let heard = Heard { sequence: SeqNum(sequence), timestamp: RtpTimestamp(0), arrival: START };
        assert_eq!(merge.observe(0, heard, START), reception.observe(SeqNum(sequence)));
    }
    assert_eq!((merge.counters(), merge.leg(0)), (reception.counters(), None));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whatever either leg loses and however far they are apart: what one of them brings comes through once, in its place.
    #[test]
    fn what_one_of_two_brings_comes_through_once(
        first in any::<u16>(),
        timestamp in any::<u32>(),
        lag in 0_u64..60_000,
        seed in any::<u64>(),
        one_in in 2_u64..40,
    ) {
        let source = Source { first, timestamp, from: 0 };
        let loses = |leg: usize, n: u64| {
            let mixed = (n ^ seed ^ (leg as u64) << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (mixed >> 33).is_multiple_of(one_in)
        };
        // Both bring the very first, so that there is a beginning.
        let brings = |leg: usize, n: u64| n == 0 || !loses(leg, n);
        let mut merge = Merge::new(2);
        let all = run(&mut merge, 0..90_000, lag, &[source], brings);
        let delivered = delivered(&all);
        let wanted: Vec<u64> = (0..90_000).filter(|n| brings(0, *n) || brings(1, *n)).collect();
        prop_assert_eq!(delivered.keys().copied().collect::<Vec<_>>(), wanted);
        prop_assert!(delivered.iter().all(|(n, number)| number.0 == delivered[&0].0 + n));
    }
}
