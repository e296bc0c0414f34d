//! Whatever a wire delivers: no panic, every packet counted once, every buffer back.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "process/alone.rs"]
mod alone;
#[path = "process/bench.rs"]
#[allow(dead_code, reason = "the tests of other files use the rest")]
mod bench;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;

use alone::{alone, eal};
use arrayvec::ArrayVec;
use bench::{Bench, Make, Raw};
use dpdk::counters::PortCounters;
use dpdk::mbuf::Mbuf;
use dpdk::mempool::Mempool;
use dpdk::port::TxHandle;
use dpdk::rx::{DpdkBuf, DpdkRx};
use ip::{MacAddr, Template, TemplateConfig};
use media::ManualClock;
use netio::exchange::HostEnd;
use netio::{Burst, PacketBuf, RxQueue};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const GROUPS: [&str; 2] = ["239.1.2.3:5004", "[ff3e::8000:1]:5004"];

/// A receive queue whose other end takes any frame, cut into any buffers.
struct Wire {
    tx: TxHandle,
    pool: Mempool,
    rx: DpdkRx<ManualClock>,
    host: HostEnd,
    counters: Arc<PortCounters>,
}

impl Wire {
    fn open(eal: &dpdk::eal::Eal, vlan: Option<u16>) -> Self {
        let (mut bench, Raw { queues, rx_end, .. }) = Bench::raw(eal, Make { vlan, gathers: false, ..Make::default() });
        let groups = GROUPS.map(|group| group.parse::<SocketAddr>().unwrap());
        bench.host.publish(groups.into_iter().collect());
        let counters = Arc::clone(&bench.counters);
        let clock = ManualClock::default();
        let rx = DpdkRx::new(queues.rx, &bench.station, &bench.capabilities, rx_end, counters, clock);
        let Bench { headers, host, counters, .. } = bench;
        Self { tx: queues.tx, pool: headers, rx, host, counters }
    }

    /// Sends one frame in buffers that end at `cuts`; returns what the receiver makes of it.
    fn pass(&mut self, frame: &[u8], cuts: &[usize]) -> Option<DpdkBuf> {
        let mut ends: Vec<usize> = cuts.iter().map(|cut| frame.len().min(*cut)).collect();
        ends.push(frame.len());
        ends.sort_unstable();
        let mut start = 0;
        let mut chain: Option<Mbuf> = None;
        for end in ends {
            let mut next = self.pool.alloc().unwrap();
            next.append((end - start) as u16).unwrap().copy_from_slice(&frame[start..end]);
            match &mut chain {
                None => chain = Some(next),
                Some(chain) => chain.chain(next).unwrap(),
            }
            start = end;
        }
        let mut sent: ArrayVec<Mbuf, 32> = chain.into_iter().collect();
        assert_eq!(self.tx.burst(&mut sent), 1);
        let mut burst = Burst::new();
        let count = self.rx.rx_burst(&mut burst);
        assert_eq!(count, burst.len());
        burst.drain().next()
    }

    /// Everything that can happen to a packet, counted.
    fn accounted(&self) -> u64 {
        let rx = &self.counters.rx;
        let bad: u64 = self.counters.bad.values().iter().map(|(_, count)| count).sum();
        let host = [&rx.host_frames, &rx.host_frames_full, &rx.host_frames_too_long];
        rx.media_packets.value() + bad + host.iter().map(|counter| counter.value()).sum::<u64>()
    }
}

fn frame(group: &str, vlan: Option<u16>, payload: &[u8]) -> Vec<u8> {
    let destination: SocketAddr = group.parse().unwrap();
    let source = if destination.is_ipv4() { "192.0.2.7:7000" } else { "[2001:db8::7]:7000" }.parse().unwrap();
    let source_mac = MacAddr::new([2, 0, 0, 0, 0, 7]);
    let template = Template::new(&TemplateConfig { source_mac, vlan, source, destination, dscp: 0, ttl: 1 }).unwrap();
    let mut frame = vec![0; template.octets()];
    template.write(&mut frame, template.group_mac().unwrap(), payload.len() as u16);
    template.complete_udp_checksum(&mut frame, payload.len() as u16, ip::checksum::Sum::new().octets(payload));
    frame.extend_from_slice(payload);
    frame
}

fn check_view(packet: &DpdkBuf, payload: &[u8]) {
    let octets: Vec<u8> = packet.segments().flatten().copied().collect();
    assert_eq!(octets, payload);
    assert_eq!((packet.octets(), packet.last_octet()), (payload.len(), payload.last().copied().unwrap_or(0)));
    assert!(packet.head().len() >= payload.len().min(12) && payload.starts_with(packet.head()));
    assert!(packet.segments().all(|segment| !segment.is_empty()));
}

/// A stream is recognised by what came before, unless what is media has changed.
#[test]
fn what_is_media_no_longer_is_not_handed_out() {
    alone("what_is_media_no_longer_is_not_handed_out", || {
        let eal = eal(64);
        let mut wire = Wire::open(&eal, None);
        let [group, _] = GROUPS.map(|group| group.parse::<SocketAddr>().unwrap());
        let mut unsummed = frame(GROUPS[0], None, &[7; 60]);
        unsummed[40..42].fill(0); // RFC 768: no checksum
        for media in [vec![group], Vec::new(), vec![group]] {
            wire.host.publish(media.iter().copied().collect());
            for _ in 0..3 {
                assert_eq!(wire.pass(&unsummed, &[]).is_some(), !media.is_empty());
            }
        }
    });
}

