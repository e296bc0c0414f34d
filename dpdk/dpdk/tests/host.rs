//! What shares a port with media: the host's frames, foreign frames.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "process/alone.rs"]
mod alone;
#[path = "process/bench.rs"]
#[allow(dead_code, reason = "the tests of other files use the rest")]
mod bench;

use alone::{alone, eal};
use bench::{Bench, GROUP, MAC, Make, frame_to, open, pattern, receive};
use ip::frame::Reason;
use netio::{OwnedBytes, TxQueue};

/// Other traffic: what is not media crosses to the host, and the host's frames leave, whether there is media or not.
#[test]
fn the_hosts_frames_go_both_ways() {
    alone("the_hosts_frames_go_both_ways", || {
        let eal = eal(64);
        let (mut bench, mut tx, mut rx) = Bench::open::<OwnedBytes>(&eal, Make::default());
        let _path = open(&mut bench, &mut tx);
        let arp = [[0xff; 6].as_slice(), &MAC, &[8, 6], &[0; 28]].concat();
        let elsewhere = frame_to("239.1.2.3:5006", &[7; 30]);
        let long = frame_to("239.1.2.3:5008", &pattern(1_400));
        for frame in [&arp, &elsewhere, &long] {
            assert!(bench.host.send(frame));
        }
        tx.reap();
        assert!(receive(&mut rx).is_empty(), "none of it is media");
        for frame in [&arp, &elsewhere, &long] {
            assert_eq!(&*bench.host.receive().unwrap(), &frame[..]);
        }
        assert!(bench.host.receive().is_none());
        assert_eq!(bench.counters.tx.host_frames.value(), 3);
        assert_eq!(bench.counters.rx.host_frames.value(), 3);
        // A flood takes its turns, and what the host does not read is dropped and counted.
        while bench.host.send(&arp) {}
        let mut turns = 0;
        while bench.counters.tx.host_frames.value() < 3 + 256 {
            tx.reap();
            receive(&mut rx);
            turns += 1;
        }
        assert_eq!(turns, 256 / 8);
        while bench.host.send(&arp) {}
        tx.reap();
        receive(&mut rx);
        assert_eq!(bench.counters.rx.host_frames_full.value(), 8);
    });
}

#[test]
fn foreign_frames_are_dropped_by_reason() {
    alone("foreign_frames_are_dropped_by_reason", || {
        let eal = eal(64);
        let (mut bench, mut tx, mut rx) = Bench::open::<OwnedBytes>(&eal, Make::default());
        let _path = open(&mut bench, &mut tx);
        let good = frame_to(GROUP, &[1; 40]);
        let changed = |at: usize, to: &[u8]| {
            let mut frame = good.clone();
            frame[at..at + to.len()].copy_from_slice(to);
            frame
        };
        let tagged = [&good[..12], &[0x81, 0, 0, 7], &good[12..]].concat();
        for (frame, reason) in [
            (good[..10].to_vec(), Reason::EthernetTooShort),
            (changed(0, &[2, 9, 9, 9, 9, 9]), Reason::NotOurMac),
            (tagged, Reason::ForeignVlan),
            (good[..20].to_vec(), Reason::IpTooShort),
            (changed(14, &[0x65]), Reason::IpVersion),
            (changed(24, &[0, 0]), Reason::IpChecksum),
            (good[..60].to_vec(), Reason::IpLength),
        ] {
            let before = bench.counters.bad.value(reason);
            assert!(bench.host.send(&frame));
            tx.reap();
            assert!(receive(&mut rx).is_empty());
            assert_eq!(bench.counters.bad.value(reason), before + 1, "{reason}");
            assert!(bench.host.receive().is_none());
        }
        // A wrong UDP checksum proves nothing here: the packet goes on, and is counted.
        assert!(bench.host.send(&changed(40, &[0x12, 0x34])));
        tx.reap();
        assert_eq!(receive(&mut rx).len(), 1);
        assert_eq!(bench.counters.rx.udp_checksum_doubtful.value(), 1);
    });
}

#[test]
fn frames_beyond_the_mtu_are_counted_and_not_sent() {
    alone("frames_beyond_the_mtu_are_counted_and_not_sent", || {
        let eal = eal(64);
        let (mut bench, mut tx, mut rx) = Bench::open::<OwnedBytes>(&eal, Make::default());
        let _path = open(&mut bench, &mut tx);
        // 1,500 octets of IP, and a tag.
        let longest = frame_to(GROUP, &[1; 1_500 + 18 - 42]);
        assert!(bench.host.send(&[&longest[..], &[0]].concat()));
        tx.reap();
        assert!(receive(&mut rx).is_empty());
        assert_eq!((bench.counters.tx.host_frames_dropped.value(), bench.counters.tx.host_frames.value()), (1, 0));
        assert!(bench.host.send(&longest));
        tx.reap();
        assert_eq!((bench.counters.tx.host_frames_dropped.value(), bench.counters.tx.host_frames.value()), (1, 1));
    });
}
