//! Launch times: a packet leaves the card at the time that stands in it.
//!
//! The port must be probed with [`crate::port::Features::launch_time`], which only devices take whose
//! [`crate::capabilities::Capabilities`] have it. The ticks are those of [`crate::port::Port::clock_ticks`];
//! [`crate::device_clock`] has them beside TAI.
//!
//! That the time travels with the packet is tried on net_ring, from a sender's schedule on too (`hwtests/tests/port_times.rs`);
//! that a card keeps it is **untested on hardware**: `hwtests/tests/hardware.rs`.

use crate::eal::Eal;
use crate::mbuf::Mbuf;
use crate::timestamp::{Field, TimestampError};

/// Writes launch times into packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaunchTimes(Field);

impl LaunchTimes {
    /// Makes room in all packets, once per process. The room is the one of received packets' times.
    ///
    /// # Errors
    /// [`TimestampError::NoField`].
    pub fn register(eal: &Eal) -> Result<Self, TimestampError> {
        // SAFETY: the function writes through both pointers, during the call only.
        Field::register(eal, |offset, flag| unsafe { dpdk_sys::rte_mbuf_dyn_tx_timestamp_register(offset, flag) })
            .map(Self)
    }

    /// Lets `packet` leave at `ticks`, or at once when that has passed. Returns whether it was written: not where somebody
    /// else refers to the packet too.
    #[inline]
    #[must_use]
    pub fn set(&self, packet: &mut Mbuf, ticks: u64) -> bool {
        let is_ours = packet.references() == 1;
        if is_ours {
            self.0.write(packet, ticks);
        }
        is_ours
    }

    /// When `packet` is to leave, if that was said.
    #[inline]
    #[must_use]
    pub fn of(&self, packet: &Mbuf) -> Option<u64> {
        self.0.read(packet)
    }
}
