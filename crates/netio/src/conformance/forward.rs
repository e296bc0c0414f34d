//! Checks: a received packet goes on under a new header, its payload whole.

use super::{Harness, Link, STEPS, attach, gather, header, lease, push, receive, send};
use crate::{Burst, MAX_HEADER_OCTETS, Made, PacketBuf, PathId, Relayed, RxQueue, TxFull, TxQueue};

const PAYLOAD: u32 = 1000;

type Arrived<H> = Burst<<<H as Harness>::Rx as RxQueue>::Buf>;

/// Sends `count` numbered packets and receives them, to be held. Returns also what they consist of.
fn arrive<H: Harness>(
    harness: &mut H,
    tx: &mut H::Tx,
    rx: &mut H::Rx,
    path: PathId,
    count: u16,
) -> (Arrived<H>, Vec<Vec<u8>>) {
    let (lease, _, bytes) = lease(PAYLOAD as usize + usize::from(count));
    let payload = attach(tx, lease, u32::from(count));
    let (mut burst, mut arrived, mut sent) = (Burst::new(), Burst::new(), Vec::new());
    for number in 0..count {
        let start = u32::from(number);
        push(&mut burst, gather(tx, path, &header(number), &payload, start..start + PAYLOAD));
        let range = start as usize..(start + PAYLOAD) as usize;
        sent.push([&header(number), &bytes[range]].concat());
    }
    send(harness, tx, rx, &mut burst);
    for _ in 0..STEPS {
        if arrived.len() == usize::from(count) {
            break;
        }
        if rx.rx_burst(&mut arrived) == 0 {
            harness.step(rx);
        }
    }
    assert_eq!(arrived.len(), usize::from(count), "packets were lost");
    (arrived, sent)
}

fn forward<H: Harness>(
    tx: &mut H::Tx,
    path: PathId,
    header: &[u8],
    received: &<H::Rx as RxQueue>::Buf,
    skip: u16,
) -> <H::Tx as TxQueue>::Buf {
    match tx.forward(path, header, received, skip) {
        Ok(packet) => packet,
        Err(full) => panic!("forward from octet {skip}: {full}"),
    }
}

/// Headers grow, shrink and vanish, the packets drop before and after they have been sent on, and nobody copies.
pub(super) fn a_new_header_replaces_the_old_one<H: Harness>(harness: &mut H) {
    let Link { mut tx, mut rx, paths: [path, _] } = harness.link();
    let id = tx.open_path(&path).expect("the path opens");
    for is_held in [false, true] {
        let (mut arrived, sent) = arrive(harness, &mut tx, &mut rx, id, 10);
        let copied = tx.counters().octets_copied_by_us;
        let mut burst = Burst::new();
        let mut expected = Vec::new();
        for (n, packet) in arrived.iter().enumerate() {
            let skip = [12, 0, 1, 12, 20, 33, 500, 999, 12, packet.octets() as u16][n];
            let header = header(100 + 7 * n as u16);
            push(&mut burst, forward::<H>(&mut tx, id, &header, packet, skip));
            expected.push([&header, &sent[n][usize::from(skip)..]].concat());
        }
        if !is_held {
            arrived.clear();
        }
        send(harness, &mut tx, &rx, &mut burst);
        let octets: Vec<_> = receive(harness, &mut rx, 10).into_iter().map(|packet| packet.octets).collect();
        assert_eq!(octets, expected);
        for (n, packet) in arrived.iter().enumerate() {
            assert_eq!(packet.segments().flatten().copied().collect::<Vec<_>>(), sent[n], "the first receiver's own");
        }
        let copied = tx.counters().octets_copied_by_us - copied;
        assert!(copied == 0 || !harness.gathers_by_reference(), "{copied} octets were copied");
        tx.reap();
    }
}

