//! Waiting for slices: the blocking call of a consumer that sleeps in between.

use std::time::{Duration, Instant};

use media::GrainIndex;

use super::{FrameReader, ReadError};
use crate::WakeMode;
use crate::grain::GrainState;
use crate::seed::sound;
#[cfg(test)]
use crate::wake::Bed;
use crate::wake::{Alarm, Waiting, Want, pause_in_vain};
#[cfg(not(loom))]
use {
    crate::lease_page,
    crate::wake::{Announced, Bell},
    std::os::fd::{AsFd, BorrowedFd},
    std::sync::Arc,
};

/// Why what was waited for is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WaitError {
    /// The deadline passed.
    #[error("{}", late(*index, *slices, *reached))]
    TimedOut {
        /// The grain.
        index: GrainIndex,
        /// Slices that were waited for.
        slices: u16,
        /// Slices that there are; none if the grain is not open yet.
        reached: Option<u16>,
    },
    /// The producer is gone, and what it left does not reach so far: nothing more will come.
    #[error("grain {index} will not come: the producer is gone")]
    ProducerGone {
        /// The grain.
        index: GrainIndex,
    },
    /// The grain cannot be read, whatever is waited for: gone, or out of this consumer's reach.
    #[error(transparent)]
    Read(#[from] ReadError),
}

fn late(index: GrainIndex, slices: u16, reached: Option<u16>) -> String {
    match reached {
        Some(reached) if slices >= Want::SLICES_MAX => {
            format!("grain {index} did not end in time: it has {reached} slices")
        }
        Some(reached) if slices > 0 => {
            format!("grain {index} has {reached} of the {slices} slices that were waited for: the time is over")
        }
        _ => format!("grain {index} was not opened in time"),
    }
}

impl FrameReader {
    /// Waits until the first `slices` slices of grain `index` are final, at most until `deadline`; 0 waits for the grain
    /// to be opened, more slices than a grain has wait for it to be closed. The thread sleeps meanwhile. A grain that
    /// is closed will get no more: its state is the answer, also if it has fewer slices. A deadline that has passed makes
    /// it one look, and one system call where that is in vain: whether the producer lives.
    ///
    /// This takes no lease. It may be called while leases are out, also of the grain that it waits for.
    ///
    /// # Errors
    /// [`WaitError`].
    pub fn wait_until(&mut self, index: GrainIndex, slices: u16, deadline: Instant) -> Result<GrainState, WaitError> {
        let want = Self::want(index, slices)?;
        loop {
            if let Some(state) = self.look(want)? {
                return Ok(state);
            }
            let now = Instant::now();
            if self.waiting.producer_gone_at(now) {
                return self.last_look(want);
            }
            if now >= deadline {
                // Asked here too: whoever waits in short pieces would never hear it.
                return if self.waiting.producer_gone() { self.last_look(want) } else { Err(self.timed_out(want)) };
            }
            self.sleep(want, deadline - now);
        }
    }

    /// Waits for a grain that was not passed yet, at most until `deadline`. As [`Self::next_available`] it may be gone
    /// by the time it is leased.
    ///
    /// # Errors
    /// [`WaitError`].
    pub fn wait_next(&mut self, deadline: Instant) -> Result<GrainIndex, WaitError> {
        let mut turns = 0_u32;
        loop {
            turns = turns.wrapping_add(1);
            pause_in_vain(turns);
            let index = match self.next_or_awaited() {
                Ok(index) => return Ok(index),
                Err(awaited) => awaited,
            };
            let waited = self.wait_until(index, 0, deadline);
            if let Some(found) = self.found(index, waited, Instant::now() >= deadline) {
                return found;
            }
        }
    }

    /// What a wait for the opening of `index` comes to: the next grain, or why there is none; nothing where another wait
    /// may bring it.
    fn found(
        &self,
        index: GrainIndex,
        waited: Result<GrainState, WaitError>,
        is_late: bool,
    ) -> Option<Result<GrainIndex, WaitError>> {
        match waited {
            // Left out, or overwritten already: there is a later one, unless the producer only says so.
            Ok(_) | Err(WaitError::Read(ReadError::Gone { .. })) if index < GrainIndex(GrainIndex::LIMIT) => {
                let late = WaitError::TimedOut { index, slices: 0, reached: None };
                is_late.then(|| self.next_available().ok_or(late))
            }
            Ok(_) => Some(Ok(index)),
            Err(error) => Some(Err(error)),
        }
    }

    /// Whether the producer is known to be gone: nothing new will come. A system call.
    #[must_use]
    pub fn producer_gone(&self) -> bool {
        self.waiting.producer_gone()
    }

    /// Who wakes this consumer. [`WakeMode::None`] also where the one who did has hung up.
    #[must_use]
    pub fn wake_mode(&self) -> WakeMode {
        self.waiting.mode()
    }

