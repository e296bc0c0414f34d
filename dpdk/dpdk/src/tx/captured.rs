//! Shows a capture what is handed to a device, with the time of each packet.

use media::{Clock, Tai};
use netio::capture::CaptureEnd;

use crate::mbuf::Mbuf;

/// The clock of a queue that no capture looks at: there is none.
#[derive(Clone, Copy, Debug)]
pub enum Uncaptured {}

impl Clock for Uncaptured {
    fn now(&self) -> Tai {
        match *self {}
    }

    fn is_locked(&self) -> bool {
        match *self {}
    }
}

/// A capture's end, and the clock that tells it when packets leave.
#[derive(Debug)]
pub(super) struct Captured<C> {
    end: CaptureEnd,
    clock: C,
}

impl<C: Clock> Captured<C> {
    pub(super) const fn new(end: CaptureEnd, clock: C) -> Self {
        Self { end, clock }
    }

    /// Whether frames are to be taken. Once per burst.
    #[inline]
    pub(super) fn is_on(&mut self) -> bool {
        self.end.is_on()
    }

    /// Takes a packet that leaves now.
    #[cold]
    pub(super) fn take(&mut self, packet: &Mbuf) {
        self.end.take(self.clock.now(), packet.octets(), |out| packet.copy_out(out));
    }
}
