//! What happens in an interleaving, and how often.

use proptest::prelude::*;

use super::LINES;
use crate::fixture::leased;
use crate::{ConsumerClass, Start};

/// `which` counts the open grains from the least, or the leases of a seat.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Open {
        ahead: u64,
    },
    Publish {
        which: usize,
        lines: u16,
    },
    Lose {
        which: usize,
        line: u16,
    },
    Commit(usize),
    Cancel(usize),
    Poll,
    Join {
        seat: u8,
        class: ConsumerClass,
        start: Start,
    },
    Evict(u8),
    Lease(u8),
    Release {
        seat: u8,
        which: usize,
    },
    Skip {
        seat: u8,
        by: u64,
    },
    Acknowledge(u8),
    Gone(u8),
    /// `acknowledge`: with this nonce's difference to the right one.
    Scribble {
        seat: u8,
        cursor: u64,
        acknowledge: Option<u64>,
    },
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let seat = 0_u8..4;
    prop_oneof![
        // The last is a leap onto the descriptor of the newest grain, for each number of descriptors here.
        4 => prop_oneof![4 => Just(0_u64), 1 => 0_u64..3, 1 => 0_u64..1000, 2 => (1_u64..3).prop_map(|laps| laps * 32 - 1)]
            .prop_map(|ahead| Step::Open { ahead }),
        2 => (0_usize..3, 0..=LINES).prop_map(|(which, lines)| Step::Publish { which, lines }),
        1 => (0_usize..3, 0..LINES).prop_map(|(which, line)| Step::Lose { which, line }),
        4 => (0_usize..3).prop_map(Step::Commit),
        1 => (0_usize..3).prop_map(Step::Cancel),
        1 => Just(Step::Poll),
        2 => (seat.clone(), class(), prop::sample::select(vec![Start::Live, Start::Oldest]))
            .prop_map(|(seat, class, start)| Step::Join { seat, class, start }),
        1 => seat.clone().prop_map(Step::Evict),
        5 => seat.clone().prop_map(Step::Lease),
        4 => (seat.clone(), 0_usize..4).prop_map(|(seat, which)| Step::Release { seat, which }),
        1 => (seat.clone(), 0_u64..4).prop_map(|(seat, by)| Step::Skip { seat, by }),
        2 => seat.clone().prop_map(Step::Acknowledge),
        1 => seat.clone().prop_map(Step::Gone),
        1 => (seat, prop_oneof![0_u64..40, any::<u64>()], prop::option::of(0_u64..2))
            .prop_map(|(seat, cursor, acknowledge)| Step::Scribble { seat, cursor, acknowledge }),
    ]
}

fn class() -> impl Strategy<Value = ConsumerClass> {
    prop_oneof![
        1 => Just(ConsumerClass::Lossy),
        3 => (1_u16..4).prop_map(leased),
        1 => (1_u16..4).prop_map(|k| ConsumerClass::Blocking { k }),
    ]
}
