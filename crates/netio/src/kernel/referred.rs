//! What a packet refers to: a range of a lease, or of a received packet that is sent on.

use std::sync::Arc;

use crate::TxFull;
use crate::kernel::payload::PayloadRange;

/// Octets that stay where they are as long as `self` exists.
#[derive(Debug)]
pub(crate) enum Referred<L> {
    Leased(PayloadRange<L>),
    Received(ReceivedRange),
}

impl<L> Referred<L> {
    pub(crate) const fn octets(&self) -> usize {
        match self {
            Self::Leased(range) => range.octets(),
            Self::Received(range) => range.octets as usize,
        }
    }

    /// Address of the first octet, good for [`Self::octets`] as long as `self` exists.
    pub(crate) fn as_ptr(&self) -> *const u8 {
        match self {
            Self::Leased(range) => range.as_ptr(),
            Self::Received(range) => range.octets().as_ptr(),
        }
    }

    /// Copies the octets out, as the kernel would.
    pub(crate) fn append_to(&self, out: &mut Vec<u8>) {
        match self {
            Self::Leased(range) => range.append_to(out),
            Self::Received(range) => out.extend_from_slice(range.octets()),
        }
    }
}

/// A range of a received packet's buffer, which it keeps.
#[derive(Debug)]
pub(crate) struct ReceivedRange {
    buffer: Arc<[u8]>,
    start: u32,
    octets: u32,
}

impl ReceivedRange {
    /// What follows the first `skip` of the `octets` from `start` on. The buffer holds them all.
    pub(crate) fn new(buffer: &Arc<[u8]>, start: u32, octets: u32, skip: u16) -> Result<Self, TxFull> {
        let left = octets.checked_sub(u32::from(skip)).ok_or(TxFull::Range)?;
        Ok(Self { buffer: Arc::clone(buffer), start: start + u32::from(skip), octets: left })
    }

    fn octets(&self) -> &[u8] {
        let start = self.start as usize;
        &self.buffer[start..start + self.octets as usize]
    }
}
