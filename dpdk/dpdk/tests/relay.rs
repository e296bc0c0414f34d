//! Relay: received packets go on, their octets shared.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "process/alone.rs"]
mod alone;
#[path = "process/bench.rs"]
#[allow(dead_code, reason = "the tests of other files use the rest")]
mod bench;

use alone::{alone, eal};
use bench::{Bench, GROUP, Make, frame_to, octets, open, pattern, push, receive, send};
use dpdk::tx::DpdkTxBuf;
use netio::{Burst, Made, OwnedBytes, PacketBuf, Relayed, StableBytes, TxQueue};

/// Copies that skip as much share the buffer that was received; others refer to it. Nothing is copied, all comes back.
fn relay(test: &str, has_room: bool) {
    alone(test, || {
        let eal = eal(64);
        let (mut bench, mut tx, mut rx) = Bench::open::<OwnedBytes>(&eal, Make { has_room, ..Make::default() });
        let path = open(&mut bench, &mut tx);
        let original = [frame_to(GROUP, &pattern(1_000)), frame_to(GROUP, &pattern(400))];
        for frame in &original {
            assert!(bench.host.send(frame));
        }
        tx.reap();
        let received = receive(&mut rx);
        let [first, second] = received.as_slice() else { panic!("two packets") };
        assert_eq!((octets(first), octets(second)), (pattern(1_000), pattern(400)));
        let place = |packet: &DpdkTxBuf| packet.mbuf().segments().nth(1).map(|octets| octets.as_ptr().addr());
        let source = first.head().as_ptr().addr();
        let mut burst = Burst::new();
        for (copy, skip) in [12, 12, 12, 20, 0, 12].into_iter().enumerate() {
            push(&mut burst, tx.forward(path, &[copy as u8; 16], first, skip));
            assert_eq!(place(&burst.as_slice()[copy]), Some(source + usize::from(skip)), "shared");
        }
        let buffer = |copy: usize| bench::buffers(&burst.as_slice()[copy])[1];
        let shared = [1, 2, 5].into_iter().all(|copy| buffer(copy) == buffer(0));
        assert_eq!(shared, has_room, "a packet of one buffer is chained itself");
        assert!([3, 4].into_iter().all(|copy| buffer(copy) != buffer(0)), "another offset needs another buffer");
        // The second buffer is shared with another offset from the beginning.
        push(&mut burst, tx.forward(path, &[6; 12], second, 100));
        assert_eq!((octets(first), octets(second)), (pattern(1_000), pattern(400)), "the receiver's own view");
        drop(received);
        send(&mut tx, &mut burst);
        let relayed = receive(&mut rx);
        for (copy, skip) in [12, 12, 12, 20, 0, 12].into_iter().enumerate() {
            let expected = [&[copy as u8; 16], &pattern(1_000)[skip..]].concat();
            assert_eq!(octets(&relayed.as_slice()[copy]), expected, "copy {copy}");
        }
        assert_eq!(octets(&relayed.as_slice()[6]), [&[6; 12], &pattern(400)[100..]].concat());
        // And once more: what was shared is received, and shared again.
        for (copy, packet) in relayed.iter().enumerate() {
            push(&mut burst, tx.forward(path, &[copy as u8; 12], packet, 16));
        }
        drop(relayed);
        send(&mut tx, &mut burst);
        let again = receive(&mut rx);
        assert_eq!(octets(&again.as_slice()[3]), [&[3; 12], &pattern(1_000)[20..]].concat());
        assert_eq!((tx.counters().octets_copied_by_us, bench.counters.tx.forwarded.value()), (0, 14));
        drop((again, tx));
        assert_eq!(bench.buffers_out(), 0, "every buffer came back");
    });
}

/// Copies for many destinations are counted at once; those that were not made are not counted for ever.
#[test]
fn copies_of_a_burst_share_the_buffer_and_give_it_back() {
    alone("copies_of_a_burst_share_the_buffer_and_give_it_back", || {
        let eal = eal(64);
        let (mut bench, mut tx, mut rx) = Bench::open::<OwnedBytes>(&eal, Make { has_room: true, ..Make::default() });
        let path = open(&mut bench, &mut tx);
        for length in [1_000, 1_000, 400, 12] {
            assert!(bench.host.send(&frame_to(GROUP, &pattern(length))));
        }
        tx.reap();
        let received = receive(&mut rx);
        received.iter().for_each(|packet| packet.expect_copies(64));
        let mut burst = Burst::new();
        for copy in 0..3 {
            let relayed = |packet| Relayed { header: [copy; 12], packet };
            let made = tx.forward_burst(path, &received.iter().map(relayed).collect::<Vec<_>>(), &mut burst);
            assert_eq!(made, Made { packets: 4, refusal: None });
        }
        let buffers = |at: usize| bench::buffers(&burst.as_slice()[at]);
        for at in 0..3 {
            assert_eq!((buffers(at)[1], buffers(at).len()), (buffers(at + 4)[1], 2), "shared itself");
        }
        assert_eq!(buffers(3).len(), 1, "nothing follows the header");
        drop(received);
        send(&mut tx, &mut burst);
        let relayed = receive(&mut rx);
        for (at, packet) in relayed.iter().enumerate() {
            let length = [1_000, 1_000, 400, 12][at % 4];
            assert_eq!(octets(packet), [&[(at / 4) as u8; 12], &pattern(length)[12..]].concat());
        }
        drop((relayed, tx));
        assert_eq!(bench.buffers_out(), 0, "every buffer came back");
    });
}

#[test]
fn a_packet_of_one_buffer_is_shared_itself() {
    relay("a_packet_of_one_buffer_is_shared_itself", true);
}

#[test]
fn a_packet_of_several_buffers_is_referred_to() {
    relay("a_packet_of_several_buffers_is_referred_to", false);
}

/// A received packet that refers to a lease is relayed: the copies refer to the lease as well, by buffers of their own, and it
/// lasts until they are freed.
#[test]
fn copies_of_what_refers_to_a_lease_refer_to_it_as_well() {
    alone("copies_of_what_refers_to_a_lease_refer_to_it_as_well", || {
        let eal = eal(64);
        let (mut bench, mut tx, mut rx) = Bench::open::<OwnedBytes>(&eal, Make::default());
        let path = open(&mut bench, &mut tx);
        for round in 0..3 {
            let lease = OwnedBytes::new(pattern(1_000));
            let (start, watch) = (lease.as_ptr().addr(), lease.watch());
            let payload = tx.attach(lease, 1).unwrap();
            let mut burst = Burst::new();
            push(&mut burst, tx.gather(path, &[1; 20], &payload, 0..1_000));
            drop(payload);
            send(&mut tx, &mut burst);
            let received = receive(&mut rx);
            for copy in 0..2 {
                push(&mut burst, tx.forward(path, &[copy; 20], &received.as_slice()[0], 20));
            }
            drop(received);
            tx.reap();
            assert!(watch.is_held(), "the copies refer to it");
            send(&mut tx, &mut burst);
            let relayed = receive(&mut rx);
            for (copy, packet) in relayed.iter().enumerate() {
                assert_eq!(octets(packet), [&[copy as u8; 20][..], &pattern(1_000)].concat());
                let last = packet.segments().last().unwrap().as_ptr().addr();
                assert_eq!(last, start, "not copied");
            }
            tx.reap();
            assert!(watch.is_held());
            drop(relayed);
            tx.reap();
            assert!(!watch.is_held(), "round {round}");
        }
        drop(tx);
        assert_eq!(bench.buffers_out(), 0, "every buffer came back");
    });
}
