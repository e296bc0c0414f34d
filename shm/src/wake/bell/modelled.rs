//! Bells in a model: loom does not see into sockets.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rustix::io::Errno;

use crate::atomics::{AtomicU64, Ordering};
use crate::pipe::LifeWatch;
use crate::wait_queue::WaitQueue;

/// One end.
#[derive(Debug)]
pub(crate) struct Bell {
    here: Arc<Line>,
    there: Arc<Line>,
    /// The kernel has no memory for the next octet.
    memory_is_short: AtomicBool,
}

/// What an end has heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Nothing,
    Rung,
    /// The other end is closed.
    HungUp,
}

/// What became of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rung {
    /// There is something to hear.
    Queued,
    /// The kernel had no memory for it: nobody will hear anything.
    NotNow,
    /// The other end is closed.
    HungUp,
}

/// One direction.
#[derive(Debug)]
struct Line {
    /// [`RUNG`] and [`HUNG_UP`].
    sound: AtomicU64,
    listeners: WaitQueue,
}

const RUNG: u64 = 1;
const HUNG_UP: u64 = 2;

/// A consumer's end and its waker's.
pub(crate) fn bell_pair() -> Result<(Bell, Bell), Errno> {
    let [one, other] = [(); 2].map(|()| Arc::new(Line { sound: AtomicU64::new(0), listeners: WaitQueue::new() }));
    let end = |here: &Arc<Line>, there: &Arc<Line>| {
        let (here, there) = (Arc::clone(here), Arc::clone(there));
        Bell { here, there, memory_is_short: AtomicBool::new(false) }
    };
    Ok((end(&one, &other), end(&other, &one)))
}

impl Bell {
    /// Models know no descriptors.
    pub(crate) fn from_fd(_: OwnedFd) -> Self {
        without_descriptors()
    }

    /// Rings, and never waits.
    pub(crate) fn ring(&self) -> Rung {
        // Ordered by nothing: one end's own.
        if self.memory_is_short.swap(false, Ordering::Relaxed) {
            return Rung::NotNow;
        }
        self.there.sound(RUNG);
        // Pairs with sound.
        if self.here.sound.load(Ordering::Acquire) & HUNG_UP == 0 { Rung::Queued } else { Rung::HungUp }
    }

    /// There is no memory for the next octet that this end rings.
    pub(crate) fn lose_the_next(&self) {
        self.memory_is_short.store(true, Ordering::Relaxed); // ordered by nothing, as in `ring`
    }

    /// Sleeps until there is something to hear; no time ends it. May end early.
    pub(crate) fn sleep(&self, _other_side: Option<&LifeWatch>, _limit: Duration) {
        self.here.listeners.sleep_unless(|| self.here.sound.load(Ordering::Acquire) != 0); // pairs with sound
    }

    /// Takes what was rung, and never waits.
    pub(crate) fn hear(&self) -> Heard {
        // Pairs with sound, as the octets of a socket do.
        match self.here.sound.fetch_and(!RUNG, Ordering::AcqRel) {
            0 => Heard::Nothing,
            HUNG_UP => Heard::HungUp,
            _ => Heard::Rung,
        }
    }

    /// Waits until there is something to hear.
    pub(crate) fn listen(&self) -> Heard {
        loop {
            let mut heard = self.hear();
            if heard == Heard::Nothing {
                self.here.listeners.sleep_unless(|| {
                    heard = self.hear();
                    heard != Heard::Nothing
                });
            }
            if heard != Heard::Nothing {
                return heard;
            }
        }
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.there.sound(HUNG_UP);
        }
    }
}

impl Line {
    fn sound(&self, sound: u64) {
        self.sound.fetch_or(sound, Ordering::AcqRel); // pairs with hear
        self.listeners.wake();
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        without_descriptors()
    }
}

impl AsRawFd for Bell {
    fn as_raw_fd(&self) -> RawFd {
        without_descriptors()
    }
}

fn without_descriptors() -> ! {
    panic!("models know no descriptors")
}
