//! A packet on its way from the header to its grain.

use media::ExtSeqNum;
use netio::PacketBuf;
use rtp::RtpHeader;

use super::samples::Samples;

/// A packet whose headers and sequence have been read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrived<'a, B> {
    pub(super) packet: &'a B,
    pub(super) header: &'a RtpHeader,
    pub(super) samples: &'a Samples,
    pub(super) number: ExtSeqNum,
}

/// As [`Arrived`], of a packet that is kept beyond its burst.
#[derive(Debug)]
pub(super) struct Kept<B> {
    pub(super) packet: B,
    pub(super) header: RtpHeader,
    pub(super) samples: Samples,
    pub(super) number: ExtSeqNum,
}

impl<B: PacketBuf> Arrived<'_, B> {
    /// Keeps the packet.
    #[cold]
    pub(super) fn keep(&self) -> Kept<B> {
        Kept { packet: self.packet.again(), header: *self.header, samples: *self.samples, number: self.number }
    }
}

impl<B> Kept<B> {
    pub(super) fn arrived(&self) -> Arrived<'_, B> {
        Arrived { packet: &self.packet, header: &self.header, samples: &self.samples, number: self.number }
    }
}
