//! Checks: what cannot be done is refused, and costs nothing.

use std::ops::Range;

use super::{Harness, Link, attach, gather, header, lease, push, receive, send};
use crate::{Burst, MAX_HEADER_OCTETS, Path, PathError, RxQueue, TxFull, TxQueue};

pub(super) fn gathers_outside_of_the_payload_are_refused<H: Harness>(harness: &mut H) {
    let Link { mut tx, mut rx, paths: [path, _] } = harness.link();
    let id = tx.open_path(&path).expect("the path opens");
    let (lease, _, bytes) = lease(100);
    let payload = attach(&mut tx, lease, 2);
    let inverted = Range { start: 60, end: 40 };
    for range in [0..101, 100..101, 101..101, inverted, 0..u32::MAX, u32::MAX..u32::MAX] {
        assert_eq!(tx.gather(id, &header(0), &payload, range.clone()).err(), Some(TxFull::Range), "{range:?}");
    }
    let long = [0; MAX_HEADER_OCTETS + 1];
    assert_eq!(tx.gather(id, &long, &payload, 0..1).err(), Some(TxFull::Header));
    // Nothing was consumed: both announced packets can still be gathered, with the longest header and the shortest.
    let mut burst = Burst::new();
    push(&mut burst, gather(&mut tx, id, &long[1..], &payload, 0..100));
    push(&mut burst, gather(&mut tx, id, &long[..12], &payload, 99..100));
    assert_eq!(tx.gather(id, &header(0), &payload, 0..1).err(), Some(TxFull::Packets));
    send(harness, &mut tx, &rx, &mut burst);
    let received = receive(harness, &mut rx, 2);
    assert_eq!(received[0].octets, [&long[1..], &bytes[..]].concat());
    assert_eq!(received[1].octets, [&long[..12], &bytes[99..]].concat());
}

pub(super) fn gathers_on_no_path_are_refused<H: Harness>(harness: &mut H) {
    let Link { mut tx, paths, .. } = harness.link();
    let closed = tx.open_path(&paths[0]).expect("the path opens");
    tx.close_path(closed);
    tx.close_path(closed);
    let (lease, _, _) = lease(10);
    let payload = attach(&mut tx, lease, 1);
    assert_eq!(tx.gather(closed, &header(0), &payload, 0..10).err(), Some(TxFull::Path));
    // Another path in the same place is another path.
    let reopened = tx.open_path(&paths[1]).expect("the path opens");
    assert_eq!(tx.gather(closed, &header(0), &payload, 0..10).err(), Some(TxFull::Path));
    assert!(tx.gather(reopened, &header(0), &payload, 0..10).is_ok());
}

pub(super) fn paths_that_no_packet_can_take_are_refused<H: Harness>(harness: &mut H) {
    let Link { mut tx, paths: [path, _], .. } = harness.link();
    let other: std::net::SocketAddr =
        if path.destination.is_ipv4() { "[2001:db8::1]:0" } else { "192.0.2.1:0" }.parse().expect("an address");
    let strange = Path { source: Some(other), ..path.clone() };
    assert!(matches!(tx.open_path(&strange), Err(PathError::Family { .. })));
    assert!(matches!(tx.open_path(&Path { dscp: 64, ..path.clone() }), Err(PathError::Dscp { asked: 64 })));
    let mut portless = path.clone();
    portless.destination.set_port(0);
    assert!(matches!(tx.open_path(&portless), Err(PathError::Destination { .. })));
    // None of the refused took a place.
    for _ in 0..2 {
        assert!(tx.open_path(&path).is_ok());
    }
}

pub(super) fn nothing_to_do_does_nothing<H: Harness>(harness: &mut H) {
    let Link { mut tx, mut rx, .. } = harness.link();
    let (mut sent, mut received) = (Burst::new(), Burst::new());
    assert_eq!(tx.tx_burst(&mut sent), 0);
    assert_eq!(rx.rx_burst(&mut received), 0);
    tx.reap();
    assert_eq!((tx.counters(), rx.counters()), Default::default());
}
