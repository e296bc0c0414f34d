//! What only queues over packet buffers do: references that last, counts in parts, neighbours, restarts, exhaustion.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "process/alone.rs"]
mod alone;
#[path = "process/bench.rs"]
#[allow(dead_code, reason = "the tests of other files use the rest")]
mod bench;

use std::net::IpAddr;

use alone::{alone, eal};
use bench::{Bench, GROUP, MAC, Make, frame_to, octets, open, pattern, push, receive, send};
use dpdk::payload::retired_leases;
use netio::{BURST, Burst, OwnedBytes, PacketBuf, Path, StableBytes, TxFull, TxQueue};

/// The header is ours, the payload is the lease: until the reader reads, its owner's changes are what arrives.
#[test]
fn what_is_sent_is_the_lease_itself() {
    alone("what_is_sent_is_the_lease_itself", || {
        let eal = eal(64);
        let (mut bench, mut tx, mut rx) = Bench::open::<OwnedBytes>(&eal, Make::default());
        let path = open(&mut bench, &mut tx);
        let mut bytes = pattern(20_000);
        let lease = OwnedBytes::new(bytes.clone());
        let (start, watch) = (lease.as_ptr().addr(), lease.watch());
        let payload = tx.attach(lease, 16).unwrap();
        let mut burst = Burst::new();
        for n in 0..16_u32 {
            push(&mut burst, tx.gather(path, &[n as u8; 20], &payload, n * 1_200..(n + 1) * 1_200));
        }
        for (n, packet) in burst.iter().enumerate() {
            let segments: Vec<&[u8]> = packet.mbuf().segments().collect();
            assert_eq!((segments.len(), segments[0].len()), (2, 14 + 20 + 8 + 20));
            assert_eq!((segments[1].as_ptr().addr(), segments[1].len()), (start + n * 1_200, 1_200), "in the lease");
        }
        let write = |bytes: &mut Vec<u8>, at: usize| {
            bytes[at] = !bytes[at];
            assert!(watch.write(at, bytes[at]));
        };
        write(&mut bytes, 600);
        send(&mut tx, &mut burst);
        write(&mut bytes, 1_800);
        let received = receive(&mut rx);
        write(&mut bytes, 3_000);
        for (n, packet) in received.iter().enumerate() {
            assert_eq!(octets(packet), [&[n as u8; 20][..], &bytes[n * 1_200..(n + 1) * 1_200]].concat(), "packet {n}");
            let range = start..start + 20_000;
            assert!(packet.segments().skip(1).all(|segment| range.contains(&segment.as_ptr().addr())), "not copied");
        }
        assert_eq!((tx.counters().octets_copied_by_us, tx.counters().octets_copied_by_kernel), (0, 0));
        drop(payload);
        tx.reap();
        assert!(watch.is_held(), "the receiver has the packets");
        drop(received);
        tx.reap();
        assert!(!watch.is_held());
    });
}

/// A 2160p frame on two legs: the count of DPDK has 16 bits.
#[test]
fn a_grain_of_34560_packets_is_counted_right() {
    alone("a_grain_of_34560_packets_is_counted_right", || {
        let eal = eal(64);
        let (mut bench, mut tx, mut rx) = Bench::open::<OwnedBytes>(&eal, Make::default());
        let path = open(&mut bench, &mut tx);
        for unsent in [0, 1, 2_000, 34_560] {
            let lease = OwnedBytes::new(vec![7; 1_200]);
            let watch = lease.watch();
            let payload = tx.attach(lease, 34_560).unwrap();
            let mut burst = Burst::new();
            for n in 0..34_560 - unsent {
                push(&mut burst, tx.gather(path, &[1; 12], &payload, 0..1_200));
                if burst.is_full() || n + 1 == 34_560 - unsent {
                    tx.reap();
                    assert!(watch.is_held());
                    send(&mut tx, &mut burst);
                    assert!(!receive(&mut rx).is_empty());
                }
            }
            if unsent == 0 {
                assert_eq!(tx.gather(path, &[1; 12], &payload, 0..1_200).err(), Some(TxFull::Packets));
            }
            tx.reap();
            assert!(watch.is_held(), "{unsent} are left to gather");
            tx.cancel(payload, unsent);
            tx.reap();
            assert!(!watch.is_held(), "{unsent} were cancelled");
        }
    });
}

