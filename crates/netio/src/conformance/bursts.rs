//! Checks: packets that are made a burst at a time are those that are made one by one.

use super::{Harness, Link, attach, header, lease, push, receive, send};
use crate::{BURST, Burst, PLANNED_HEADER_OCTETS, Planned, TxFull, TxQueue};

fn planned(n: u32, octets: u16) -> Planned {
    let mut room = [0xee; PLANNED_HEADER_OCTETS];
    let written = header(n as u16);
    room[..written.len()].copy_from_slice(&written);
    Planned { header: room, header_octets: written.len() as u8, octets, start: n * 3, launch: None }
}

/// Sizes, and lengths of headers, change within a burst; more packets are offered than fit.
pub(super) fn a_burst_is_gathered_as_its_packets_are<H: Harness>(harness: &mut H) {
    let Link { mut tx, mut rx, paths: [path, _] } = harness.link();
    let id = tx.open_path(&path).expect("the path opens");
    let sizes = [1200_u16, 1200, 1200, 960, 1200, 0, 1, 1200, 1300, 1300];
    let (lease, _, bytes) = lease(2_000);
    let payload = attach(&mut tx, lease, 2 * BURST as u32);
    let mut burst = Burst::new();
    let mut packets = (0..).map(|n| planned(n, sizes[n as usize % sizes.len()]));
    let (mut number, mut taken) = (0, [2, BURST - 2, BURST].into_iter());
    for _ in 0..2 {
        while let Some(count) = (!burst.is_full()).then(|| taken.next()).flatten() {
            tx.gather_burst(id, &payload, packets.by_ref().take(count), &mut burst).expect("made");
        }
        assert_eq!(burst.len(), BURST);
        assert_eq!(tx.gather_burst(id, &payload, [planned(0, 9)].into_iter(), &mut burst), Ok(()), "it is full");
        assert_eq!(burst.len(), BURST);
        send(harness, &mut tx, &rx, &mut burst);
        for packet in receive(harness, &mut rx, BURST) {
            let range = number as usize * 3..number as usize * 3 + usize::from(sizes[number as usize % sizes.len()]);
            assert_eq!(packet.octets, [&header(number as u16), &bytes[range]].concat(), "packet {number}");
            number += 1;
        }
    }
}

/// What cannot be made ends the burst there; what was made before it stays.
pub(super) fn a_burst_ends_at_the_packet_that_cannot_be_made<H: Harness>(harness: &mut H) {
    let Link { mut tx, mut rx, paths: [path, _] } = harness.link();
    let id = tx.open_path(&path).expect("the path opens");
    let (lease, watch, _) = lease(100);
    let payload = attach(&mut tx, lease, 5);
    let mut burst = Burst::new();
    let outside = [planned(0, 90), planned(1, 90), planned(2, 95), planned(0, 10)];
    assert_eq!(tx.gather_burst(id, &payload, outside.into_iter(), &mut burst), Err(TxFull::Range));
    assert_eq!((burst.len(), tx.gather_burst(id, &payload, std::iter::empty(), &mut burst)), (2, Ok(())));
    let unannounced = (0..9).map(|n| planned(n, 20));
    assert_eq!(tx.gather_burst(id, &payload, unannounced, &mut burst), Err(TxFull::Packets));
    assert_eq!(burst.len(), 5);
    let none = tx.gather_burst(id, &payload, std::iter::empty(), &mut burst);
    assert_eq!(none, Ok(()), "all that were announced are made, and no more is wanted");
    tx.close_path(id);
    assert_eq!(tx.gather_burst(id, &payload, [planned(0, 9)].into_iter(), &mut burst), Err(TxFull::Path));
    burst.clear();
    drop(payload);
    tx.reap();
    assert!(!watch.is_held(), "every reference is back");
    // The queue goes on.
    let id = tx.open_path(&path).expect("the path opens");
    let (lease, _, _) = super::lease(100);
    let payload = attach(&mut tx, lease, 1);
    push(&mut burst, super::gather(&mut tx, id, &header(1), &payload, 0..50));
    send(harness, &mut tx, &rx, &mut burst);
    assert_eq!(receive(harness, &mut rx, 1).len(), 1);
}
