//! Shows a capture what is handed to a device, with the time of each packet.

use media::{Clock, Tai};
use netio::capture::CaptureEnd;
use netio::{Burst, StableBytes};

use super::{DpdkTx, DpdkTxBuf};
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

impl<L: StableBytes> DpdkTx<L> {
    /// Has frames taken for captures, each at the time at which it is handed to the device.
    #[must_use]
    pub fn captured_by<C: Clock>(self, capture: CaptureEnd, clock: C) -> DpdkTx<L, C> {
        let Self { device, ways, buffers, payloads, host, counters, totals, driver_copies, is_idle, launcher, .. } =
            self;
        let capture = Some(Captured::new(capture, clock));
        DpdkTx { device, ways, buffers, payloads, host, counters, totals, driver_copies, is_idle, capture, launcher }
    }
}

impl<L: StableBytes, C: Clock> DpdkTx<L, C> {
    /// Takes the first packets for a capture, those left out that it has from the turns before: of any burst, as several
    /// leave by this queue. What is sent is the device's, so they are taken before; one that is taken back afterwards
    /// was never sent.
    #[cold]
    pub(super) fn show(&mut self, burst: &mut Burst<DpdkTxBuf>, open: usize) {
        let Some(capture) = &mut self.capture else { return };
        for packet in burst.iter_mut().take(open) {
            if !packet.show() {
                capture.take(packet.mbuf());
            }
        }
    }
}
