//! The operator's evictions, of each class; and whose verdict a seat shows once another one sits in it.

use loom::thread;
use media::{GrainIndex, Tai};

use super::exploration::{catches, explore, outcome};
use super::stage::{Stage, blocking, leased, payloads};
use crate::seed::Bug;
use crate::{ConsumerClass, Mail, Notice, OpenError, ReadError, SeatStatus};

/// The operator has the consumer out that has leased the first of two grains, while it goes for the third.
fn dismissed(class: ConsumerClass) {
    let mut stage = Stage::new(3, 1);
    let mut reader = stage.join(0, class);
    (0..2).for_each(|index| stage.grain(index).unwrap());
    let first = reader.lease(GrainIndex(0)).unwrap();
    stage.mailbox.post(Mail::Evict { consumer: 0, nonce: 1 }).unwrap();
    loom::explore();
    let writer = thread::spawn(move || {
        stage.grain(2).unwrap();
        let wanted = stage.grain(3);
        match class {
            ConsumerClass::Lossy => assert_eq!(wanted, Ok(()), "a lossy consumer holds nothing"),
            _ => assert!(matches!(wanted, Err(OpenError::NoSlot { .. })), "in quarantine: {wanted:?}"),
        }
    });
    let mut out = payloads(9, 1);
    match first.copy_lines(0..1, &mut out) {
        Ok(()) => assert_eq!(out, payloads(0, 1), "torn"),
        Err(error) => assert!(class == ConsumerClass::Lossy, "leased grains stay: {error}"),
    }
    let lease = reader.lease(GrainIndex(2));
    writer.join().unwrap();
    assert_eq!(reader.status(), SeatStatus::Evicted { hi: GrainIndex(2) });
    match lease {
        Ok(_) => panic!("leased a grain out of reach"),
        Err(ReadError::NotYet { .. }) => outcome("not yet"),
        Err(error) => {
            assert_eq!(error, ReadError::Evicted { hi: GrainIndex(2) });
            outcome("evicted");
        }
    }
}

/// A consumer that was evicted has acknowledged, and another one gets its seat.
fn succeeded() {
    let mut stage = Stage::new(3, 1);
    let mut reader = stage.join(0, leased(1));
    (0..3).for_each(|index| stage.grain(index).unwrap());
    reader.acknowledge_eviction().unwrap();
    stage.writer.poll(Tai::EPOCH);
    let _parts = stage.ask(0, leased(1));
    loom::explore();
    let writer = thread::spawn(move || {
        stage.writer.poll(Tai::EPOCH);
        stage
    });
    let status = reader.status();
    let own = [SeatStatus::Evicted { hi: GrainIndex(2) }, SeatStatus::Empty];
    assert!(own.contains(&status), "another's verdict: {status:?}");
    outcome(if status == SeatStatus::Empty { "another's seat" } else { "its own still" });
    let stage = writer.join().unwrap();
    assert_eq!(reader.status(), SeatStatus::Empty);
    let mut notices = std::iter::from_fn(|| stage.mailbox.take_notice());
    assert!(notices.any(|notice| matches!(notice, Notice::Joined { nonce: 2, .. })));
}

#[test]
fn whom_the_operator_has_out_sees_it_before_the_next_grain() {
    for (name, class) in [("leased", leased(2)), ("blocking", blocking(2)), ("lossy", ConsumerClass::Lossy)] {
        explore(&format!("a {name} consumer that is dismissed"), 2, move || dismissed(class))
            .are(["not yet", "evicted"]);
        catches(Bug::EvictedLate, "leased a grain out of reach", move || dismissed(class));
    }
}

#[test]
fn a_verdict_is_ones_own() {
    explore("a verdict in a seat that changes hands", 3, succeeded).are(["another's seat", "its own still"]);
    for bug in [Bug::VerdictFirst, Bug::VerdictRelaxed, Bug::NonceReadFirst] {
        catches(bug, "another's verdict", succeeded);
    }
}
