//! I7: leaving, eviction and acknowledgement free each slot once. The verdict on a consumer is visible before
//! any grain that it is about.

use std::iter;

use loom::thread;
use media::{GrainIndex, Tai};

use super::exploration::{catches, explore, outcome};
use super::stage::{Stage, join, leased, look};
use crate::seed::Bug;
use crate::{AcknowledgeError, FrameReader, GrainLease, Mail, Mailbox, Notice, OpenError, ReadError, SeatStatus};

/// A consumer that may hold one grain has yet to read two when the writer opens a third. It hurries.
fn late() {
    let mut stage = Stage::new(3, 1);
    let mut reader = stage.join(0, leased(1));
    (0..2).for_each(|index| stage.grain(index).unwrap());
    loom::explore();
    let writer = thread::spawn(move || stage.grain(2).unwrap());
    reader.skip_to(GrainIndex(1));
    let lease = reader.lease(GrainIndex(2));
    match &lease {
        Ok(lease) => {
            lease.state().map(|state| look(lease, state.slices)).expect("leased grains stay");
            outcome("leased");
        }
        Err(ReadError::NotYet { .. }) => outcome("not yet"),
        Err(error) => {
            assert_eq!(*error, ReadError::Evicted { hi: GrainIndex(2) });
            outcome("evicted");
        }
    }
    writer.join().unwrap();
    if let SeatStatus::Evicted { hi } = reader.status() {
        assert!(lease.is_err() && hi == GrainIndex(2), "leased a grain out of reach");
    }
}

/// An evicted consumer with one lease; all slots but the newest grain's are in quarantine for it.
fn evicted() -> (Stage, FrameReader, GrainLease) {
    let mut stage = Stage::new(3, 1);
    let mut reader = stage.join(0, leased(1));
    (0..2).for_each(|index| stage.grain(index).unwrap());
    let lease = reader.lease(GrainIndex(0)).unwrap();
    stage.grain(2).unwrap();
    assert!(matches!(stage.mailbox.take_notice(), Some(Notice::Evicted { hi: GrainIndex(2), .. })));
    (stage, reader, lease)
}

/// The evicted one's lease ends on one thread, another acknowledges, and the writer wants a slot.
fn acknowledged() {
    let (mut stage, mut reader, lease) = evicted();
    loom::explore();
    let end = thread::spawn(move || look(&lease, 1));
    let acknowledging = thread::spawn(move || {
        // The second time, if the lease has ended by then.
        let ended = (0..2).any(|_| reader.acknowledge_eviction().is_ok());
        (reader, ended)
    });
    let first_try = stage.grain(3);
    assert!(matches!(first_try, Ok(()) | Err(OpenError::NoSlot { .. })));
    join([end]);
    let (mut reader, ended) = acknowledging.join().unwrap();
    outcome(match (ended, first_try) {
        (true, Ok(())) => "ended, got",
        (true, Err(_)) => "ended, no slot",
        (false, _) => "in use",
    });
    if !ended {
        reader.acknowledge_eviction().unwrap();
    }
    let second_try = first_try.or_else(|_| stage.grain(3));
    assert!(second_try.is_ok(), "acknowledged, but not seen to be");
    stage.writer.poll(Tai::EPOCH);
    let released = notices(&stage.mailbox).filter(|notice| matches!(notice, Notice::Released { .. }));
    assert_eq!(released.count(), 1, "released more than once or never");
    assert_eq!((stage.writer.slot_accounts().leased, stage.writer.slot_accounts().quarantined), (0, 0));
}

/// The evicted one acknowledges and is gone, and as soon as the seat is free another one sits in it.
fn replaced() {
    let (mut stage, mut reader, lease) = evicted();
    drop(lease);
    loom::explore();
    let mailbox = stage.mailbox.clone();
    let gone = thread::spawn(move || {
        // Two post here, and whoever finds the other at it tries again.
        while mailbox.post(Mail::Gone { consumer: 0, nonce: 1 }).is_err() {
            thread::yield_now();
        }
    });
    let acknowledging = thread::spawn(move || match reader.acknowledge_eviction() {
        // Or the writer has let it go, because it is gone.
        Ok(()) | Err(AcknowledgeError::NotEvicted) => {}
        Err(error) => panic!("{error}"),
    });
    let mut seen = look_after(&mut stage);
    join([gone, acknowledging]);
    seen.extend(look_after(&mut stage));
    let freed = seen.iter().filter(|notice| matches!(notice, Notice::Released { nonce: 1, .. }));
    assert_eq!(freed.count(), 1, "released more than once or never");
    let others =
        |notice: &Notice| !matches!(notice, Notice::Released { nonce: 1, .. } | Notice::Joined { nonce: 2, .. });
    assert!(!seen.iter().any(others), "the newcomer was turned out: {seen:?}");
    assert_eq!((stage.writer.slot_accounts().leased, stage.writer.slot_accounts().quarantined), (0, 0));
}

/// Polls; gives the seat of the one that was evicted to another; polls.
fn look_after(stage: &mut Stage) -> Vec<Notice> {
    stage.writer.poll(Tai::EPOCH);
    let mut seen: Vec<_> = notices(&stage.mailbox).collect();
    if seen.iter().any(|notice| matches!(notice, Notice::Released { nonce: 1, .. })) {
        let _parts = stage.ask(0, leased(1));
    }
    stage.writer.poll(Tai::EPOCH);
    seen.extend(notices(&stage.mailbox));
    seen
}

fn notices(mailbox: &Mailbox) -> impl Iterator<Item = Notice> {
    iter::from_fn(|| mailbox.take_notice())
}

#[test]
fn an_eviction_is_seen_before_the_grain_that_it_was_made_for() {
    explore("an eviction", 3, late).are(["leased", "not yet", "evicted"]);
    catches(Bug::EvictedLate, "leased a grain out of reach", late);
}

#[test]
fn what_is_acknowledged_is_free() {
    explore("an acknowledgement", 3, acknowledged).are(["ended, got", "ended, no slot", "in use"]);
    for bug in [Bug::AcknowledgedRelaxed, Bug::AcknowledgementReadRelaxed] {
        catches(bug, "Causality violation", acknowledged);
    }
}

#[test]
fn a_membership_ends_once() {
    explore("a seat that changes hands", 3, replaced);
    catches(Bug::AnyNonceLeaves, "the newcomer was turned out", replaced);
}
