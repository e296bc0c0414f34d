//! A consumer as the model sees it.

use std::collections::{BTreeMap, BTreeSet};

use media::GrainIndex;

use super::{LINES, OCTETS};
use crate::fixture::{TestConsumer, line_bytes};
use crate::{ConsumerClass, FrameReader, GrainLease, ReadError};

/// A seat as the model sees it.
pub(super) struct Seat {
    pub(super) consumer: TestConsumer,
    pub(super) leases: BTreeMap<u64, GrainLease>,
    pub(super) class: ConsumerClass,
    pub(super) next: u64,
    /// The two words of the lease page.
    pub(super) cursor: u64,
    pub(super) acknowledged: bool,
    /// The reader has given its membership up.
    pub(super) ended: bool,
    pub(super) honest: bool,
    /// What the writer knows: the window's start, and its end once evicted.
    pub(super) eff: u64,
    pub(super) hi: Option<u64>,
}

impl Seat {
    pub(super) fn raise(&mut self) {
        let least = self.leases.keys().next().copied().unwrap_or(self.next);
        self.cursor = self.cursor.max(least.min(self.next));
    }

    pub(super) fn is_lossy(&self) -> bool {
        self.class == ConsumerClass::Lossy
    }

    /// Whether the writer waits for it.
    pub(super) fn is_waited_for(&self) -> bool {
        matches!(self.class, ConsumerClass::Blocking { .. }) && self.hi.is_none()
    }

    /// A grain that is held must be found, or holding it were for nothing.
    pub(super) fn find(&self, index: u64) {
        let want = FrameReader::want(GrainIndex(index), 0).unwrap();
        let found = self.consumer.reader.look(want);
        assert!(matches!(found, Ok(Some(_))), "grain {index} is held, and {found:?}");
    }

    pub(super) fn holds(&self, index: u64) -> bool {
        !self.is_lossy() && index >= self.eff && self.hi.is_none_or(|hi| index < hi)
    }
}

/// Leases the next grain, if the model says so too.
pub(super) fn lease(seat: &mut Seat, expected: Option<u64>, used: &BTreeSet<u64>) {
    let there = |index| used.contains(&index);
    let next_there = |from| used.range(from..).next().copied();
    let reader = &mut seat.consumer.reader;
    assert_eq!(reader.next_available(), expected.map(GrainIndex));
    let Some(index) = expected else { return };
    let room = seat.leases.len() < seat.class.holds().map_or(64, usize::from);
    match reader.lease(GrainIndex(index)) {
        Ok(lease) => {
            assert!(
                room && there(index) && seat.hi.is_none_or(|hi| index < hi) && !seat.ended,
                "grain {index} was not to be had"
            );
            seat.leases.insert(index, lease);
            seat.next = index + 1;
        }
        Err(ReadError::Gone { oldest, .. }) => {
            assert!(!there(index) && room);
            assert_eq!(oldest, next_there(index + 1).map(GrainIndex));
            seat.next = next_there(index + 1).unwrap_or(index + 1);
        }
        Err(ReadError::TooManyLeases { .. }) => assert!(!room),
        Err(ReadError::Evicted { .. }) => assert!(seat.hi.is_some_and(|hi| index >= hi) || seat.ended),
        Err(error) => panic!("grain {index}: {error}"),
    }
    seat.raise();
}

pub(super) fn check_lease(seat: &Seat, index: u64, lease: &GrainLease, lost: Option<&BTreeSet<u16>>) {
    let whole = |slices| (0..slices).flat_map(|line| line_bytes(index, line, OCTETS)).collect::<Vec<u8>>();
    let mut out = [0; LINES as usize * OCTETS];
    match lease.state() {
        Ok(state) => {
            let octets = usize::from(state.slices) * OCTETS;
            if lease.copy_lines(0..state.slices, &mut out).is_ok() {
                assert_eq!(out[..octets], whole(state.slices), "grain {index}, validated");
            }
            if state.is_closed() && seat.honest {
                assert_eq!(usize::from(state.lost_lines), lost.map_or(0, BTreeSet::len), "grain {index}");
                assert_eq!(state.octets as usize, octets, "grain {index}");
            }
            if seat.honest && !seat.is_lossy() {
                for line in 0..state.slices {
                    let expected = lost.is_some_and(|lost| lost.contains(&line));
                    assert_eq!(lease.is_lost(line), expected, "line {line} of grain {index}");
                }
                assert_eq!(lease.lines(0..state.slices).unwrap(), whole(state.slices), "grain {index}, in place");
            }
        }
        Err(error) => assert!(seat.is_lossy() || !seat.honest, "grain {index} of an honest leased consumer: {error}"),
    }
}