/// A relay fans out: one payload, many headers, in packets that leave in their own time.
pub(super) fn one_packet_goes_to_several_paths<H: Harness>(harness: &mut H) {
    let Link { mut tx, mut rx, paths } = harness.link();
    let ids = paths.each_ref().map(|path| tx.open_path(path).expect("the path opens"));
    let (mut arrived, sent) = arrive(harness, &mut tx, &mut rx, ids[0], 2);
    let mut burst = Burst::new();
    for copy in 0..12_u16 {
        let which = usize::from(copy % 2);
        push(&mut burst, forward::<H>(&mut tx, ids[which], &header(copy), &arrived.as_slice()[which], 12 + copy % 3));
    }
    // One of them never goes, and the first of the originals is already done with.
    drop(arrived.drain_front(1));
    drop(burst.drain_front(1));
    send(harness, &mut tx, &rx, &mut burst);
    let mut received = receive(harness, &mut rx, 11);
    received.sort_by_key(|packet| u16::from_be_bytes([packet.octets[0], packet.octets[1]]));
    let sources = [received[1].meta.source, received[0].meta.source];
    assert_ne!(sources[0], sources[1], "the paths differ in their source");
    for (packet, copy) in received.iter().zip(1_u16..) {
        let which = usize::from(copy % 2);
        assert_eq!(packet.octets, [&header(copy), &sent[which][usize::from(12 + copy % 3)..]].concat(), "copy {copy}");
        assert_eq!(packet.meta.source, sources[which], "copy {copy}");
    }
    drop(arrived);
    // The buffers came back: as many packets arrive as before.
    for _ in 0..4 {
        drop(arrive(harness, &mut tx, &mut rx, ids[0], 32));
        tx.reap();
    }
}

/// A burst takes as many as it has room for, each as if it were forwarded alone; what nobody sends gives all back.
pub(super) fn bursts_are_forwarded_up_to_their_room<H: Harness>(harness: &mut H) {
    let Link { mut tx, mut rx, paths } = harness.link();
    let id = tx.open_path(&paths[0]).expect("the path opens");
    let closed = tx.open_path(&paths[1]).expect("the path opens");
    tx.close_path(closed);
    let (arrived, sent) = arrive(harness, &mut tx, &mut rx, id, 10);
    arrived.iter().for_each(|packet| packet.expect_copies(4));
    let copy = |copy: u8| {
        let relayed = arrived.iter().zip(copy * 10..).map(|(packet, n)| Relayed { header: [n; 12], packet });
        relayed.collect::<Vec<_>>()
    };
    let mut burst = Burst::new();
    for (nth, expected) in [10, 10, 10, 2].into_iter().enumerate() {
        let made = tx.forward_burst(id, &copy(nth as u8), &mut burst);
        assert_eq!(made, Made { packets: expected, refusal: None });
    }
    send(harness, &mut tx, &rx, &mut burst);
    for (packet, n) in receive(harness, &mut rx, 32).iter().zip(0_u8..) {
        assert_eq!(packet.octets, [&[n; 12], &sent[usize::from(n % 10)][12..]].concat(), "packet {n}");
    }
    let refused = tx.forward_burst(closed, &copy(0), &mut burst);
    assert_eq!((refused, burst.len()), (Made { packets: 0, refusal: Some(TxFull::Path) }, 0));
    assert_eq!(tx.forward_burst(id, &copy(0), &mut burst).packets, 10);
    drop((burst, arrived));
    drop(arrive(harness, &mut tx, &mut rx, id, 32));
}

pub(super) fn what_cannot_be_forwarded_is_refused<H: Harness>(harness: &mut H) {
    let Link { mut tx, mut rx, paths } = harness.link();
    let id = tx.open_path(&paths[0]).expect("the path opens");
    let closed = tx.open_path(&paths[1]).expect("the path opens");
    tx.close_path(closed);
    let (arrived, sent) = arrive(harness, &mut tx, &mut rx, id, 1);
    let packet = &arrived.as_slice()[0];
    let octets = sent[0].len() as u16;
    for skip in [octets + 1, u16::MAX] {
        assert_eq!(tx.forward(id, &header(0), packet, skip).err(), Some(TxFull::Range));
    }
    let long = [0; MAX_HEADER_OCTETS + 1];
    assert_eq!(tx.forward(id, &long, packet, 0).err(), Some(TxFull::Header));
    assert_eq!(tx.forward(closed, &header(0), packet, 0).err(), Some(TxFull::Path));
    let mut burst = Burst::new();
    push(&mut burst, forward::<H>(&mut tx, id, &long[1..], packet, octets - 1));
    send(harness, &mut tx, &rx, &mut burst);
    let last = sent[0].last().copied();
    assert_eq!(receive(harness, &mut rx, 1)[0].octets.split_last().map(|(last, _)| *last), last);
}
