//! Captures of what passes a port: both ways, whole chains, nothing twice.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "process/alone.rs"]
mod alone;
#[path = "process/bench.rs"]
#[allow(dead_code, reason = "the tests of other files use the rest")]
mod bench;

use std::cell::Cell;
use std::sync::Arc;

use alone::{alone, eal};
use bench::{Bench, MAC, Make, frame_to, open, pattern, push, receive, send};
use dpdk::tx::DpdkTx;
use media::{Clock, Tai};
use netio::capture::{CaptureConfig, CaptureRing, CaptureWay, capture};
use netio::{BURST, Burst, OwnedBytes, TxQueue};

type Tx = DpdkTx<OwnedBytes, Ticking>;

/// A clock that goes on by a nanosecond whenever it is read.
#[derive(Default)]
struct Ticking(Cell<i64>);

impl Clock for Ticking {
    fn now(&self) -> Tai {
        Tai::from_nanos(self.0.replace(self.0.get() + 1))
    }

    fn is_locked(&self) -> bool {
        true
    }
}

const CONFIG: CaptureConfig = CaptureConfig { frames: 64, snap_octets: 2_000, sample: 1 };

/// What is in a ring: which way, how long, what was kept.
fn frames(ring: &Arc<CaptureRing>) -> Vec<(CaptureWay, u32, Vec<u8>)> {
    let mut frames = Vec::new();
    while let Some(frame) = ring.next() {
        frames.push((frame.way, frame.octets, frame.kept().to_vec()));
        ring.give_back(frame);
    }
    frames
}

#[test]
fn what_is_sent_and_received_is_captured_once_and_whole() {
    alone("what_is_sent_and_received_is_captured_once_and_whole", || {
        let eal = eal(64);
        let (mut bench, tx, rx) = Bench::open::<OwnedBytes>(&eal, Make::default());
        let (tap, rx_end, tx_end) = capture();
        let (mut tx, mut rx) = (tx.captured_by(tx_end, Ticking::default()), rx.captured_by(rx_end));
        let path = open(&mut bench, &mut tx);
        let media = pattern(3 * 1_000);
        let payload = tx.attach(OwnedBytes::new(media.clone()), 3).unwrap_or_else(|_| panic!("a payload"));
        let mut pass = |tx: &mut Tx, at: u32| {
            let mut burst = Burst::new();
            push(&mut burst, tx.gather(path, &[at as u8; 20], &payload, at * 1_000..(at + 1) * 1_000));
            send(tx, &mut burst);
            assert_eq!(receive(&mut rx).len(), 1);
        };
        pass(&mut tx, 0);
        let ring = tap.start(CONFIG).unwrap();
        pass(&mut tx, 1);
        let seen = frames(&ring);
        let ways: Vec<_> = seen.iter().map(|(way, octets, _)| (*way, *octets)).collect();
        // Ethernet, IPv4, UDP: 42 octets.
        assert_eq!(ways, [(CaptureWay::Out, 1_062), (CaptureWay::In, 1_062)]);
        for (_, _, kept) in &seen {
            assert_eq!((&kept[6..12], &kept[42..62], &kept[62..]), (&MAC[..], &[1; 20][..], &media[1_000..2_000]));
        }
        tap.stop();
        pass(&mut tx, 2);
        assert!(frames(&ring).is_empty());
    });
}

#[test]
fn every_packet_of_a_burst_has_its_own_time() {
    alone("every_packet_of_a_burst_has_its_own_time", || {
        let eal = eal(64);
        let (mut bench, tx, mut rx) = Bench::open::<OwnedBytes>(&eal, Make::default());
        let (tap, _rx_end, tx_end) = capture();
        let mut tx = tx.captured_by(tx_end, Ticking::default());
        let path = open(&mut bench, &mut tx);
        let ring = tap.start(CONFIG).unwrap();
        let payload = tx.attach(OwnedBytes::new(pattern(64)), 4).unwrap_or_else(|_| panic!("a payload"));
        let mut burst = Burst::new();
        (0..4).for_each(|_| push(&mut burst, tx.gather(path, &[0; 20], &payload, 0..64)));
        send(&mut tx, &mut burst);
        assert_eq!(receive(&mut rx).len(), 4);
        let times: Vec<i64> = std::iter::from_fn(|| ring.next()).map(|frame| frame.time.as_nanos()).collect();
        assert_eq!(times, [0, 1, 2, 3], "nobody received meanwhile, and each has the time at which it left");
    });
}

