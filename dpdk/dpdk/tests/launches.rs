//! Launch times of planned bursts: each packet has its own, however it was made and whatever stood in the burst before it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

#[path = "process/alone.rs"]
mod alone;
#[path = "process/bench.rs"]
#[allow(dead_code, reason = "each test file uses its part")]
mod bench;

use alone::{alone, eal};
use arrayvec::ArrayVec;
use bench::{Bench, Make, open, pattern};
use dpdk::device_clock::{ClockFollower, ClockPair};
use dpdk::eal::Eal;
use dpdk::launch::LaunchTimes;
use dpdk::mbuf::{BURST, Mbuf};
use media::Tai;
use netio::{Burst, OwnedBytes, PLANNED_HEADER_OCTETS, Pacing, Planned, TxQueue};

const NOON: Tai = Tai::from_nanos(1_800_000_000_000_000_000);
const SECOND: i64 = 1_000_000_000;

/// A card's clock of 2 ticks a nanosecond.
fn ticks(tai: Tai) -> u64 {
    77 + tai.nanos_since(NOON).unsigned_abs() * 2
}

fn planned(number: u32, launch: Option<i64>) -> Planned {
    Planned {
        header: [number as u8; PLANNED_HEADER_OCTETS],
        header_octets: 20,
        octets: 100,
        start: number * 100,
        launch: launch.map(|nanos| NOON.plus_nanos(nanos)),
    }
}

/// Sends two planned bursts in one; what each packet's first octet of RTP is, and its time.
fn sent(eal: &Eal, make: Make, looks: i64) -> (Vec<(u8, Option<u64>)>, [u64; 2]) {
    let (mut bench, tx, mut rx) = Bench::open::<OwnedBytes>(eal, make);
    let times = LaunchTimes::register(eal).unwrap();
    let mut follower = ClockFollower::default();
    let mut tx = tx.launched_by(times, follower.clock());
    assert_eq!(tx.pacing(), Pacing::LaunchTime);
    for look in 0..looks {
        let tai = NOON.plus_nanos(look * SECOND);
        follower.follow(ClockPair { ticks: ticks(tai), tai });
    }
    let path = open(&mut bench, &mut tx);
    let payload = tx.attach(OwnedBytes::new(pattern(2_000)), 10).unwrap();
    let mut burst = Burst::new();
    let launches = [Some(SECOND + 10), Some(SECOND + 20), None, Some(SECOND - 7), Some(3 * SECOND)];
    let (first, second) = launches.split_at(2);
    for (from, launches) in [(0, first), (2, second)] {
        let packets = (from..).zip(launches).map(|(number, launch)| planned(number, *launch));
        tx.gather_burst(path, &payload, packets, &mut burst).unwrap();
    }
    assert_eq!(tx.tx_burst(&mut burst), launches.len());
    let mut received = ArrayVec::<Mbuf, BURST>::new();
    rx.detach_device().unwrap().burst(&mut received);
    let rtp_at = 14 + 20 + 8;
    let seen = received.iter().map(|packet| (packet.head()[rtp_at], times.of(packet))).collect();
    let counted = [bench.counters.tx.launch_timed.value(), bench.counters.tx.launch_untimed.value()];
    tx.cancel(payload, 5);
    (seen, counted)
}

#[test]
fn each_packet_of_a_planned_burst_has_its_own_time() {
    alone("each_packet_of_a_planned_burst_has_its_own_time", || {
        let eal = eal(64);
        let _registered = eal.register_thread().unwrap();
        let times = [Some(SECOND + 10), Some(SECOND + 20), None, Some(SECOND - 7), Some(3 * SECOND)];
        let expected: Vec<_> = (0..).zip(times.map(|nanos| nanos.map(|nanos| ticks(NOON.plus_nanos(nanos))))).collect();
        // In runs, one by one with a payload that is referred to, and copied.
        for make in
            [Make { has_room: true, ..Make::default() }, Make::default(), Make { gathers: false, ..Make::default() }]
        {
            assert_eq!(sent(&eal, make, 2), (expected.clone(), [4, 0]), "{make:?}");
        }
    });
}

#[test]
fn without_the_devices_clock_packets_have_no_times_and_are_counted() {
    alone("without_the_devices_clock_packets_have_no_times_and_are_counted", || {
        let eal = eal(64);
        let _registered = eal.register_thread().unwrap();
        for looks in [0, 1] {
            let (seen, counted) = sent(&eal, Make::default(), looks);
            assert_eq!((seen, counted), ((0..5).map(|number| (number, None)).collect(), [0, 4]));
        }
    });
}
