//! Several grains are written at once, and end in any order.

use loom::thread;
use media::GrainIndex;

use super::exploration::{catches, explore, outcome};
use super::stage::{Stage, leased, look};
use crate::seed::Bug;
use crate::{AcknowledgeError, GrainLease, OpenError};

/// Two grains are read while they are open, of which the later one ends first.
fn interleaved() {
    let mut stage = Stage::with_open(3, 1, 2);
    let mut reader = stage.join(0, leased(2));
    let probe = stage.probe();
    loom::explore();
    let writer = thread::spawn(move || {
        (0..2).for_each(|index| stage.open(index).unwrap());
        [1, 0].into_iter().for_each(|index| stage.finish(index));
    });
    let head = probe.head();
    let leases: Vec<_> = (0..2).filter_map(|index| reader.lease(GrainIndex(index)).ok()).collect();
    leases.iter().for_each(follow);
    let of_the_head = leases.iter().find(|lease| Some(lease.index()) == head);
    let is_complete = |lease: &GrainLease| lease.state().is_ok_and(|state| state.complete);
    outcome(match (leases.len(), head) {
        (0, _) => "none yet",
        (1, _) => "one",
        (_, None) => "both, open",
        (_, Some(_)) => "both, one or two ended",
    });
    assert!(head.is_none() || of_the_head.is_some_and(is_complete), "committed before its end");
    writer.join().unwrap();
    assert_eq!(probe.head(), Some(GrainIndex(1)), "fallen");
    leases.iter().for_each(follow);
}

/// Looks at the slices that are there.
fn follow(lease: &GrainLease) {
    look(lease, lease.state().expect("leased grains stay").slices);
}

/// A consumer that still has the first of two grains follows the third, which is open, when the fourth is begun.
fn evicted() {
    let mut stage = Stage::with_open(4, 1, 2);
    let mut reader = stage.join(0, leased(2));
    (0..2).for_each(|index| stage.grain(index).unwrap());
    let first = reader.lease(GrainIndex(0)).unwrap();
    stage.open(2).unwrap();
    let followed = reader.lease(GrainIndex(2)).unwrap();
    loom::explore();
    let writer = thread::spawn(move || {
        stage.open(3).unwrap();
        [2, 3].into_iter().for_each(|index| stage.finish(index));
        let wanted = stage.grain(4);
        assert!(matches!(wanted, Ok(()) | Err(OpenError::NoSlot { .. })), "{wanted:?}");
        (stage, wanted.is_ok())
    });
    follow(&followed);
    follow(&followed);
    drop((first, followed));
    let (mut stage, got) = writer.join().unwrap();
    // Unless it was done before the writer came to evict it.
    let acknowledged = reader.acknowledge_eviction();
    outcome(match (acknowledged, got) {
        (Ok(()), _) => "evicted",
        (Err(AcknowledgeError::NotEvicted), true) => "done before",
        _ => panic!("{acknowledged:?}"),
    });
    assert!(got || stage.grain(4).is_ok(), "acknowledged, but not seen to be");
}

#[test]
fn grains_end_in_any_order() {
    let all = ["none yet", "one", "both, open", "both, one or two ended"];
    explore("two open grains", 3, interleaved).are(all);
    catches(Bug::HeadRelaxed, "committed before its end", interleaved);
    catches(Bug::HeadOfTheLast, "fallen", interleaved);
}

#[test]
fn an_open_grain_is_quarantined_too() {
    explore("an eviction from an open grain", 2, evicted).are(["evicted", "done before"]);
    catches(Bug::NewestUnquarantined, "not the grain", evicted);
}
