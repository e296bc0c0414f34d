//! What crosses arrives whole and in order; what does not fit is refused and counted.

use std::iter;
use std::net::{IpAddr, SocketAddr};
use std::thread;

use super::*;

fn small() -> (RxEnd, TxEnd, HostEnd) {
    exchange(ExchangeConfig { frames: 2, frame_octets: 10, requests: 2 })
}

fn table(destination: &str) -> MediaTable {
    iter::once(destination.parse::<SocketAddr>().unwrap()).collect()
}

#[test]
fn a_frame_crosses_whole_in_either_direction() {
    let (mut rx, mut tx, mut host) = small();
    assert!(host.receive().is_none() && tx.next().is_none());
    let segments: [&[u8]; 3] = [&[1, 2], &[], &[3, 4, 5]];
    assert_eq!(rx.offer(segments.into_iter()), Offer::Taken);
    assert_eq!(rx.offer(iter::once([9; 10].as_slice())), Offer::Taken);
    assert_eq!(*host.receive().unwrap(), [1, 2, 3, 4, 5]);
    assert_eq!(*host.receive().unwrap(), [9; 10]);
    assert!(host.send(&[6, 7]) && host.send(&[]));
    assert_eq!(*tx.next().unwrap(), [6, 7]);
    assert!(tx.next().unwrap().is_empty());
    assert!(host.receive().is_none() && tx.next().is_none());
}

#[test]
fn what_does_not_fit_is_refused_counted_and_loses_no_buffer() {
    let (mut rx, mut tx, mut host) = small();
    let (fits, long) = ([7; 10], [7; 11]);
    for _ in 0..3 {
        assert_eq!(rx.offer(iter::once(long.as_slice())), Offer::TooLong);
        assert_eq!(rx.offer([fits.as_slice(), &[1]].into_iter()), Offer::TooLong);
        assert!(!host.send(&long));
    }
    for round in 1..=2 {
        assert_eq!(rx.offer(iter::once(fits.as_slice())), Offer::Taken, "round {round}");
        assert_eq!(rx.offer(iter::once(fits.as_slice())), Offer::Taken);
        assert_eq!(rx.offer(iter::once(fits.as_slice())), Offer::Full);
        assert!(host.send(&fits) && host.send(&fits) && !host.send(&fits));
        while host.receive().is_some() {}
        while tx.next().is_some() {}
    }
    let wanted = ExchangeCounters {
        offered: 4,
        offered_full: 2,
        offered_too_long: 6,
        sent: 4,
        sent_full: 2,
        sent_too_long: 3,
        ..ExchangeCounters::default()
    };
    assert_eq!(host.counters(), wanted);
}

#[test]
fn a_frame_that_is_held_is_missing_until_it_drops() {
    let (mut rx, _tx, mut host) = small();
    let frame = [1].as_slice();
    assert_eq!([rx.offer(iter::once(frame)), rx.offer(iter::once(frame))], [Offer::Taken; 2]);
    let held = host.receive().unwrap();
    assert_eq!(rx.offer(iter::once(frame)), Offer::Full);
    drop(held);
    assert_eq!(rx.offer(iter::once(frame)), Offer::Taken);
}

#[test]
fn the_newest_table_counts_and_each_old_one_comes_back() {
    let (mut rx, _tx, mut host) = small();
    let [a, b, c] = ["192.0.2.1:5004", "192.0.2.2:5004", "192.0.2.3:5004"];
    assert!(rx.media().is_empty());
    host.publish(table(a));
    host.publish(table(b));
    assert!(rx.media().contains(b.parse().unwrap()) && !rx.media().contains(a.parse().unwrap()));
    assert_eq!(rx.shared.retired.len(), 1, "the empty one it began with");
    host.publish(table(c));
    assert_eq!(rx.shared.retired.len(), 0, "dropped by the host");
    assert!(rx.media().contains(c.parse().unwrap()));
    assert_eq!(rx.shared.retired.len(), 1);
    host.collect();
    assert_eq!((rx.shared.retired.len(), host.counters().tables), (0, 3));
}

#[test]
fn a_worker_never_frees_a_table_even_where_nobody_collects() {
    let (mut rx, _tx, mut host) = small();
    for port in 1..=4 {
        // As `publish`, by a host that never collects.
        drop(host.lanes[0].fresh.force_push(Box::new(table(&format!("192.0.2.1:{port}")))));
        let _ = rx.media();
    }
    assert!(rx.media().contains("192.0.2.1:2".parse().unwrap()), "it keeps the last that it could exchange");
    host.collect();
    assert!(rx.media().contains("192.0.2.1:4".parse().unwrap()), "and goes on from there");
}

