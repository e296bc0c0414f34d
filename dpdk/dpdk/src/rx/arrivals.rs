//! When packets arrived, as the device has it.

use media::Tai;
use netio::TimeSource;

use crate::device_clock::{DeviceClock, Pairing};
use crate::mbuf::Mbuf;
use crate::timestamp::RxTimestamps;

/// The longest that a packet is believed to have waited in a device, ns: twice what the largest ring is made to hold.
const AGE_NANOS_MAX: i64 = 2_000_000_000;
/// So much may the two clocks be apart for a moment, ns: what arrives this much after it was taken has just arrived.
const AHEAD_NANOS_MAX: i64 = 1_000_000;

/// Where a queue has the times of its packets from.
#[derive(Debug)]
pub(super) struct Arrivals {
    times: RxTimestamps,
    clock: DeviceClock,
}

/// The times of a burst.
#[derive(Clone, Copy, Debug)]
pub(super) struct OfBurst<'a> {
    times: &'a RxTimestamps,
    pairing: Pairing,
    taken: Tai,
}

impl Arrivals {
    pub(super) const fn new(times: RxTimestamps, clock: DeviceClock) -> Self {
        Self { times, clock }
    }

    /// For a burst that was taken then; `None` as long as the device's clock is not known.
    #[inline]
    pub(super) fn of(&self, taken: Tai) -> Option<OfBurst<'_>> {
        self.clock.pairing().map(|pairing| OfBurst { times: &self.times, pairing, taken })
    }
}

impl OfBurst<'_> {
    /// When the packet arrived, and who says so: the device, unless that is nothing that can be.
    #[inline]
    pub(super) fn arrival(&self, packet: &Mbuf) -> (Tai, TimeSource) {
        let noted = self.times.of(packet).map(|ticks| self.pairing.tai_at(ticks));
        let age = noted.map(|noted| self.taken.nanos_since(noted));
        match age.filter(|age| (-AHEAD_NANOS_MAX..=AGE_NANOS_MAX).contains(age)) {
            Some(age) => (self.taken.plus_nanos(-age.max(0)), TimeSource::Nic),
            None => (self.taken, TimeSource::Burst),
        }
    }
}
