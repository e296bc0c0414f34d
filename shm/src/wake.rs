//! Wakes: how a consumer sleeps until a slice is there, and who ends its sleep.
//!
//! The sleeper posts what it waits for in its lease page (`want`) and then looks once more; whoever publishes looks at
//! `want` after it has published. Between both lies a SeqCst fence on either side (Dekker), so that one of them sees the
//! other. Nobody waits for a sleeper: it is woken by a futex word of its seat in the control region, or by one octet on a
//! socket, its *bell*, for those who wait for many things at once.
//!
//! ```text
//! consumer                                        waker
//!   seen = futex                                    publish
//!   want = what                                     fence(SeqCst)
//!   fence(SeqCst)                                   want? reached?
//!   reached? -> return                              futex += 1
//!   FUTEX_WAIT(futex == seen), at most 100 ms       FUTEX_WAKE, or an octet on the bell
//!   want = 0
//! ```
//!
//! The waker is the writer itself ([`WakeMode::Inline`]) or a thread of the producer's process that polls while a `want`
//! stands ([`WakeMode::Housekeeping`]); then the writer never makes a system call.

#[cfg_attr(loom, path = "wake/bell/modelled.rs")]
mod bell;
pub(crate) mod futex;
mod reached;
mod rounds;
mod sleeper;
mod sleepers;
mod waiting;
mod waker;
mod want;

pub(crate) use bell::{Bell, bell_pair};
pub(crate) use reached::Reached;
pub(crate) use sleepers::Sleepers;
#[cfg(not(loom))]
pub(crate) use waiting::Announced;
pub(crate) use waiting::{Bed, Waiting, pause_in_vain};
#[cfg(feature = "tokio")]
pub(crate) use waiting::{FRUITLESS_TURNS, LOOK_EVERY};
pub(crate) use waker::{Waker, Waking, WakingRing, WakingSeat, WatchId};
pub(crate) use want::{Alarm, Want};
#[cfg(all(test, loom))]
pub(crate) use {bell::Heard, rounds::Rounds, sleeper::Sleeper};

/// Who wakes the consumers of a ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WakeMode {
    /// Nobody: an old producer. The consumer looks now and then.
    #[default]
    None,
    /// The writer, as it publishes: the shortest way. It costs the writer a fence, and a system call for each sleeper.
    Inline,
    /// A thread beside the writer, which polls while somebody sleeps. The writer makes no system call, ever.
    Housekeeping,
}