/// Buffers may end anywhere: within the Ethernet header, within UDP's, within RTP's.
#[test]
fn a_packet_may_be_cut_anywhere() {
    alone("a_packet_may_be_cut_anywhere", || {
        let eal = eal(64);
        let mut wire = Wire::open(&eal, None);
        let payload: Vec<u8> = (0..60).collect();
        for group in GROUPS {
            let whole = frame(group, None, &payload);
            let padded = [whole.as_slice(), &[0xee; 9]].concat();
            for cut in 0..=whole.len() {
                for cuts in [vec![cut], vec![cut, cut + 1], vec![cut, cut + 7, cut + 7, cut + 20]] {
                    let packet = wire.pass(&padded, &cuts).unwrap_or_else(|| panic!("{group} cut at {cuts:?}"));
                    check_view(&packet, &payload);
                }
            }
        }
        assert!(wire.counters.rx.headers_pulled_up.value() > 0);
        assert_eq!(wire.counters.rx.udp_checksum_doubtful.value(), 0, "summed over all buffers");
        assert_eq!(wire.pool.available(), wire.pool.capacity());
    });
}

#[test]
fn a_packet_may_end_anywhere() {
    alone("a_packet_may_end_anywhere", || {
        let eal = eal(64);
        for vlan in [None, Some(5)] {
            let mut wire = Wire::open(&eal, vlan);
            for group in GROUPS {
                let whole = frame(group, vlan, &[9; 60]);
                for end in 0..whole.len() {
                    for cuts in [vec![], vec![end / 2], vec![end / 3, end / 2]] {
                        let before = wire.accounted();
                        assert!(wire.pass(&whole[..end], &cuts).is_none(), "{end}");
                        assert_eq!(wire.accounted(), before + 1, "{end}");
                    }
                }
                check_view(&wire.pass(&whole, &[]).unwrap(), &[9; 60]);
            }
            assert_eq!(wire.pool.available(), wire.pool.capacity());
        }
    });
}

/// A call without a packet says that the queue is dry, which has the worker sleep and time pass.
#[test]
fn media_behind_a_flood_of_other_frames_is_found_at_once() {
    alone("media_behind_a_flood_of_other_frames_is_found_at_once", || {
        let eal = eal(64);
        let mut wire = Wire::open(&eal, None);
        let (media, other) = (frame(GROUPS[0], None, &[9; 60]), frame("239.6.6.6:5004", None, &[6; 60]));
        let short = &media[..30];
        for place in 0..200 {
            let frame = if place % 2 == 0 { &other } else { short };
            let mut mbuf = wire.pool.alloc().unwrap();
            mbuf.append(frame.len() as u16).unwrap().copy_from_slice(frame);
            assert_eq!(wire.tx.burst(&mut ArrayVec::from_iter([mbuf])), 1);
        }
        check_view(&wire.pass(&media, &[]).unwrap(), &[9; 60]);
        assert_eq!(wire.accounted(), 201);
    });
}

#[test]
fn empty_datagrams_are_media_too() {
    alone("empty_datagrams_are_media_too", || {
        let eal = eal(64);
        let mut wire = Wire::open(&eal, None);
        for cuts in [vec![], vec![42], vec![0, 20, 42, 42]] {
            check_view(&wire.pass(&frame(GROUPS[0], None, &[]), &cuts).unwrap(), &[]);
        }
    });
}

/// Frames that were right until something happened to them, and frames that never were.
#[test]
fn no_frame_does_harm() {
    alone("no_frame_does_harm", || {
        let eal = eal(64);
        let wire = RefCell::new(Wire::open(&eal, None));
        let mutated = (
            0..GROUPS.len(),
            prop::collection::vec(any::<u8>(), 0..200),
            prop::collection::vec((0..80_usize, any::<u8>()), 0..6),
            0..260_usize,
            prop::collection::vec(0..260_usize, 0..4),
        );
        let mut runner = TestRunner::new(Config { cases: 20_000, failure_persistence: None, ..Config::default() });
        let outcome = runner.run(&mutated, |(group, payload, changes, end, cuts)| {
            let mut frame = frame(GROUPS[group], None, &payload);
            for (at, octet) in changes {
                let at = at % frame.len();
                frame[at] = octet;
            }
            if end < 200 {
                frame.truncate(end);
            }
            let mut wire = wire.borrow_mut();
            let before = wire.accounted();
            if let Some(packet) = wire.pass(&frame, &cuts) {
                let octets: Vec<u8> = packet.segments().flatten().copied().collect();
                prop_assert_eq!(packet.octets(), octets.len());
                prop_assert!(octets.len() <= frame.len() && octets.starts_with(packet.head()));
                prop_assert!(frame.windows(octets.len().max(1)).any(|run| octets.is_empty() || run == octets));
            }
            prop_assert_eq!(wire.accounted(), before + 1);
            while wire.host.receive().is_some() {}
            prop_assert_eq!(wire.pool.available(), wire.pool.capacity());
            Ok(())
        });
        assert!(outcome.is_ok(), "{outcome:?}");
        let media = wire.borrow().counters.rx.media_packets.value();
        assert!(media > 100 && media < 19_000, "{media} of 20,000: the test shows nothing");
    });
}
