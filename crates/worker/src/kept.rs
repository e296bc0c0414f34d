//! A packet that a relay keeps until its destinations have got it.

use media::{ExtSeqNum, Tai};
use rtp::FIXED_HEADER_OCTETS;

/// A packet of a relay, in its window.
#[derive(Debug)]
pub(crate) struct Kept<B> {
    pub(crate) packet: B,
    pub(crate) original: Original,
    /// Which stream it belongs to: counts changes of the SSRC and restarts. `None`: to one that is not followed.
    pub(crate) run: Option<u32>,
    /// Whether its time stamp is another than that of the packet before it: a picture begins.
    pub(crate) begins: bool,
}

/// A packet of the source, as far as rewriting goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Original {
    pub(crate) header: [u8; FIXED_HEADER_OCTETS],
    pub(crate) number: ExtSeqNum,
    pub(crate) at: Tai,
}

impl Original {
    pub(crate) fn timestamp(&self) -> u32 {
        u32::from_be_bytes([self.header[4], self.header[5], self.header[6], self.header[7]])
    }
}