/// Queue, payload, packets and received packets drop in every order, and the lease ends with the last that needs it.
#[test]
fn a_lease_outlives_whatever_drops_before_it() {
    alone("a_lease_outlives_whatever_drops_before_it", || {
        let eal = eal(128);
        let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        for order in orders {
            let (mut bench, mut tx, mut rx) = Bench::open::<OwnedBytes>(&eal, Make::default());
            let path = open(&mut bench, &mut tx);
            let lease = OwnedBytes::new(pattern(1_000));
            let watch = lease.watch();
            let payload = tx.attach(lease, 5).unwrap();
            let mut burst = Burst::new();
            for _ in 0..2 {
                push(&mut burst, tx.gather(path, &[1; 12], &payload, 0..1_000));
            }
            send(&mut tx, &mut burst);
            let received = receive(&mut rx);
            push(&mut burst, tx.gather(path, &[1; 12], &payload, 0..1_000));
            let (mut tx, mut packets, mut payload) = (Some(tx), Some((burst, received)), Some(payload));
            for what in order {
                let is_needed = packets.is_some() || payload.is_some();
                assert_eq!(watch.is_held(), is_needed, "{order:?}");
                match what {
                    0 => drop(tx.take()),
                    1 => drop(packets.take()),
                    _ => drop(payload.take()),
                }
                if let Some(tx) = &mut tx {
                    tx.reap();
                }
                retired_leases();
            }
            assert_eq!((watch.is_held(), retired_leases()), (false, 0), "{order:?}");
        }
    });
}

/// Nobody asks for what the closed port's ring has kept: a process that opens ports again and again keeps no lease of former ones.
#[test]
fn a_port_that_closes_ends_the_leases_of_a_queue_that_went_before_it() {
    alone("a_port_that_closes_ends_the_leases_of_a_queue_that_went_before_it", || {
        let eal = eal(64);
        let (mut bench, mut tx, rx) = Bench::open::<OwnedBytes>(&eal, Make::default());
        let path = open(&mut bench, &mut tx);
        let lease = OwnedBytes::new(pattern(1_000));
        let watch = lease.watch();
        let payload = tx.attach(lease, 5).unwrap();
        let mut burst = Burst::new();
        push(&mut burst, tx.gather(path, &[1; 12], &payload, 0..1_000));
        send(&mut tx, &mut burst);
        drop((payload, burst, tx, rx));
        assert!(watch.is_held(), "the ring refers to it");
        drop(bench);
        assert!(!watch.is_held());
    });
}

#[test]
fn a_neighbour_is_asked_for_before_anything_is_made() {
    alone("a_neighbour_is_asked_for_before_anything_is_made", || {
        let eal = eal(64);
        let (mut bench, mut tx, mut rx) = Bench::open::<OwnedBytes>(&eal, Make::default());
        let path = bench.path("192.0.2.9:5004");
        let path = tx.open_path(&path).unwrap();
        let payload = tx.attach(OwnedBytes::new(vec![3; 100]), 1).unwrap();
        for _ in 0..3 {
            let full = tx.gather(path, &[1; 12], &payload, 0..100).unwrap_err();
            assert!(full == TxFull::Unresolved && full.is_transient());
        }
        assert_eq!((tx.counters().unresolved, bench.counters.tx.unresolved.value()), (3, 3));
        let asked = bench.host.request().unwrap();
        assert_eq!(asked.next_hop, "192.0.2.9".parse::<IpAddr>().unwrap());
        assert!(bench.host.request().is_none(), "asked once");
        // On a ring our own address is the other end's.
        asked.cell.store(MAC);
        let mut burst = Burst::new();
        push(&mut burst, tx.gather(path, &[1; 12], &payload, 0..100));
        asked.cell.clear();
        send(&mut tx, &mut burst);
        let received = receive(&mut rx);
        assert_eq!(octets(&received.as_slice()[0]), [[1; 12].as_slice(), &[3; 100]].concat());
        assert_eq!(received.as_slice()[0].meta().destination, "192.0.2.9:5004".parse().unwrap());
        assert_eq!(received.as_slice()[0].meta().source.ip(), "192.0.2.1".parse::<IpAddr>().unwrap());
    });
}

