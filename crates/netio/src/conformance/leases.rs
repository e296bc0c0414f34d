//! Checks: a lease ends when, and only when, nothing needs it.

use super::{Harness, Link, Received, STEPS, assert_ends, attach, gather, header, lease, push, receive, send};
use crate::{BURST, Burst, OwnedBytes, PacketBuf, RxQueue, StableBytes, TxFull, TxQueue};

pub(super) fn a_lease_lasts_until_its_packets_are_sent<H: Harness>(harness: &mut H) {
    let Link { mut tx, mut rx, paths: [path, _] } = harness.link();
    let id = tx.open_path(&path).expect("the path opens");
    let (lease, watch, _) = lease(100);
    let payload = attach(&mut tx, lease, 2);
    tx.reap();
    assert!(watch.is_held(), "nothing was gathered yet");
    let mut burst = Burst::new();
    push(&mut burst, gather(&mut tx, id, &header(0), &payload, 0..50));
    send(harness, &mut tx, &rx, &mut burst);
    receive(harness, &mut rx, 1);
    tx.reap();
    assert!(watch.is_held(), "a packet was announced that was not gathered");
    push(&mut burst, gather(&mut tx, id, &header(1), &payload, 50..100));
    drop(payload);
    tx.reap();
    assert!(watch.is_held() || !harness.gathers_by_reference(), "a packet was not sent");
    send(harness, &mut tx, &rx, &mut burst);
    receive(harness, &mut rx, 1);
    assert_ends(harness, &mut tx, &rx, &watch);
}

pub(super) fn cancelled_packets_release_the_lease<H: Harness>(harness: &mut H) {
    let Link { mut tx, mut rx, paths: [path, _] } = harness.link();
    let id = tx.open_path(&path).expect("the path opens");
    let (whole, watch, _) = lease(100);
    let payload = attach(&mut tx, whole, 1000);
    tx.cancel(payload, 1000);
    assert_ends(harness, &mut tx, &rx, &watch);

    let (part, watch, bytes) = lease(100);
    let payload = attach(&mut tx, part, 10);
    let mut burst = Burst::new();
    push(&mut burst, gather(&mut tx, id, &header(0), &payload, 0..100));
    tx.cancel(payload, 9);
    tx.reap();
    assert!(watch.is_held() || !harness.gathers_by_reference(), "cancel spares what was gathered");
    send(harness, &mut tx, &rx, &mut burst);
    assert_eq!(receive(harness, &mut rx, 1)[0].octets, [&header(0), &bytes[..]].concat());
    assert_ends(harness, &mut tx, &rx, &watch);
}

pub(super) fn dropped_packets_and_payloads_release_the_lease<H: Harness>(harness: &mut H) {
    let Link { mut tx, rx, paths: [path, _] } = harness.link();
    let id = tx.open_path(&path).expect("the path opens");
    let (lease, watch, _) = lease(100);
    let payload = attach(&mut tx, lease, 5);
    let mut burst = Burst::new();
    push(&mut burst, gather(&mut tx, id, &header(0), &payload, 0..100));
    push(&mut burst, gather(&mut tx, id, &header(1), &payload, 0..100));
    drop(payload);
    assert_eq!(burst.drain_front(1).len(), 1);
    tx.reap();
    assert!(watch.is_held() || !harness.gathers_by_reference(), "a packet is left");
    burst.clear();
    assert_ends(harness, &mut tx, &rx, &watch);
}

/// A receiver gives its burst back, but for what somebody else holds.
pub(super) fn packets_taken_back_release_the_lease<H: Harness>(harness: &mut H) {
    let Link { mut tx, mut rx, paths: [path, _] } = harness.link();
    let id = tx.open_path(&path).expect("the path opens");
    let (lease, watch, bytes) = lease(BURST);
    let payload = attach(&mut tx, lease, BURST as u32);
    let mut burst = Burst::new();
    for n in 0..BURST as u32 {
        push(&mut burst, gather(&mut tx, id, &header(n as u16), &payload, n..n + 1));
    }
    drop(payload);
    send(harness, &mut tx, &rx, &mut burst);
    let mut received = Burst::new();
    for _ in 0..STEPS {
        if received.is_full() {
            break;
        }
        if rx.rx_burst(&mut received) == 0 {
            harness.step(&rx);
        }
    }
    assert!(received.is_full(), "packets were lost");
    let held = received.as_slice()[5].again();
    rx.take_back(&mut received);
    assert!(received.is_empty());
    assert_eq!(Received::copy(&held).octets, [&header(5)[..], &bytes[5..6]].concat());
    drop(held);
    assert_ends(harness, &mut tx, &rx, &watch);
}

pub(super) fn a_full_table_returns_the_lease<H: Harness>(harness: &mut H) {
    let Link { mut tx, rx, .. } = harness.link();
    let mut payloads = Vec::new();
    let (lease, full) = loop {
        assert!(payloads.len() < 100_000, "memory is bounded");
        let lease = OwnedBytes::new(vec![9; 33]);
        let watch = lease.watch();
        match tx.attach(lease, 1) {
            Ok(payload) => payloads.push((payload, watch)),
            Err((full, lease)) => break (lease, full),
        }
    };
    assert_eq!(full, TxFull::Payloads);
    assert!(full.is_transient());
    assert_eq!(lease.octets(), 33);
    let (payload, watch) = payloads.pop().expect("there was room for one");
    tx.cancel(payload, 1);
    assert_ends(harness, &mut tx, &rx, &watch);
    assert!(payloads.iter().all(|(_, watch)| watch.is_held()), "the others stay");
    let payload = attach(&mut tx, lease, 1);
    tx.cancel(payload, 1);
}

pub(super) fn packets_of_a_closed_path_release_the_lease<H: Harness>(harness: &mut H) {
    let Link { mut tx, rx, paths: [path, _] } = harness.link();
    let id = tx.open_path(&path).expect("the path opens");
    let (lease, watch, _) = lease(100);
    let payload = attach(&mut tx, lease, 2);
    let mut burst = Burst::new();
    push(&mut burst, gather(&mut tx, id, &header(0), &payload, 0..100));
    push(&mut burst, gather(&mut tx, id, &header(1), &payload, 0..100));
    drop(payload);
    tx.close_path(id);
    assert_eq!(tx.tx_burst(&mut burst), 2, "they leave the burst");
    assert_eq!((tx.counters().packets, tx.counters().errors), (0, 2));
    assert_ends(harness, &mut tx, &rx, &watch);
}