    /// What turns readable when this consumer is woken by [`Self::arm`]; none where nobody wakes. It stays the same.
    #[cfg(not(loom))]
    #[must_use]
    pub fn alarm(&self) -> Option<BorrowedFd<'_>> {
        self.bell().map(|bell| bell.as_fd())
    }

    /// For whoever waits for many things at once: has [`Self::alarm`] ring when a grain is opened that was not passed yet.
    /// Returns whether that may be slept on, for 100 ms at the most: `false` when there is such a grain, or when nobody
    /// wakes. May call the kernel, and never waits. [`Self::disarm`] must follow.
    #[cfg(not(loom))]
    pub fn arm(&mut self) -> bool {
        let Err(awaited) = self.next_or_awaited() else { return false };
        Self::want(awaited, 0).is_ok_and(|want| self.announce(want, Alarm::Bell) == Announced::ToWaker)
    }

    /// Ends what [`Self::arm`] began. A system call.
    #[cfg(not(loom))]
    pub fn disarm(&mut self) {
        self.take_back_want();
        self.hear_bell();
    }

    /// From now on the reader sleeps with this.
    pub(crate) fn wait_with(&mut self, waiting: Waiting) {
        self.waiting = waiting;
    }

    #[cfg(test)]
    pub(crate) fn overslept(&self) -> u64 {
        self.waiting.overslept()
    }

    /// The next grain, or the one whose opening ends the wait for any. That one is chosen first: of what is opened after
    /// the choice something ends the wait, and what was opened before is found. The other way round an epoch or its
    /// producer might end between the two with a grain that nobody has looked for.
    pub(crate) fn next_or_awaited(&self) -> Result<GrainIndex, GrainIndex> {
        let awaited = self.awaited();
        self.next_available().ok_or(sound!(awaited, unless AwaitedLate => self.awaited()))
    }

    /// The grain whose opening ends the wait for any new one.
    fn awaited(&self) -> GrainIndex {
        let after = self.newest().map_or(0, |newest| newest.0 + 1);
        GrainIndex(after.max(self.next))
    }

    pub(crate) fn want(index: GrainIndex, slices: u16) -> Result<Want, WaitError> {
        if index.0 >= GrainIndex::LIMIT {
            return Err(ReadError::Gone { index, oldest: None }.into());
        }
        Ok(Want { index, slices: slices.min(Want::SLICES_MAX), alarm: Alarm::Futex })
    }

    /// The state of the grain if there is no more to wait for.
    pub(crate) fn look(&self, want: Want) -> Result<Option<GrainState>, ReadError> {
        let found = self.find(want.index).and_then(|(grain, _)| self.member.state(&grain));
        // After the acquire that showed the grain: if it is out of reach, this is already visible.
        if let Some(hi) = self.member.out_of_reach(want.index) {
            return Err(ReadError::Evicted { hi });
        }
        match found {
            Ok(state) if state.slices >= want.slices || state.complete || state.cancelled => Ok(Some(state)),
            Ok(_) | Err(ReadError::NotYet { .. }) => Ok(None),
            Err(ReadError::Gone { index, .. }) => Err(self.gone(index)),
            Err(error) => Err(error),
        }
    }

    /// The producer is gone; perhaps it published before.
    pub(crate) fn last_look(&self, want: Want) -> Result<GrainState, WaitError> {
        self.look(want)?.ok_or(WaitError::ProducerGone { index: want.index })
    }

    /// Posts what is wanted; [`Self::take_back_want`] must follow.
    #[cfg(not(loom))]
    pub(crate) fn announce(&mut self, want: Want, alarm: Alarm) -> Announced {
        self.waiting.announce(self.member.bed(), want, alarm)
    }

    #[cfg(not(loom))]
    pub(crate) fn take_back_want(&self) {
        lease_page::take_back_want(self.member.bed().lease);
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn producer_gone_at(&mut self, now: Instant) -> bool {
        self.waiting.producer_gone_at(now)
    }

    #[cfg(not(loom))]
    pub(crate) fn hear_bell(&mut self) {
        self.waiting.hear();
    }

    /// The bell of this seat; none where nobody wakes.
    #[cfg(not(loom))]
    pub(crate) fn bell(&self) -> Option<&Arc<Bell>> {
        self.waiting.bell()
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn longest_sleep(&self) -> Duration {
        self.waiting.longest_sleep()
    }

    /// For tests that would hang rather than oversleep.
    #[cfg(all(test, feature = "tokio"))]
    pub(crate) fn sleep_at_most(&mut self, longest: Duration) {
        self.waiting.sleep_at_most(longest);
    }

    #[cfg(test)]
    pub(crate) fn bed(&self) -> Bed<'_> {
        self.member.bed()
    }

    fn sleep(&mut self, want: Want, limit: Duration) {
        self.waiting.sleep(self.member.bed(), want, limit);
    }

    fn timed_out(&self, want: Want) -> WaitError {
        let Want { index, slices, .. } = want;
        let state = self.find(index).and_then(|(grain, _)| self.member.state(&grain));
        WaitError::TimedOut { index, slices, reached: state.ok().map(|state| state.slices) }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::ConsumerClass;
    use crate::fixture::TestRing;

    #[test]
    fn a_grain_that_was_left_out_is_no_answer_to_who_waits_for_the_next() {
        let mut ring = TestRing::new(8, 3);
        let mut reader = ring.join(0, ConsumerClass::Lossy).reader;
        ring.grain(1).unwrap();
        reader.skip_to(GrainIndex(2));
        let found = |reader: &FrameReader, is_late| {
            let gone = ReadError::Gone { index: GrainIndex(2), oldest: None };
            reader.found(GrainIndex(2), Err(gone.into()), is_late)
        };
        let late = WaitError::TimedOut { index: GrainIndex(2), slices: 0, reached: None };
        assert_eq!((found(&reader, false), found(&reader, true)), (None, Some(Err(late))));
        ring.grain(3).unwrap();
        assert_eq!((found(&reader, false), found(&reader, true)), (None, Some(Ok(GrainIndex(3)))));
    }

    #[test]
    fn a_time_out_says_what_was_waited_for() {
        let text = |slices, reached| WaitError::TimedOut { index: GrainIndex(5), slices, reached }.to_string();
        let at = GrainIndex(5);
        assert_eq!([text(0, None), text(3, None)], [(); 2].map(|()| format!("grain {at} was not opened in time")));
        assert_eq!(text(Want::SLICES_MAX, Some(7)), format!("grain {at} did not end in time: it has 7 slices"));
        let part = format!("grain {at} has 7 of the 9 slices that were waited for: the time is over");
        assert_eq!(text(9, Some(7)), part);
    }
}
