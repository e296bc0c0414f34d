//! Relay: a received packet goes on under a new header, its octets shared by reference count.

use netio::{PacketBuf, TxFull};

use super::buffers::Buffers;
use super::ways::Way;
use crate::mbuf::Mbuf;
use crate::refer;
use crate::rx::{DpdkBuf, Piece};

impl Buffers {
    /// Headers, and all but the first `skip` octets of a received packet.
    ///
    /// Copies of a packet that skip as much share the received buffer itself, which is the cheapest; others refer to it by
    /// buffers of their own.
    #[inline]
    pub(super) fn forward(
        &mut self,
        way: Way<'_>,
        header: &[u8],
        received: &DpdkBuf,
        skip: u16,
    ) -> Result<Mbuf, TxFull> {
        let octets = received.octets().checked_sub(skip.into()).ok_or(TxFull::Range)?;
        let sum = |sum: ip::checksum::Sum| received.pieces(skip).fold(sum, |sum, piece| sum.octets(piece.octets()));
        let mut head = self.headers(way, header, octets, sum)?;
        if octets == 0 {
            return Ok(head);
        }
        if let Some(shared) = received.share(skip) {
            // SAFETY: `head` is one buffer, fresh from the pool; `share` returns one buffer.
            unsafe { refer::chain_shared(&mut head, shared) };
            return Ok(head);
        }
        for piece in received.pieces(skip) {
            let next = self.indirect(&piece).ok_or(TxFull::Buffers)?;
            head.chain(next).map_err(|_| TxFull::Buffers)?;
        }
        Ok(head)
    }

    fn indirect(&mut self, piece: &Piece<'_>) -> Option<Mbuf> {
        let mut mbuf = self.references.take()?;
        let octets = piece.octets();
        // SAFETY: `mbuf` is fresh from its pool. The piece borrows the received packet, so its buffer is held; its octets
        // are that buffer's data.
        unsafe { refer::to_buffer(&mut mbuf, piece.buffer(), octets.as_ptr(), octets.len() as u16) };
        Some(mbuf)
    }

    /// As [`Self::forward`], copied into one buffer: for drivers that take no chains.
    #[cold]
    pub(super) fn copy_forward(
        &mut self,
        way: Way<'_>,
        header: &[u8],
        received: &DpdkBuf,
        skip: u16,
    ) -> Result<Mbuf, TxFull> {
        let octets = received.octets().checked_sub(skip.into()).ok_or(TxFull::Range)?;
        self.linear(way, header, octets, |mut out| {
            for piece in received.pieces(skip) {
                let (now, rest) = out.split_at_mut(piece.octets().len());
                now.copy_from_slice(piece.octets());
                out = rest;
            }
        })
    }
}
