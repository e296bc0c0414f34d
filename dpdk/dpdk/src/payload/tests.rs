//! Counts come out even, whatever drops first.

use std::sync::atomic::{AtomicU16, Ordering};

use netio::OwnedBytes;
use proptest::prelude::*;

use super::*;

type Table = PayloadTable<OwnedBytes>;

fn lease(octets: usize) -> OwnedBytes {
    OwnedBytes::new((0..octets).map(|n| n as u8).collect())
}

/// A buffer that was attached with a part's shared info.
struct Buffer(NonNull<rte_mbuf_ext_shared_info>);

impl Buffer {
    /// As `rte_pktmbuf_free` does with the last reference to a buffer.
    fn free(self) {
        let info = self.0.as_ptr();
        // SAFETY: a part stays in place until it is done, and it is not done before this buffer is freed.
        unsafe {
            if AtomicU16::from_ptr(&raw mut (*info).refcnt).fetch_sub(1, Ordering::AcqRel) == 1 {
                let free = (*info).free_cb.expect("a callback");
                free(std::ptr::null_mut(), (*info).fcb_opaque);
            }
        }
    }
}

fn take<L>(payload: &Payload<L>) -> Buffer {
    Buffer(payload.take(1).expect("something is left"))
}

#[test]
fn a_lease_lasts_until_its_last_buffer_is_freed() {
    let mut table = Table::new(1);
    let lease = lease(10);
    let watch = lease.watch();
    let payload = table.attach(lease, 2).unwrap();
    let buffers = [take(&payload), take(&payload)];
    assert!(payload.take(1).is_none());
    drop(payload);
    let [first, second] = buffers;
    first.free();
    table.reap();
    assert!(watch.is_held());
    second.free();
    assert!(watch.is_held(), "the callback itself drops nothing");
    table.reap();
    assert!(!watch.is_held());
    assert_eq!((table.held(), table.free.len()), (0, 1));
}

#[test]
fn a_large_lease_is_counted_in_parts() {
    let mut table = Table::new(1);
    let lease = lease(1);
    let watch = lease.watch();
    // A 2160p frame on two legs.
    let payload = table.attach(lease, 34_560).unwrap();
    assert_eq!((payload.slot.parts(), payload.slot.part_packets(0), payload.slot.part_packets(1)), (2, 32_768, 1_792));
    let buffers: Vec<_> = (0..34_560).map(|_| take(&payload)).collect();
    assert!(payload.take(1).is_none());
    let infos: std::collections::BTreeSet<_> = buffers.iter().map(|buffer| buffer.0).collect();
    assert_eq!(infos.len(), 2);
    for buffer in buffers {
        table.reap();
        assert!(watch.is_held());
        buffer.free();
    }
    table.reap();
    assert!(watch.is_held(), "the payload");
    drop(payload);
    table.reap();
    assert!(!watch.is_held());
}

#[test]
fn what_was_never_gathered_is_subtracted_from_every_part() {
    for gathered in 0..=10 {
        let mut table = Table::with_parts_of(1, 4);
        let lease = lease(1);
        let watch = lease.watch();
        let payload = table.attach(lease, 10).unwrap();
        assert_eq!(payload.slot.parts(), 3);
        let buffers: Vec<_> = (0..gathered).map(|_| take(&payload)).collect();
        drop(payload);
        table.reap();
        assert_eq!(watch.is_held(), gathered > 0, "{gathered}");
        buffers.into_iter().for_each(Buffer::free);
        table.reap();
        assert!(!watch.is_held(), "{gathered}");
    }
}

#[test]
fn a_packet_in_several_buffers_lasts_until_all_are_freed() {
    let mut table = Table::new(1);
    let lease = lease(1);
    let watch = lease.watch();
    let payload = table.attach(lease, 1).unwrap();
    let info = payload.take(3).unwrap();
    drop(payload);
    for _ in 0..3 {
        table.reap();
        assert!(watch.is_held());
        Buffer(info).free();
    }
    table.reap();
    assert!(!watch.is_held());
}

#[test]
fn buffers_beyond_the_count_wait_and_cost_nothing() {
    let mut table = Table::new(1);
    let payload = table.attach(lease(1), PART_PACKETS).unwrap();
    let many = u16::MAX - PART_PACKETS as u16 + 1;
    let mut buffers = vec![Buffer(payload.take(many).unwrap())];
    assert!(payload.take(2).is_none(), "65,535 references are out");
    assert_eq!(payload.ungathered(), PART_PACKETS - 1);
    let info = buffers[0].0;
    buffers.extend((1..many).map(|_| Buffer(info)));
    buffers.pop().unwrap().free();
    buffers.push(Buffer(payload.take(2).unwrap()));
    buffers.push(Buffer(info));
    drop(payload);
    table.reap();
    assert_eq!(table.held(), 1);
    // No other test may find them retired.
    buffers.into_iter().for_each(Buffer::free);
    table.reap();
    assert_eq!(table.held(), 0);
}

