//! Counts come out even, whatever drops first.

use netio::OwnedBytes;
use proptest::prelude::*;

use super::*;

type Table = PayloadTable<OwnedBytes>;

fn lease(octets: usize) -> OwnedBytes {
    OwnedBytes::new((0..octets).map(|n| n as u8).collect())
}

fn take<L>(payload: &Payload<L>) -> Claim {
    payload.take().expect("something is left")
}

#[test]
fn a_lease_lasts_until_its_last_claim_is_given_back() {
    let mut table = Table::new(1);
    let lease = lease(10);
    let watch = lease.watch();
    let payload = table.attach(lease, 2).unwrap();
    let claims = [take(&payload), take(&payload)];
    assert!(payload.take().is_none());
    drop(payload);
    let [first, second] = claims;
    drop(first);
    table.reap();
    assert!(watch.is_held());
    drop(second);
    assert!(watch.is_held(), "whoever frees drops nothing");
    table.reap();
    assert!(!watch.is_held());
    assert_eq!((table.held(), table.free.len()), (0, 1));
}

#[test]
fn a_large_lease_is_counted_right() {
    let mut table = Table::new(1);
    let lease = lease(1);
    let watch = lease.watch();
    // An 8K frame on two legs: beyond 16 bits.
    let payload = table.attach(lease, 138_240).unwrap();
    let claims: Vec<_> = (0..138_240).map(|_| take(&payload)).collect();
    assert!(payload.take().is_none());
    for claim in claims {
        table.reap();
        assert!(watch.is_held());
        drop(claim);
    }
    table.reap();
    assert!(watch.is_held(), "the payload");
    drop(payload);
    table.reap();
    assert!(!watch.is_held());
}

#[test]
fn what_was_never_gathered_is_subtracted() {
    for gathered in 0..=10 {
        let mut table = Table::new(1);
        let lease = lease(1);
        let watch = lease.watch();
        let payload = table.attach(lease, 10).unwrap();
        let claims: Vec<_> = (0..gathered).map(|_| take(&payload)).collect();
        drop(payload);
        table.reap();
        assert_eq!(watch.is_held(), gathered > 0, "{gathered}");
        drop(claims);
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
    let claim = take(&payload);
    let claims = [claim.another(), claim.another(), claim];
    drop(payload);
    for claim in claims {
        table.reap();
        assert!(watch.is_held());
        // As buffers do.
        let count = claim.into_raw();
        // SAFETY: one claim was made raw, and is given back here.
        unsafe { Claim::release_raw(count, 1) };
    }
    table.reap();
    assert!(!watch.is_held());
}

#[test]
fn limits_give_the_lease_back() {
    let mut table = Table::new(1);
    let (refused, back) = table.attach(lease(7), PACKETS_MAX + 1).unwrap_err();
    assert_eq!(refused, TxFull::Packets);
    let payload = table.attach(back, PACKETS_MAX).unwrap();
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
    let claim = take(&sent);
    drop((sent, done, table));
    assert!(!finished.is_held(), "the table had nothing to wait for");
    assert_eq!(retired_leases(), 2);
    assert!(held.is_held() && in_flight.is_held());
    drop(claim);
    assert_eq!(retired_leases(), 1);
    assert!(!in_flight.is_held());
    let late = take(&payload);
    drop(payload);
    assert_eq!(retired_leases(), 1);
    drop(late);
    assert!(held.is_held(), "whoever frees drops nothing");
    assert_eq!((retired_leases(), held.is_held()), (0, false));
}

#[test]
fn claims_given_back_by_another_thread_end_the_lease() {
    struct Sent(Vec<Claim>);
    // SAFETY: a buffer may be freed on any thread.
    unsafe impl Send for Sent {}
    let mut table = Table::new(1);
    for round in 0..50 {
        let lease = lease(1);
        let watch = lease.watch();
        let payload = table.attach(lease, 350).unwrap();
        let sent = Sent((0..250).map(|_| take(&payload)).collect());
        let freeing = std::thread::spawn(move || {
            let sent = sent;
            drop(sent.0);
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
    fn the_lease_ends_with_the_last_claim(
        packets in 0..40_u32,
        steps in prop::collection::vec((0..4_u8, 1..4_u16), 0..80),
    ) {
        let mut table = Table::new(1);
        let bytes = lease(1);
        let watch = bytes.watch();
        let payload = table.attach(bytes, packets).unwrap();
        let mut out = Vec::new();
        let mut left = packets;
        for (step, buffers) in steps {
            match step {
                0 | 1 => if let Some(claim) = payload.take() {
                    out.extend((1..buffers).map(|_| claim.another()));
                    out.push(claim);
                    left -= 1;
                },
                2 => { left = left.saturating_sub(1); payload.pass(); }
                _ => if !out.is_empty() { drop(out.swap_remove(usize::from(buffers) % out.len())); },
            }
            prop_assert_eq!(payload.ungathered(), left);
            table.reap();
            prop_assert!(watch.is_held());
        }
        drop(payload);
        while let Some(claim) = out.pop() {
            table.reap();
            prop_assert!(watch.is_held());
            drop(claim);
        }
        table.reap();
        prop_assert!(!watch.is_held());
    }
}
