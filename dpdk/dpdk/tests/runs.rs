//! Packets made a run at a time: whatever ends a run, buffers and claims that were taken for it are there for the next.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

#[path = "process/alone.rs"]
mod alone;
#[path = "process/bench.rs"]
#[allow(dead_code, reason = "each test file uses its part")]
mod bench;

use std::panic::{AssertUnwindSafe, catch_unwind};

use alone::{alone, eal};
use bench::{Bench, Make, Tx, buffers, octets, open, pattern, receive, send};
use dpdk::payload::Payload;
use dpdk::tx::DpdkTxBuf;
use netio::{BURST, Burst, OwnedBytes, PLANNED_HEADER_OCTETS, PathId, Planned, TxFull, TxQueue};

/// Packet `number`, whose header is as long as it says.
fn planned(number: u32, header_octets: u8) -> Planned {
    let header = [number as u8; PLANNED_HEADER_OCTETS];
    Planned { header, header_octets, octets: 100, start: number * 100, launch: None }
}

/// Headers of packets that straddle rows are longer.
fn header_octets(number: u32) -> u8 {
    [20, 20, 26, 20][number as usize % 4]
}

#[test]
fn an_iterator_that_unwinds_takes_nothing_with_it() {
    alone("an_iterator_that_unwinds_takes_nothing_with_it", || {
        let eal = eal(64);
        let (mut bench, mut tx, mut rx) = Bench::open::<OwnedBytes>(&eal, Make::default());
        let path = open(&mut bench, &mut tx);
        let bytes = pattern(10 * 100);
        for round in 0..40 {
            let lease = OwnedBytes::new(bytes.clone());
            let watch = lease.watch();
            let payload = tx.attach(lease, 10).unwrap();
            let mut burst = Burst::new();
            let unwinds = round % 10;
            let packets = (0..10).map(|number| {
                assert!(number != unwinds, "as it is meant to");
                planned(number, header_octets(number))
            });
            let outcome = catch_unwind(AssertUnwindSafe(|| tx.gather_burst(path, &payload, packets, &mut burst)));
            assert!(outcome.is_err());
            assert_eq!((burst.len(), payload.ungathered()), (unwinds as usize, 10 - unwinds));
            let rest = (unwinds..11).map(|number| planned(number.min(9), header_octets(number.min(9))));
            assert_eq!(tx.gather_burst(path, &payload, rest, &mut burst), Err(TxFull::Packets), "ten were announced");
            let mut all: Vec<usize> = burst.iter().flat_map(buffers).collect();
            all.sort_unstable();
            assert!(all.len() == 20 && all.windows(2).all(|pair| pair[0] != pair[1]), "no buffer twice");
            drop(payload);
            send(&mut tx, &mut burst);
            let received = receive(&mut rx);
            assert_eq!(received.len(), 10);
            for (number, packet) in (0..).zip(&received) {
                let header = vec![number as u8; header_octets(number).into()];
                let samples = &bytes[number as usize * 100..][..100];
                assert_eq!(octets(packet), [&header[..], samples].concat(), "packet {number}");
            }
            tx.reap();
            assert!(watch.is_held(), "the receiver has the packets");
            drop(received);
            tx.reap();
            assert!(!watch.is_held(), "round {round}");
        }
        drop(tx);
        assert_eq!(bench.buffers_out(), 0, "every buffer came back");
    });
}

/// Makes packets that are alike until something keeps it from that: all of them, in bursts, and what it was.
fn all_that_can_be(tx: &mut Tx, path: PathId, payload: &Payload<OwnedBytes>) -> (Vec<Burst<DpdkTxBuf>>, TxFull) {
    let mut bursts = Vec::new();
    loop {
        let mut burst = Burst::new();
        let alike = std::iter::repeat(Planned { start: 0, ..planned(7, 20) });
        let outcome = tx.gather_burst(path, payload, alike, &mut burst);
        let is_full = burst.is_full();
        bursts.push(burst);
        match outcome {
            Ok(()) => assert!(is_full, "there were more packets to make"),
            Err(full) => return (bursts, full),
        }
    }
}

#[test]
fn a_run_ends_where_buffers_do_and_goes_on_when_they_are_back() {
    alone("a_run_ends_where_buffers_do_and_goes_on_when_they_are_back", || {
        let eal = eal(64);
        // Whichever buffers are the fewer.
        for pools in [[511, 2_047], [2_047, 511]] {
            let (mut bench, mut tx, mut rx) = Bench::open_with(&eal, Make::default(), pools);
            let path = open(&mut bench, &mut tx);
            let most = bench.references.capacity().min(bench.headers.capacity());
            let lease = OwnedBytes::new(pattern(100));
            let watch = lease.watch();
            let payload = tx.attach(lease, 3 * most).unwrap();
            for round in 1..=2 {
                let (bursts, full) = all_that_can_be(&mut tx, path, &payload);
                assert_eq!((full, bench.counters.tx.no_mbufs.value()), (TxFull::Buffers, round), "{pools:?}");
                let made: usize = bursts.iter().map(Burst::len).sum();
                assert_eq!((made as u32, payload.ungathered()), (most, (3 - round as u32) * most), "{pools:?}");
                let mut all: Vec<usize> = bursts.iter().flatten().flat_map(buffers).collect();
                all.sort_unstable();
                assert!(all.len() == 2 * made && all.windows(2).all(|pair| pair[0] != pair[1]), "no buffer twice");
                assert!(watch.is_held());
            }
            let mut burst = all_that_can_be(&mut tx, path, &payload).0.swap_remove(0);
            send(&mut tx, &mut burst);
            let received = receive(&mut rx);
            assert!(received.iter().all(|packet| octets(packet) == [&[7; 20][..], &pattern(100)].concat()));
            assert_eq!(received.len(), BURST);
            drop((received, payload));
            tx.reap();
            assert!(!watch.is_held());
            drop(tx);
            assert_eq!(bench.buffers_out(), 0, "every buffer came back");
        }
    });
}