#[test]
fn limits_give_the_lease_back() {
    let mut table = Table::with_parts_of(1, 2);
    let (refused, back) = table.attach(lease(7), 2 * PARTS_MAX as u32 + 1).unwrap_err();
    assert_eq!(refused, TxFull::Packets);
    let payload = table.attach(back, 2 * PARTS_MAX as u32).unwrap();
    let (refused, back) = table.attach(lease(3), 1).unwrap_err();
    assert_eq!((refused, StableBytes::octets(&back)), (TxFull::Payloads, 3));
    drop(payload);
    table.reap();
    assert!(table.attach(back, 0).is_ok());
    table.reap();
    assert_eq!(table.held(), 0, "a lease without packets ends with its payload");
}

#[test]
fn ranges_are_checked() {
    let mut table = Table::new(1);
    let lease = lease(10);
    let start = lease.as_ptr();
    let payload = table.attach(lease, 1).unwrap();
    let inverted = Range { start: 3, end: 2 };
    for range in [0..11, 11..11, inverted, 5..u32::MAX] {
        assert_eq!(payload.check(&range), Err(TxFull::Range));
    }
    assert_eq!(payload.check(&(3..10)), Ok(start.wrapping_add(3)));
    assert_eq!(payload.check(&(10..10)), Ok(start.wrapping_add(10)));
    payload.pass();
    assert_eq!(payload.check(&(0..1)), Err(TxFull::Packets));
}

/// One test for all that lets go of leases beyond their table: the list is the process's.
#[test]
fn what_is_in_flight_outlives_its_table_and_is_collected() {
    let mut table = Table::new(3);
    let leases = [lease(1), lease(2), lease(3)];
    let [held, in_flight, finished] = leases.each_ref().map(OwnedBytes::watch);
    let mut payloads = leases.into_iter().map(|lease| table.attach(lease, 1).unwrap());
    let (payload, sent, done) = (payloads.next().unwrap(), payloads.next().unwrap(), payloads.next().unwrap());
    drop(payloads);
    let buffer = take(&sent);
    drop((sent, done, table));
    assert!(!finished.is_held(), "the table had nothing to wait for");
    assert_eq!(retired_leases(), 2);
    assert!(held.is_held() && in_flight.is_held());
    buffer.free();
    assert_eq!(retired_leases(), 1);
    assert!(!in_flight.is_held());
    let late = take(&payload);
    drop(payload);
    assert_eq!(retired_leases(), 1);
    late.free();
    assert!(held.is_held(), "the callback itself drops nothing");
    assert_eq!((retired_leases(), held.is_held()), (0, false));
}

#[test]
fn buffers_freed_by_another_thread_end_the_lease() {
    struct Sent(Vec<Buffer>);
    // SAFETY: a buffer may be freed on any thread.
    unsafe impl Send for Sent {}
    let mut table = Table::with_parts_of(1, 100);
    for round in 0..50 {
        let lease = lease(1);
        let watch = lease.watch();
        let payload = table.attach(lease, 350).unwrap();
        let sent = Sent((0..250).map(|_| take(&payload)).collect());
        let freeing = std::thread::spawn(move || {
            let sent = sent;
            sent.0.into_iter().for_each(Buffer::free);
        });
        drop(payload);
        freeing.join().unwrap();
        table.reap();
        assert!(!watch.is_held(), "round {round}");
    }
}

proptest! {
    /// Any mixture of gathering, copying, freeing and cancelling: the lease ends exactly when nothing is out.
    #[test]
    fn the_lease_ends_with_the_last_reference(
        packets in 0..40_u32,
        part in 1..10_u32,
        steps in prop::collection::vec((0..4_u8, 1..4_u16), 0..80),
    ) {
        let mut table = Table::with_parts_of(1, part);
        let bytes = lease(1);
        let watch = bytes.watch();
        let Ok(payload) = table.attach(bytes, packets) else {
            prop_assert!(packets.div_ceil(part) as usize > PARTS_MAX);
            return Ok(());
        };
        let mut out = Vec::new();
        let mut left = packets;
        for (step, buffers) in steps {
            match step {
                0 | 1 => if let Some(info) = payload.take(buffers) {
                    out.extend((0..buffers).map(|_| Buffer(info)));
                    left -= 1;
                },
                2 => { left = left.saturating_sub(1); payload.pass(); }
                _ => if !out.is_empty() { out.swap_remove(usize::from(buffers) % out.len()).free(); },
            }
            prop_assert_eq!(payload.ungathered(), left);
            table.reap();
            prop_assert!(watch.is_held());
        }
        drop(payload);
        while let Some(buffer) = out.pop() {
            table.reap();
            prop_assert!(watch.is_held());
            buffer.free();
        }
        table.reap();
        prop_assert!(!watch.is_held());
    }
}