#[test]
fn without_gathering_no_chain_reaches_the_driver() {
    alone("without_gathering_no_chain_reaches_the_driver", || {
        let eal = eal(64);
        let (mut bench, mut tx, mut rx) = Bench::open::<OwnedBytes>(&eal, Make { gathers: false, ..Make::default() });
        let path = open(&mut bench, &mut tx);
        let bytes = pattern(2_000);
        let payload = tx.attach(OwnedBytes::new(bytes.clone()), 10).unwrap();
        let sizes = [0_u32, 1, 17, 1_200, 1_472 - 12];
        let mut burst = Burst::new();
        for size in sizes {
            push(&mut burst, tx.gather(path, &[size as u8; 12], &payload, 3..3 + size));
        }
        assert_eq!(tx.gather(path, &[0; 12], &payload, 0..1_461).err(), Some(TxFull::Mtu));
        assert!(bench.host.send(&frame_to(GROUP, &pattern(1_000))));
        assert!(burst.iter().all(|packet| packet.mbuf().segment_count() == 1));
        send(&mut tx, &mut burst);
        tx.reap();
        let received = receive(&mut rx);
        for (size, packet) in sizes.into_iter().zip(received.iter()) {
            assert_eq!(packet.segments().count(), 1);
            assert_eq!(octets(packet), [&[size as u8; 12], &bytes[3..3 + size as usize]].concat(), "{size}");
        }
        push(&mut burst, tx.forward(path, &[9; 20], &received.as_slice()[5], 300));
        assert_eq!(burst.as_slice()[0].mbuf().segment_count(), 1);
        send(&mut tx, &mut burst);
        assert_eq!(octets(&receive(&mut rx).as_slice()[0]), [&[9; 20], &pattern(1_000)[300..]].concat());
        let copied = u64::from(sizes.iter().sum::<u32>()) + 700;
        let counters = &bench.counters.tx;
        assert_eq!((tx.counters().octets_copied_by_us, counters.octets_copied_by_us.value()), (copied, copied));
        assert_eq!((counters.copied_packets.value(), counters.mtu_exceeded.value()), (6, 1));
    });
}

/// A path's packets stay within the port's MTU, whatever the family.
#[test]
fn nothing_longer_than_the_mtu_is_made() {
    alone("nothing_longer_than_the_mtu_is_made", || {
        let eal = eal(64);
        let (mut bench, mut tx, _rx) = Bench::open::<OwnedBytes>(&eal, Make::default());
        let payload = tx.attach(OwnedBytes::new(vec![1; 200_000]), 20).unwrap();
        for (group, most) in [(GROUP, 1_472), ("[ff3e::8000:1]:5004", 1_452)] {
            let path = bench.path(group);
            let path = tx.open_path(&path).unwrap();
            let fits = tx.gather(path, &[0; 20], &payload, 0..most - 20).unwrap();
            assert_eq!(fits.mbuf().octets(), 1_500 + 14);
            for octets in [most - 19, 9_000, 65_535, 65_536, 200_000] {
                let full = tx.gather(path, &[0; 20], &payload, 0..octets).unwrap_err();
                assert!(full == TxFull::Mtu && !full.is_transient(), "{octets}");
            }
        }
        assert_eq!(payload.ungathered(), 18, "what was refused cost nothing");
    });
}

