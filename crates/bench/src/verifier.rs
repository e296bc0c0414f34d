//! A consumer of a run: follows the grains of one stream as their lines are published, and checks every octet of them, or
//! the number at their beginning and that all of their lines came.

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use media::Tai;
use netio::counter_set;
use shm::{FrameReader, GrainLease, GrainState, SeatStatus};

use crate::pattern::{BLOCK_OCTETS, Front, Pattern};
use crate::traffic::Check;

/// Octets that are checked in a turn: more than a worker writes in one.
const PIECE_OCTETS: usize = 512 << 10;

counter_set! {
    /// What a consumer has seen.
    VerifierCounters {
        /// Grains that were committed with every line there.
        grains_complete,
        /// Grains that were committed with lines missing.
        grains_incomplete,
        /// Grains of the source that never came, by their numbers.
        grains_missing,
        /// Grains that could not be read, or that this consumer was too slow for.
        grains_unread,
        /// Times that the ring went on without this consumer.
        evictions,
        /// Blocks that do not hold what was sent.
        blocks_wrong,
        /// Octets checked.
        octets,
    }
}

/// See the file's head.
#[derive(Debug)]
pub struct Verifier {
    reader: FrameReader,
    pattern: Pattern,
    check: Check,
    following: Option<Following>,
    /// The number of the next grain, once one was seen.
    expected: Option<u64>,
    /// Until there is another reader.
    is_evicted: bool,
    counters: Arc<VerifierCounters>,
    latencies: Arc<ArrayQueue<u64>>,
}

/// The grain that is being read.
#[derive(Debug)]
struct Following {
    lease: GrainLease,
    front: Option<Front>,
    /// Octets from its beginning that were checked: whole blocks, or all.
    checked: usize,
    /// When its end was seen.
    ended: Option<Tai>,
}

impl Verifier {
    /// A consumer of what `pattern` shows. From a grain's beginning to its commit, as it is seen here, goes to
    /// `latencies`, ns.
    #[must_use]
    pub fn new(reader: FrameReader, pattern: Pattern, check: Check, latencies: Arc<ArrayQueue<u64>>) -> Self {
        let (following, expected, counters) = (None, None, Arc::default());
        Self { reader, pattern, check, following, expected, is_evicted: false, counters, latencies }
    }

    /// The counters.
    #[must_use]
    pub fn counters(&self) -> Arc<VerifierCounters> {
        Arc::clone(&self.counters)
    }

    /// How often the ring went on without this consumer.
    #[must_use]
    pub fn evictions(&self) -> u64 {
        self.counters.evictions.value()
    }

    /// After an eviction.
    pub fn go_on_with(&mut self, reader: FrameReader) {
        self.reader = reader;
        self.is_evicted = false;
    }

    /// Checks what has come; whether there was anything.
    pub fn turn(&mut self, now: impl FnOnce() -> Tai) -> bool {
        if self.is_evicted {
            return false;
        }
        if self.following.is_none() {
            self.take_up();
        }
        let Some(mut following) = self.following.take() else { return false };
        let Ok(state) = following.lease.state() else {
            drop(following);
            self.miss();
            return true;
        };
        if state.is_closed() && following.ended.is_none() {
            following.ended = Some(now());
        }
        let was = following.checked;
        let is_done = self.check(&mut following, state) && state.is_closed();
        let checked = following.checked - was;
        self.counters.octets.add(checked as u64);
        if is_done {
            self.end(&following, state);
        } else {
            self.following = Some(following);
        }
        is_done || checked > 0
    }

    fn take_up(&mut self) {
        let Some(index) = self.reader.next_available() else { return };
        match self.reader.lease(index) {
            Ok(lease) => self.following = Some(Following { lease, front: None, checked: 0, ended: None }),
            Err(_) => self.miss(),
        }
    }

    /// A grain is gone, and perhaps all others too.
    #[cold]
    fn miss(&mut self) {
        self.counters.grains_unread.add(1);
        if matches!(self.reader.status(), SeatStatus::Evicted { .. }) {
            // Refused while leases are held: it has none.
            self.is_evicted = self.reader.acknowledge_eviction().is_ok();
            self.counters.evictions.add(1);
        }
    }

    /// Checks a piece; whether all that is there was checked.
    fn check(&self, following: &mut Following, state: GrainState) -> bool {
        let geometry = self.reader.geometry();
        let Some(lines) = following.lease.lines(0..state.slices) else { return true };
        let is_whole = state.slices == geometry.slices;
        if following.front.is_none() && !lines.is_empty() && !following.lease.is_lost(0) {
            following.front = self.pattern.read_front(lines);
            self.counters.blocks_wrong.add(u64::from(following.front.is_none()));
        }
        if self.check == Check::Grains {
            return true;
        }
        let there = if is_whole { lines.len() } else { lines.len() / BLOCK_OCTETS * BLOCK_OCTETS };
        let until = there.min(following.checked + PIECE_OCTETS);
        if let Some(front) = &following.front {
            let has_lost = self.reader.lost_lines(&following.lease.grain()).next().is_some();
            let wrong = if has_lost {
                self.count_wrong_between_lost(following, front, &lines[..until])
            } else {
                self.pattern.count_wrong(front, following.checked / BLOCK_OCTETS, &lines[following.checked..until])
            };
            self.counters.blocks_wrong.add(wrong as u64);
        }
        following.checked = until;
        until == there
    }

    /// As [`Pattern::count_wrong`], without the blocks that a lost line reaches into.
    #[cold]
    fn count_wrong_between_lost(&self, following: &Following, front: &Front, lines: &[u8]) -> usize {
        let line_octets = self.reader.geometry().slice_octets as usize;
        let mut wrong = 0;
        let blocks = lines[following.checked..].chunks(BLOCK_OCTETS).enumerate();
        for (at, octets) in blocks {
            let start = following.checked + at * BLOCK_OCTETS;
            let mut rows = start / line_octets..=(start + octets.len() - 1) / line_octets;
            if !rows.any(|row| following.lease.is_lost(row as u16)) {
                wrong += self.pattern.count_wrong(front, start / BLOCK_OCTETS, octets);
            }
        }
        wrong
    }

    fn end(&mut self, following: &Following, state: GrainState) {
        if state.is_partial() || state.cancelled {
            self.counters.grains_incomplete.add(1);
        } else {
            self.counters.grains_complete.add(1);
        }
        let Some(front) = &following.front else { return };
        if let Some(expected) = self.expected {
            self.counters.grains_missing.add(front.number.saturating_sub(expected));
        }
        self.expected = Some(front.number + 1);
        // Full: nobody has looked for a while, and the oldest make room.
        let nanos = following.ended.map_or(0, |ended| ended.as_nanos().saturating_sub(front.sent));
        let _ = self.latencies.force_push(nanos.max(0).unsigned_abs());
    }
}
