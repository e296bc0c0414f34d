//! The futex word of a seat: a counter in the control region, which a consumer sees read-only.
//!
//! The futex is shared, for both sides are different processes; its key is the memfd and the offset, so any mapping of
//! it does. In a model a lost wake is a deadlock: nobody awakes there when the time is over.

use std::mem::offset_of;

use crate::layout::{self, SeatWords};
use crate::mapping::Mapping;

/// Threads that one wake reaches. Any consumer of the ring can sleep on any seat's word; so all would be as many as a
/// hostile one has threads, at the waker's cost. Who loses its wakes to such a one takes its bell instead.
#[cfg(not(loom))]
const THREADS_A_WAKE: u32 = 16;

/// How a sleep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slept {
    /// Woken, or never begun, or for no reason at all.
    Woken,
    /// The time was over.
    ToTheEnd,
}

/// The count that a sleeper compares, before it posts what it wants.
pub(crate) fn seen(control: &Mapping, seat: u8) -> u32 {
    control.load_acquire(word(seat)) as u32 // pairs with bump
}

/// Ends the sleep of whoever has seen less. The mapping must be writable.
pub(crate) fn bump(control: &Mapping, seat: u8) {
    control.increment_release(word(seat)); // pairs with seen
}

/// Offset of a seat's word; the low half is the futex.
fn word(seat: u8) -> usize {
    layout::seat(seat) + offset_of!(SeatWords, futex)
}

#[cfg(not(loom))]
mod kernel {
    use std::time::Duration;

    use rustix::io::Errno;
    use rustix::thread::futex::{self, Flags};
    use rustix::time::Timespec;

    use super::{Mapping, Slept, THREADS_A_WAKE, bump, word};

    /// Sleeps until the seat is woken, at most `limit`; not at all if it was bumped since `seen`. May end early.
    pub(crate) fn sleep(control: &Mapping, seat: u8, seen: u32, limit: Duration) -> Slept {
        let limit = Timespec::try_from(limit).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        match futex::wait(control.futex(word(seat)), Flags::empty(), seen, Some(&limit)) {
            Err(Errno::TIMEDOUT) => Slept::ToTheEnd,
            // Bumped before, or interrupted: whoever sleeps looks for itself.
            Ok(()) | Err(_) => Slept::Woken,
        }
    }

    /// Sleeps for so long: nobody wakes.
    pub(crate) fn doze(limit: Duration) {
        std::thread::sleep(limit);
    }

    /// Wakes whoever sleeps in the seat. One system call.
    pub(crate) fn wake(control: &Mapping, seat: u8) {
        bump(control, seat);
        let woken = futex::wake(control.futex(word(seat)), Flags::empty(), THREADS_A_WAKE);
        debug_assert!(woken.is_ok(), "the word is mapped: {woken:?}");
    }
}

#[cfg(loom)]
mod kernel {
    use std::time::Duration;

    use super::{Mapping, Slept, bump, word};

    pub(crate) fn sleep(control: &Mapping, seat: u8, seen: u32, _limit: Duration) -> Slept {
        control.sleep_on(word(seat), seen);
        Slept::Woken
    }

    pub(crate) fn doze(_limit: Duration) {
        loom::thread::yield_now();
    }

    pub(crate) fn wake(control: &Mapping, seat: u8) {
        bump(control, seat);
        control.wake_all();
    }
}

pub(crate) use kernel::{doze, sleep, wake};

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::fixture::TestRing;

    const LONG: Duration = Duration::from_secs(100);

    #[test]
    fn a_bump_before_the_sleep_prevents_it() {
        let ring = TestRing::new(4, 3);
        let (control, _) = ring.region.map_for_reading().unwrap();
        let before = seen(&control, 63);
        bump(ring.writer_control(), 63);
        // If it slept, the test would not end.
        sleep(&control, 63, before, LONG);
        assert_eq!(seen(&control, 63), before + 1);
        assert_eq!(seen(&control, 62), 0, "every seat has its own");
    }

    #[test]
    fn a_sleeper_on_a_read_only_mapping_is_woken_from_another() {
        let ring = TestRing::new(4, 3);
        let (control, _) = ring.region.map_for_reading().unwrap();
        let before = seen(&control, 5);
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| {
                while seen(&control, 5) == before {
                    sleep(&control, 5, before, LONG);
                }
            });
            wake(ring.writer_control(), 5);
            sleeper.join().unwrap();
        });
    }

    #[test]
    fn nobody_wakes_but_the_time_ends() {
        let ring = TestRing::new(4, 3);
        let (control, _) = ring.region.map_for_reading().unwrap();
        let (begun, limit) = (Instant::now(), Duration::from_millis(5));
        while sleep(&control, 0, seen(&control, 0), limit) != Slept::ToTheEnd {}
        assert!(begun.elapsed() >= limit);
    }
}
