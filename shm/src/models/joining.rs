//! I1 and I7 from the first moment of a membership: what a consumer is told to begin at is there, and stays.

use loom::thread;
use media::GrainIndex;

use super::exploration::{catches, explore, outcome};
use super::stage::{Stage, leased, look};
use crate::seed::Bug;
use crate::{FrameReader, Notice, OpenError, ReadError, SeatStatus, Start};

/// Somebody joins while grains are opened, and reads its first one, which must be `first`.
fn joining(start: Start, first: u64) {
    let mut stage = Stage::new(2, 1);
    (0..2).for_each(|index| stage.grain(index).unwrap());
    let parts = stage.ask_from(0, leased(2), start);
    let mailbox = stage.mailbox.clone();
    loom::explore();
    let writer = thread::spawn(move || {
        for index in 2..5 {
            let opened = stage.grain(index);
            assert!(matches!(opened, Ok(()) | Err(OpenError::NoSlot { .. })), "{opened:?}");
        }
    });
    if let Some(notice) = mailbox.take_notice() {
        let Notice::Joined { eff, .. } = notice else { panic!("{notice:?}") };
        assert_eq!(eff, GrainIndex(first));
        let mut reader = FrameReader::new(parts).unwrap();
        match reader.lease(eff) {
            Ok(lease) => {
                look(&lease, lease.state().expect("leased grains stay").slices);
                outcome("leased");
            }
            Err(error) => {
                assert!(matches!(error, ReadError::NotYet { .. }) && first == 2, "not held: {error}");
                outcome("not yet");
            }
        }
    } else {
        outcome("not in yet");
    }
    writer.join().unwrap();
}

/// At the next grain.
fn live() {
    joining(Start::Live, 2);
}

/// At the oldest of the two that it may hold: all slots that there are.
fn oldest() {
    joining(Start::Oldest, 0);
}

/// Somebody joins who may hold one grain, and perhaps is out of reach of its first one when it begins.
fn late() {
    let mut stage = Stage::new(3, 1);
    (0..2).for_each(|index| stage.grain(index).unwrap());
    let parts = stage.ask(0, leased(1));
    let mailbox = stage.mailbox.clone();
    loom::explore();
    let writer = thread::spawn(move || {
        for index in 2..5 {
            let opened = stage.grain(index);
            assert!(matches!(opened, Ok(()) | Err(OpenError::NoSlot { .. })), "{opened:?}");
        }
    });
    if mailbox.take_notice().is_some() {
        let mut reader = FrameReader::new(parts).unwrap();
        let first = reader.next_index();
        match reader.lease(first) {
            Ok(lease) => {
                assert_eq!(first, GrainIndex(2), "leased a grain out of reach");
                look(&lease, lease.state().expect("leased grains stay").slices);
                outcome("leased");
            }
            Err(ReadError::NotYet { index: GrainIndex(2), .. }) => outcome("not yet"),
            Err(ReadError::NotYet { .. }) => outcome("evicted, and not yet"),
            Err(ReadError::Evicted { hi }) => {
                assert_eq!(hi, GrainIndex(4), "evicted too early");
                outcome("evicted");
            }
            Err(error) => panic!("not held: {error}"),
        }
        let later = reader.lease(GrainIndex(4));
        writer.join().unwrap();
        let is_evicted = matches!(reader.status(), SeatStatus::Evicted { .. });
        assert!(!is_evicted || later.is_err(), "leased a grain out of reach");
    } else {
        outcome("not in yet");
        writer.join().unwrap();
    }
}

#[test]
fn the_first_grain_is_held() {
    explore("a consumer that joins", 3, live).are(["leased", "not yet", "not in yet"]);
    catches(Bug::FreshUnheld, "not the grain", live);
    catches(Bug::JoinedEarly, "NotJoined", live);
}

#[test]
fn the_oldest_grain_is_held() {
    explore("a consumer that joins at the oldest grain", 3, oldest).are(["leased", "not in yet"]);
    catches(Bug::FreshUnheld, "Causality violation", oldest);
}

#[test]
fn who_begins_late_is_evicted_or_not() {
    explore("a consumer that begins late", 2, late).are(["leased", "not yet", "evicted", "not in yet"]);
    catches(Bug::EvictedLate, "leased a grain out of reach", late);
}
