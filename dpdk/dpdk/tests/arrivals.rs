//! Times of arrival: a port's own, as TAI. net_pcap has the times of its file, microseconds of the kernel's real-time clock.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

#[path = "process/alone.rs"]
mod alone;
#[path = "process/bench.rs"]
#[allow(dead_code, reason = "the tests of other files use the rest")]
mod bench;

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use alone::{alone, eal};
use bench::{Bench, GROUP, Make, Raw, frame_to};
use dpdk::device_clock::{ClockFollower, ClockPair, DeviceClock};
use dpdk::eal::Eal;
use dpdk::rx::DpdkRx;
use dpdk::timestamp::RxTimestamps;
use media::{Clock, ManualClock, Tai};
use netio::{Burst, PacketBuf, RxQueue, TimeSource};

/// Seconds of the real-time clock when the packets are taken from the queue, and TAI less that.
const TAKEN: u32 = 1_790_000_000;
const OFFSET: i64 = 37_000_000_000;

fn tai(wall_micros: u64) -> Tai {
    Tai::from_nanos(i64::try_from(wall_micros).unwrap() * 1_000 + OFFSET)
}

fn micros((seconds, micros): (u32, u32)) -> u64 {
    u64::from(seconds) * 1_000_000 + u64::from(micros)
}

/// Looks were taken at both clocks a second before, and half a second.
fn followed() -> DeviceClock {
    let mut follower = ClockFollower::default();
    for at in [(TAKEN - 1, 0), (TAKEN - 1, 500_000)] {
        follower.follow(ClockPair { ticks: micros(at), tai: tai(micros(at)) });
    }
    follower.clock()
}

/// What a queue says of the packets of a capture file that came at `times`.
fn received(eal: &Eal, file: &Path, times: &[(u32, u32)], clock: Option<DeviceClock>) -> Vec<(Tai, TimeSource)> {
    std::fs::write(file, capture(times)).unwrap();
    let device = format!("net_pcap:rx={},tx=/dev/null", file.display());
    let (mut bench, Raw { queues, rx_end, .. }) =
        Bench::raw(eal, Make { device: Box::leak(device.into_boxed_str()), ..Make::default() });
    assert!(bench.port.capabilities().rx_timestamps);
    let _ = bench.path(GROUP);
    let counters = Arc::clone(&bench.counters);
    let now = ManualClock::at(tai(micros((TAKEN, 0))));
    let rx = DpdkRx::new(queues.rx, &bench.station, &bench.capabilities, rx_end, counters, now);
    let mut rx = match clock {
        Some(clock) => rx.timed_by(RxTimestamps::register(eal).unwrap(), clock),
        None => rx,
    };
    let mut seen = Vec::new();
    let mut burst = Burst::new();
    while rx.rx_burst(&mut burst) > 0 {
        seen.extend(burst.iter().map(|packet| (packet.meta().arrival, packet.meta().timed_by)));
        rx.take_back(&mut burst);
    }
    seen
}

#[test]
fn packets_arrived_when_their_device_says() {
    alone("packets_arrived_when_their_device_says", || {
        let (eal, folder) = (eal(64), tempfile::tempdir().unwrap());
        let _registered = eal.register_thread().unwrap();
        let file = folder.path().join("in.pcap");
        let taken = (tai(micros((TAKEN, 0))), TimeSource::Burst);
        let times = [(TAKEN - 1, 1), (TAKEN - 1, 999_000), (TAKEN - 1, 999_999), (TAKEN, 0)];
        let expected = times.map(|at| (tai(micros(at)), TimeSource::Nic));
        assert_eq!(received(&eal, &file, &times, Some(followed())), expected);
        // A device that is a moment ahead; one that says what cannot be: of an hour ago, of the next second.
        let times = [(TAKEN, 900), (TAKEN - 3_600, 0), (TAKEN + 1, 0)];
        let expected = [(taken.0, TimeSource::Nic), taken, taken];
        assert_eq!(received(&eal, &file, &times, Some(followed())), expected);
        // One whose clock nobody has looked at, and one of which nobody wants to know.
        for clock in [Some(DeviceClock::default()), None] {
            assert_eq!(received(&eal, &file, &[(TAKEN - 1, 1)], clock), [taken]);
        }
    });
}

/// The kernel's real-time clock, as TAI.
#[derive(Clone)]
struct Wall;

impl Clock for Wall {
    fn now(&self) -> Tai {
        Tai::from_nanos(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64 + OFFSET)
    }

    fn is_locked(&self) -> bool {
        true
    }
}

#[test]
fn a_pair_of_clocks_is_read_at_once() {
    alone("a_pair_of_clocks_is_read_at_once", || {
        let (eal, folder) = (eal(64), tempfile::tempdir().unwrap());
        let file = folder.path().join("in.pcap");
        std::fs::write(&file, capture(&[])).unwrap();
        let device = format!("net_pcap:rx={},tx=/dev/null", file.display());
        let (bench, _raw) = Bench::raw(&eal, Make { device: Box::leak(device.into_boxed_str()), ..Make::default() });
        for _ in 0..100 {
            let before = Wall.now();
            let pair = bench.port.clock_pair(&Wall).unwrap();
            let after = Wall.now();
            assert!((before..=after).contains(&pair.tai), "{pair:?}");
            let device = tai(pair.ticks);
            assert!(device.nanos_since(before) > -1_000 && after.nanos_since(device) >= 0, "{pair:?}");
        }
    });
}

/// A capture of a frame to our group at each of these seconds and microseconds.
fn capture(times: &[(u32, u32)]) -> Vec<u8> {
    let frame = frame_to(GROUP, &[7; 40]);
    let octets = u32::try_from(frame.len()).unwrap();
    let header = [0xA1B2_C3D4, 0x0004_0002, 0, 0, 65_535, 1];
    let mut file: Vec<u8> = header.into_iter().flat_map(u32::to_ne_bytes).collect();
    for &(seconds, micros) in times {
        file.extend([seconds, micros, octets, octets].into_iter().flat_map(u32::to_ne_bytes));
        file.extend(&frame);
    }
    file
}
