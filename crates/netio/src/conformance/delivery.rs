//! Checks: what is sent arrives, whole, in order, and from where it was sent.

use super::{Harness, IN_FLIGHT, Link, Received, attach, gather, header, lease, push, receive, send};
use crate::{BURST, Burst, RxQueue, TxQueue};

const PAYLOAD: u32 = 1200;

pub(super) fn packets_arrive_whole_and_in_order<H: Harness>(harness: &mut H) {
    let Link { mut tx, mut rx, paths: [path, _] } = harness.link();
    let id = tx.open_path(&path).expect("the path opens");
    let (mut octets, mut sent) = (0, 0);
    for round in 0..8u16 {
        let count = [BURST, 1, 7, BURST][usize::from(round) % 4];
        let (lease, _, bytes) = lease(PAYLOAD as usize * count);
        let payload = attach(&mut tx, lease, count as u32);
        let mut burst = Burst::new();
        for n in 0..count as u32 {
            let range = n * PAYLOAD..(n + 1) * PAYLOAD;
            push(&mut burst, gather(&mut tx, id, &header(n as u16), &payload, range));
        }
        send(harness, &mut tx, &rx, &mut burst);
        let received = receive(harness, &mut rx, count);
        for (n, packet) in received.iter().enumerate() {
            let range = n * PAYLOAD as usize..(n + 1) * PAYLOAD as usize;
            assert_eq!(packet.octets, [&header(n as u16), &bytes[range]].concat(), "packet {n} of round {round}");
            assert_eq!(packet.meta.destination, path.destination);
            assert_eq!(packet.meta.source, received[0].meta.source);
            octets += packet.octets.len() as u64;
        }
        sent += count as u64;
        tx.reap();
    }
    let (sender, receiver) = (tx.counters(), rx.counters());
    assert_eq!((sender.packets, sender.octets, sender.errors), (sent, octets, 0));
    assert_eq!((receiver.packets, receiver.octets), (sent, octets));
    assert_eq!((receiver.socket_drops, receiver.truncated, receiver.errors), (0, 0, 0));
    assert!((8..=sent).contains(&receiver.bursts), "{receiver:?}");
}

/// Segmenting and coalescing backends must cut where the packets were cut.
pub(super) fn sizes_may_change_from_packet_to_packet<H: Harness>(harness: &mut H) {
    let Link { mut tx, mut rx, paths: [path, _] } = harness.link();
    let id = tx.open_path(&path).expect("the path opens");
    let sizes = [0u32, 1, 1, 2, 1200, 1200, 1200, 700, 1200, 1300, 1300, 60, 60, 60, 61, 60, 1440, 0, 0, 1440];
    let (lease, _, bytes) = lease(1440 + sizes.len());
    let payload = attach(&mut tx, lease, sizes.len() as u32);
    let mut burst = Burst::new();
    for (n, size) in sizes.iter().enumerate() {
        let start = n as u32;
        // Headers of one length, so that equal payloads make equal packets.
        push(&mut burst, gather(&mut tx, id, &header(21 * start as u16), &payload, start..start + size));
    }
    send(harness, &mut tx, &rx, &mut burst);
    for (n, packet) in receive(harness, &mut rx, sizes.len()).iter().enumerate() {
        let range = n..n + sizes[n] as usize;
        assert_eq!(packet.octets, [&header(21 * n as u16), &bytes[range]].concat(), "packet {n}");
    }
}

pub(super) fn paths_of_one_burst_keep_apart<H: Harness>(harness: &mut H) {
    let Link { mut tx, mut rx, paths } = harness.link();
    let ids = paths.each_ref().map(|path| tx.open_path(path).expect("the path opens"));
    assert_ne!(ids[0], ids[1]);
    let (lease, _, bytes) = lease(64);
    let payload = attach(&mut tx, lease, BURST as u32);
    let leg = |n: usize| usize::from(n % 5 < 2);
    let mut burst = Burst::new();
    for n in 0..BURST {
        push(&mut burst, gather(&mut tx, ids[leg(n)], &header(n as u16), &payload, 0..64));
    }
    send(harness, &mut tx, &rx, &mut burst);
    let mut received = receive(harness, &mut rx, BURST);
    // Order holds within a path.
    received.sort_by_key(|packet| u16::from_be_bytes([packet.octets[0], packet.octets[1]]));
    let source_of = |which| received[(0..BURST).find(|&n| leg(n) == which).expect("both occur")].meta.source;
    assert_ne!(source_of(0), source_of(1), "the paths differ in their source");
    for (n, packet) in received.iter().enumerate() {
        assert_eq!(packet.octets, [&header(n as u16), &bytes[..]].concat());
        assert_eq!(packet.meta.source, source_of(leg(n)), "packet {n}");
        assert_eq!(packet.meta.destination, paths[leg(n)].destination);
    }
}