#[test]
fn the_hosts_frames_are_captured_and_long_ones_are_cut() {
    alone("the_hosts_frames_are_captured_and_long_ones_are_cut", || {
        let eal = eal(64);
        let (mut bench, tx, rx) = Bench::open::<OwnedBytes>(&eal, Make::default());
        let (tap, rx_end, tx_end) = capture();
        let (mut tx, mut rx) = (tx.captured_by(tx_end, Ticking::default()), rx.captured_by(rx_end));
        let _path = open(&mut bench, &mut tx);
        let ring = tap.start(CaptureConfig { snap_octets: 60, ..CONFIG }).unwrap();
        let frame = frame_to("239.1.2.3:5008", &pattern(1_400));
        assert!(bench.host.send(&frame));
        tx.reap();
        assert!(receive(&mut rx).is_empty(), "it is not media");
        let cut = |way| (way, frame.len() as u32, frame[..60].to_vec());
        assert_eq!(frames(&ring), [cut(CaptureWay::Out), cut(CaptureWay::In)]);
    });
}

#[test]
fn what_a_full_device_did_not_take_is_captured_once() {
    alone("what_a_full_device_did_not_take_is_captured_once", || {
        let eal = eal(64);
        let (mut bench, tx, rx) = Bench::open::<OwnedBytes>(&eal, Make::default());
        let (tap, rx_end, tx_end) = capture();
        let (mut tx, mut rx) = (tx.captured_by(tx_end, Ticking::default()), rx.captured_by(rx_end));
        let path = open(&mut bench, &mut tx);
        let ring = tap.start(CaptureConfig { frames: 20_000, ..CONFIG }).unwrap();
        let payload = tx.attach(OwnedBytes::new(pattern(64)), 30_000).unwrap_or_else(|_| panic!("a payload"));
        let (mut burst, mut sent) = (Burst::new(), 0);
        // Until the ring of the device is full.
        let mut left = 0;
        while left == 0 {
            while !burst.is_full() {
                match tx.gather(path, &[0; 20], &payload, 0..64) {
                    Ok(packet) => drop(burst.push(packet)),
                    Err(full) => panic!("{full} after {sent}"),
                }
            }
            sent += tx.tx_burst(&mut burst);
            left = burst.len();
        }
        for _ in 0..3 {
            assert_eq!(tx.tx_burst(&mut burst), 0, "still full");
        }
        let out = |seen: &[(CaptureWay, u32, Vec<u8>)]| seen.iter().filter(|(way, ..)| *way == CaptureWay::Out).count();
        let mut captured = out(&frames(&ring));
        assert_eq!(captured, sent + left);
        while !receive(&mut rx).is_empty() {}
        sent += tx.tx_burst(&mut burst);
        captured += out(&frames(&ring));
        assert_eq!((captured, burst.len()), (sent, 0));
        assert_eq!(ring.dropped(), 0);
    });
}

/// Several senders leave by one queue, each with a burst of its own.
#[test]
fn what_a_full_device_did_not_take_of_several_bursts_is_captured_once() {
    alone("what_a_full_device_did_not_take_of_several_bursts_is_captured_once", || {
        let eal = eal(64);
        let (mut bench, tx, mut rx) = Bench::open::<OwnedBytes>(&eal, Make::default());
        let (tap, _rx_end, tx_end) = capture();
        let mut tx = tx.captured_by(tx_end, Ticking::default());
        let path = open(&mut bench, &mut tx);
        let payload = tx.attach(OwnedBytes::new(pattern(64)), 30_000).unwrap_or_else(|_| panic!("a payload"));
        let fill = |tx: &mut Tx, burst: &mut Burst<_>, sender: u8| {
            while !burst.is_full() {
                push(burst, tx.gather(path, &[sender; 20], &payload, 0..64));
            }
        };
        let mut bursts = [Burst::new(), Burst::new()];
        while bursts[0].is_empty() {
            fill(&mut tx, &mut bursts[0], 0);
            tx.tx_burst(&mut bursts[0]);
        }
        fill(&mut tx, &mut bursts[0], 1);
        fill(&mut tx, &mut bursts[1], 2);
        let ring = tap.start(CaptureConfig { frames: 1_000, ..CONFIG }).unwrap();
        for _ in 0..3 {
            assert!(bursts.iter_mut().all(|burst| tx.tx_burst(burst) == 0), "full");
        }
        // A sender that takes back what is late goes on with other packets.
        bursts[0].clear();
        fill(&mut tx, &mut bursts[0], 3);
        while !receive(&mut rx).is_empty() {}
        bursts.iter_mut().for_each(|burst| send(&mut tx, burst));
        let seen: Vec<u8> = frames(&ring).iter().map(|(_, _, kept)| kept[42]).collect();
        let of = |sender| seen.iter().filter(|&&octet| octet == sender).count();
        assert_eq!([of(1) + of(0), of(2), of(3)], [BURST; 3]);
        assert_eq!((seen.len(), tx.counters().packets > 0), (3 * BURST, true));
    });
}
