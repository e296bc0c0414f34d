//! Bells in a model: loom does not see into sockets.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

use rustix::io::Errno;

use crate::atomics::{AtomicU64, Ordering};
use crate::wait_queue::WaitQueue;

/// One end.
#[derive(Debug)]
pub(crate) struct Bell {
    here: Arc<Line>,
    there: Arc<Line>,
}

/// What an end has heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Nothing,
    Rung,
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
    Ok((Bell { here: Arc::clone(&one), there: Arc::clone(&other) }, Bell { here: other, there: one }))
}

impl Bell {
    /// Models know no descriptors.
    pub(crate) fn from_fd(_: OwnedFd) -> Self {
        without_descriptors()
    }

    /// Rings, and never waits. False if the other end is closed.
    pub(crate) fn ring(&self) -> bool {
        self.there.sound(RUNG);
        self.here.sound.load(Ordering::Acquire) & HUNG_UP == 0 // pairs with sound
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