/// The port stops and starts under attached leases and gathered packets; all of it goes on.
#[test]
fn a_restart_of_the_port_loses_no_lease() {
    alone("a_restart_of_the_port_loses_no_lease", || {
        let eal = eal(64);
        let (mut bench, mut tx, mut rx) = Bench::open::<OwnedBytes>(&eal, Make::default());
        let path = open(&mut bench, &mut tx);
        let lease = OwnedBytes::new(pattern(1_000));
        let watch = lease.watch();
        let payload = tx.attach(lease, 3).unwrap();
        let (mut sent, mut kept) = (Burst::new(), Burst::new());
        push(&mut sent, tx.gather(path, &[1; 12], &payload, 0..1_000));
        push(&mut kept, tx.gather(path, &[2; 12], &payload, 0..1_000));
        // In the ring when the port stops: lost, as on a wire.
        send(&mut tx, &mut sent);
        let queues = dpdk::port::PortQueues { rx: rx.detach_device().unwrap(), tx: tx.detach_device().unwrap() };
        let stopped = bench.port.stop(queues).unwrap();
        assert_eq!((tx.tx_burst(&mut kept), kept.len(), receive(&mut rx).len()), (0, 1, 0), "there is no device");
        tx.reap();
        assert!(watch.is_held());
        let (started, queues) = stopped.start().unwrap();
        tx.attach_device(queues.tx);
        rx.attach_device(queues.rx);
        push(&mut kept, tx.gather(path, &[3; 12], &payload, 0..1_000));
        drop(payload);
        send(&mut tx, &mut kept);
        let received = receive(&mut rx);
        let heads: Vec<u8> = received.iter().map(|packet| packet.head()[0]).collect();
        assert_eq!(heads, [2, 3]);
        drop(received);
        tx.reap();
        assert!(!watch.is_held());
        drop(started);
    });
}

#[test]
fn an_exhausted_pool_is_counted_and_passes() {
    alone("an_exhausted_pool_is_counted_and_passes", || {
        let eal = eal(64);
        let (mut bench, mut tx, mut rx) = Bench::open::<OwnedBytes>(&eal, Make::default());
        let path = open(&mut bench, &mut tx);
        let capacity = bench.headers.capacity().min(bench.references.capacity());
        let payload = tx.attach(OwnedBytes::new(vec![5; 100]), capacity + 10).unwrap();
        let mut made = Vec::new();
        let full = loop {
            match tx.gather(path, &[1; 12], &payload, 0..100) {
                Ok(packet) => made.push(packet),
                Err(full) => break full,
            }
        };
        assert!(full == TxFull::Buffers && full.is_transient());
        assert_eq!(made.len() as u32, capacity, "to the last buffer");
        assert_eq!(payload.ungathered(), 10, "the refused one cost nothing");
        assert_eq!(bench.counters.tx.no_mbufs.value(), 1);
        made.truncate(BURST);
        let mut burst = Burst::new();
        made.into_iter().for_each(|packet| assert!(burst.push(packet).is_ok()));
        send(&mut tx, &mut burst);
        assert_eq!(receive(&mut rx).len(), BURST);
        push(&mut burst, tx.gather(path, &[1; 12], &payload, 0..100));
    });
}

/// Paths are the port's; what is no path of it is told in words.
#[test]
fn a_path_by_another_port_is_refused() {
    alone("a_path_by_another_port_is_refused", || {
        let eal = eal(64);
        let (mut bench, mut tx, _rx) = Bench::open::<OwnedBytes>(&eal, Make::default());
        let path = bench.path(GROUP);
        let other = Path { interface: Some("left".to_owned()), ..path.clone() };
        let refused = tx.open_path(&other).unwrap_err().to_string();
        assert!(refused.contains("\"left\"") && refused.contains("ring"), "{refused}");
        for _ in 0..64 {
            tx.open_path(&path).unwrap();
        }
        assert!(tx.open_path(&path).unwrap_err().to_string().contains("64"));
    });
}
