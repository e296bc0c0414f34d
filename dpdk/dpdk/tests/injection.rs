//! Frames that a port receives although no wire brought them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

#[path = "process/alone.rs"]
mod alone;
#[path = "process/bench.rs"]
#[allow(dead_code, reason = "the tests of other files use the rest")]
mod bench;

use std::sync::Arc;

use alone::{alone, eal};
use bench::{Bench, GROUP, Make, Rx, frame_to, octets, receive};
use dpdk::rx::DpdkRx;
use media::{ManualClock, Tai};
use netio::injection::{InjectionConfig, InjectionTap, injection};
use netio::{BURST, Burst, RxQueue};

const CONFIG: InjectionConfig = InjectionConfig { frames: 4 * BURST as u32, frame_octets: 1_518 };

/// A port that receives nothing else.
fn quiet_port(eal: &dpdk::eal::Eal) -> (Bench, Rx, InjectionTap, ManualClock) {
    let (mut bench, raw) = Bench::raw(eal, Make { device: "net_null", ..Make::default() });
    bench.path(GROUP);
    let (clock, (tap, end)) = (ManualClock::at(Tai::from_nanos(1_000)), injection());
    let counters = Arc::clone(&bench.counters);
    let rx = DpdkRx::new(raw.queues.rx, &bench.station, &bench.capabilities, raw.rx_end, counters, clock.clone());
    (bench, rx.injected_by(end), tap, clock)
}

#[test]
fn they_come_at_their_time_and_as_any_other() {
    alone("they_come_at_their_time_and_as_any_other", || {
        let eal = eal(64);
        let (bench, mut rx, tap, clock) = quiet_port(&eal);
        assert_eq!(receive(&mut rx).len(), 0);
        let ring = tap.start(CONFIG).unwrap();
        let at = |nanos: i64| Tai::from_nanos(nanos);
        for number in 0..3_u8 {
            assert!(ring.put(at(2_000 + i64::from(number)), &frame_to(GROUP, &[number; 100])));
        }
        assert!(ring.put(at(2_002), &frame_to("239.9.9.9:5004", &[9; 50])), "for nobody");
        assert_eq!(receive(&mut rx).len(), 0, "not before their time");
        clock.set(at(2_001));
        let (mut burst, mut seen) = (Burst::new(), Vec::new());
        rx.rx_burst(&mut burst);
        seen.extend(burst.drain().map(|packet| octets(&packet)));
        assert_eq!(seen, [[0; 100], [1; 100]]);
        clock.set(at(5_000));
        assert_eq!(receive(&mut rx).iter().map(octets).collect::<Vec<_>>(), [[2; 100]]);
        assert_eq!((ring.injected(), ring.dropped(), ring.latest_nanos(), ring.is_empty()), (4, 0, 2_998, true));
        let counters = &bench.counters.rx;
        assert_eq!((counters.media_packets.value(), counters.host_frames.value()), (3, 1));
        tap.stop();
        assert!(ring.put(at(0), &frame_to(GROUP, &[7; 100])));
        assert_eq!(receive(&mut rx).len(), 0, "it is over");
    });
}

#[test]
fn what_finds_no_buffer_is_lost_and_counted() {
    alone("what_finds_no_buffer_is_lost_and_counted", || {
        let eal = eal(64);
        let (_bench, mut rx, tap, _clock) = quiet_port(&eal);
        let ring = tap.start(CONFIG).unwrap();
        let (mut held, mut put) = (Vec::new(), 0_u64);
        while ring.dropped() == 0 {
            put += u64::from(ring.put(Tai::EPOCH, &frame_to(GROUP, &[7; 100])));
            let mut burst = Burst::new();
            rx.rx_burst(&mut burst);
            held.extend(burst.drain());
        }
        assert_eq!(put, ring.injected() + ring.dropped());
        held.clear();
        assert!(ring.put(Tai::EPOCH, &frame_to(GROUP, &[8; 100])));
        assert_eq!(receive(&mut rx).len(), 1, "there are buffers again");
    });
}
