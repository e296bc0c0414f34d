//! A packet that was made and not sent yet.

use std::ptr::NonNull;
use std::slice;

use dpdk_sys::rte_mbuf;
use netio::PathId;

use crate::launch::LaunchTimes;
use crate::mbuf::Mbuf;

/// A capture has the packet. The octets of headers below RTP need few of their bits.
const SHOWN: u32 = 1 << 31;

/// A packet to be sent. Its path, the octets of the headers below RTP, and whether a capture has it, are noted in the buffer.
#[derive(Debug)]
#[repr(transparent)]
pub struct DpdkTxBuf {
    mbuf: Mbuf,
}

/// What is noted in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Note(u64);

impl Note {
    /// That of no packet: none has so many octets below RTP.
    pub(super) const NONE: Self = Self(u64::MAX);

    #[inline]
    pub(super) fn path(self) -> PathId {
        PathId::from_bits(self.0 & 0xffff_ffff_ffff)
    }

    /// Octets of all headers below RTP.
    #[inline]
    pub(super) fn below(self) -> u64 {
        self.0 >> 48 & u64::from(u16::MAX >> 1)
    }
}

impl DpdkTxBuf {
    /// A packet in whose first buffer [`Self::tag`] stands already.
    #[inline]
    pub(super) const fn tagged(mbuf: Mbuf) -> Self {
        Self { mbuf }
    }

    /// The packet as the device will see it.
    #[must_use]
    pub const fn mbuf(&self) -> &Mbuf {
        &self.mbuf
    }

    /// What is noted: `below` octets of headers below RTP.
    #[inline]
    pub(super) const fn tag(path: PathId, below: u16) -> [u32; 2] {
        let bits = path.to_bits() | (below as u64) << 48;
        // As one number of 64 bits on the machines that there are: see `refer`.
        [bits as u32, (bits >> 32) as u32]
    }

    /// A packet that was just made; `below`: octets of headers below RTP.
    #[inline]
    pub(super) fn new(mbuf: Mbuf, path: PathId, below: u16) -> Self {
        // SAFETY: the packet was just made, and nobody else has its first buffer. No driver that sends looks at the hash.
        unsafe { (*mbuf.as_ptr()).hash = Self::tag(path, below) };
        Self { mbuf }
    }

    #[inline]
    pub(super) fn note(&self) -> Note {
        // SAFETY: the buffer is valid as long as `self`, and was given its note when `self` was made. The field has eight octets.
        Note(unsafe { (&raw const (*self.mbuf.as_ptr()).hash).cast::<u64>().read_unaligned() })
    }

    /// Notes that a capture has it; returns whether it had it before.
    #[cold]
    pub(super) fn show(&mut self) -> bool {
        // SAFETY: the buffer is valid as long as `self`, of which nobody else has the first buffer before it is sent.
        let note = unsafe { &mut (*self.mbuf.as_ptr()).hash[1] };
        let was_shown = *note & SHOWN != 0;
        *note |= SHOWN;
        was_shown
    }

    /// Has the device send it at this tick of its clock; returns whether that was written.
    #[inline]
    pub(super) fn leave_at(&mut self, times: &LaunchTimes, ticks: u64) -> bool {
        times.set(&mut self.mbuf, ticks)
    }

    /// Packets as DPDK takes them.
    #[inline]
    pub(super) fn raw(packets: &[Self]) -> &[NonNull<rte_mbuf>] {
        // SAFETY: DpdkTxBuf is transparent over Mbuf, and that over the pointer.
        unsafe { slice::from_raw_parts(packets.as_ptr().cast(), packets.len()) }
    }
}