#[test]
fn questions_are_bounded_and_the_answer_comes_to_the_cell() {
    let (_rx, mut tx, mut host) = small();
    let hop: IpAddr = "192.0.2.1".parse().unwrap();
    let cell = Arc::new(NeighbourCell::new());
    assert!(tx.resolve(hop, Arc::clone(&cell)) && tx.resolve(hop, Arc::clone(&cell)));
    assert!(!tx.resolve(hop, Arc::clone(&cell)));
    let asked = host.request().unwrap();
    assert_eq!(asked.next_hop, hop);
    let kept = Arc::downgrade(&asked.cell);
    asked.cell.store([2, 0, 0, 0, 0, 1]);
    assert_eq!(cell.load(), Some([2, 0, 0, 0, 0, 1]));
    drop((host.request(), host.request(), asked, cell));
    assert!(kept.upgrade().is_none(), "a closed path is no question any more");
    assert_eq!((host.counters().requests, host.counters().requests_full), (2, 1));
}

/// The config is a caller's: nothing of it makes an exchange that cannot work.
#[test]
fn the_config_is_clamped() {
    let (mut rx, mut tx, mut host) = exchange(ExchangeConfig { frames: 0, frame_octets: u16::MAX, requests: 0 });
    assert_eq!(rx.offer(iter::once([1; FRAME_OCTETS + 1].as_slice())), Offer::TooLong);
    assert_eq!(rx.offer(iter::once([1; FRAME_OCTETS].as_slice())), Offer::Taken);
    assert_eq!(host.receive().map(|frame| frame.len()), Some(FRAME_OCTETS));
    assert!(tx.resolve("::1".parse().unwrap(), Arc::default()));
}

#[test]
fn both_directions_and_the_tables_go_on_at_once() {
    const FRAMES: u32 = 20_000;
    let (mut rx, mut tx, mut host) = exchange(ExchangeConfig { frames: 8, frame_octets: 64, requests: 4 });
    let worker = thread::spawn(move || {
        let (mut echoed, mut tables) = (0, 0);
        let mut next = 0_u32;
        while echoed < FRAMES {
            if next < FRAMES && rx.offer(iter::once(next.to_be_bytes().as_slice())) == Offer::Taken {
                next += 1;
            }
            tables = tables.max(rx.media().len());
            while let Some(frame) = tx.next() {
                assert_eq!(*frame, u32::to_be_bytes(echoed), "in order, whole");
                echoed += 1;
            }
            thread::yield_now();
        }
        tables
    });
    let mut echoed = 0;
    while echoed < FRAMES {
        let Some(frame) = host.receive().map(|frame| frame.to_vec()) else {
            thread::yield_now();
            continue;
        };
        while !host.send(&frame) {
            thread::yield_now();
        }
        if echoed % 100 == 0 {
            host.publish((1..=7).map(|port| SocketAddr::from(([192, 0, 2, 1], port))).collect());
        }
        echoed += 1;
    }
    assert_eq!(worker.join().unwrap(), 7);
    assert_eq!(host.counters().offered, u64::from(FRAMES));
}

#[test]
fn several_workers_have_one_host() {
    let (mut ends, mut host) = exchange_of(ExchangeConfig { frames: 2, frame_octets: 10, requests: 2 }, 3);
    let next_hop: IpAddr = "192.0.2.9".parse().unwrap();
    for (at, (rx, tx)) in (0..).zip(&mut ends) {
        assert_eq!(rx.offer(iter::once([at].as_slice())), Offer::Taken);
        assert!(tx.resolve(next_hop, Arc::default()));
    }
    let received: Vec<u8> = iter::from_fn(|| host.receive().map(|frame| frame[0])).collect();
    assert_eq!(received, [0, 1, 2]);
    assert_eq!(iter::from_fn(|| host.request()).count(), 3);
    host.publish(table("192.0.2.1:5004"));
    assert!(ends.iter_mut().all(|(rx, _)| rx.media().contains("192.0.2.1:5004".parse().unwrap())));
    // What the host sends leaves once.
    assert!(host.send(&[7]));
    assert!(ends[1].1.next().is_none() && ends[2].1.next().is_none());
    assert_eq!(ends[0].1.next().map(|frame| frame[0]), Some(7));
    let counters = host.counters();
    assert_eq!((counters.offered, counters.sent, counters.requests, counters.tables), (3, 1, 3, 1));
}