/// A worker may hold packets for a reorder window while others come and go.
pub(super) fn held_packets_keep_their_octets<H: Harness>(harness: &mut H) {
    let Link { mut tx, mut rx, paths: [path, _] } = harness.link();
    let id = tx.open_path(&path).expect("the path opens");
    let mut held = Vec::new();
    let mut next = 0u16;
    for _ in 0..6 {
        let (lease, _, _) = lease(300);
        let payload = attach(&mut tx, lease, 8);
        let mut burst = Burst::new();
        for _ in 0..8 {
            push(&mut burst, gather(&mut tx, id, &header(next), &payload, u32::from(next)..200 + u32::from(next)));
            next += 1;
        }
        send(harness, &mut tx, &rx, &mut burst);
        let mut arrived = Burst::new();
        for _ in 0..super::STEPS {
            if arrived.len() == 8 {
                break;
            }
            if rx.rx_burst(&mut arrived) == 0 {
                harness.step(&rx);
            }
        }
        assert_eq!(arrived.len(), 8, "packets were lost");
        // Every second packet stays.
        held.extend(arrived.drain().enumerate().filter_map(|(n, packet)| (n % 2 == 0).then_some(packet)));
        tx.reap();
    }
    assert!(usize::from(next) <= IN_FLIGHT);
    let bytes = super::pattern(300, 1);
    for (n, packet) in held.iter().enumerate() {
        let number = 2 * n;
        let expected = [&header(number as u16), &bytes[number..number + 200]].concat();
        assert_eq!(Received::copy(packet).octets, expected, "packet {number}");
    }
}

/// Both legs of a stream share the lease; it is attached to the first queue only.
pub(super) fn a_payload_serves_two_queues<H: Harness>(harness: &mut H) {
    let Link { tx: mut first, rx: mut first_rx, paths: [path, _] } = harness.link();
    let Link { tx: mut second, rx: mut second_rx, paths: [second_path, _] } = harness.link();
    let id = first.open_path(&path).expect("the path opens");
    let second_id = second.open_path(&second_path).expect("the path opens");
    let (lease, watch, bytes) = lease(500);
    let payload = attach(&mut first, lease, 2);
    let (mut burst, mut second_burst) = (Burst::new(), Burst::new());
    push(&mut burst, gather(&mut first, id, &header(1), &payload, 0..250));
    push(&mut second_burst, gather(&mut second, second_id, &header(2), &payload, 250..500));
    drop(payload);
    send(harness, &mut first, &first_rx, &mut burst);
    assert_eq!(receive(harness, &mut first_rx, 1)[0].octets, [&header(1), &bytes[..250]].concat());
    first.reap();
    assert!(watch.is_held() || !harness.gathers_by_reference(), "the second leg still needs it");
    send(harness, &mut second, &second_rx, &mut second_burst);
    assert_eq!(receive(harness, &mut second_rx, 1)[0].octets, [&header(2), &bytes[250..]].concat());
    for _ in 0..super::STEPS {
        // The device of the second queue finishes in the second queue's own turns.
        second.reap();
        first.reap();
        if !watch.is_held() {
            return;
        }
        harness.step(&first_rx);
    }
    panic!("the lease never ended");
}

/// A canary: no copy was made when the packet was gathered, so what the owner changes until it is sent is what arrives.
pub(super) fn octets_are_read_when_the_packet_is_sent<H: Harness>(harness: &mut H) {
    let Link { mut tx, mut rx, paths: [path, _] } = harness.link();
    let id = tx.open_path(&path).expect("the path opens");
    let (lease, watch, mut bytes) = lease(100);
    let payload = attach(&mut tx, lease, 1);
    let mut burst = Burst::new();
    push(&mut burst, gather(&mut tx, id, &header(0), &payload, 0..100));
    let canary = !bytes[50];
    assert!(watch.write(50, canary));
    send(harness, &mut tx, &rx, &mut burst);
    let received = receive(harness, &mut rx, 1);
    let copied = tx.counters().octets_copied_by_us;
    if harness.gathers_by_reference() {
        bytes[50] = canary;
        assert_eq!(copied, 0, "octets that the backend copied");
    } else {
        assert_eq!(copied, 100, "octets that the backend copied");
    }
    assert_eq!(received[0].octets, [&header(0), &bytes[..]].concat());
}
