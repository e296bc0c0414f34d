//! Relay: a received packet goes on under a new header, its octets shared by reference count.

use std::ptr;

use ip::template::TEMPLATE_OCTETS_MAX;
use netio::{Burst, PacketBuf, PathId, RELAYED_HEADER_OCTETS, Relayed, TxFull};

use super::DpdkTxBuf;
use super::buffers::Buffers;
use super::ways::Way;
use crate::mbuf::Mbuf;
use crate::payload::Claim;
use crate::refer;
use crate::references;
use crate::rx::{DpdkBuf, Piece};

/// Octets of what most paths have below RTP: Ethernet without a tag, IPv4, UDP.
const PLAIN_OCTETS: usize = 42;

/// The headers below RTP for a run of packets to one path. They differ in their lengths only, and mostly not even there.
struct Front {
    octets: [u8; TEMPLATE_OCTETS_MAX],
    /// Octets of the UDP payload that the lengths speak of.
    payload_octets: Option<u16>,
}

impl Front {
    #[inline]
    fn set(&mut self, way: &Way<'_>, payload_octets: u16) {
        if self.payload_octets != Some(payload_octets) {
            way.link.template.write(&mut self.octets, way.mac, payload_octets);
            self.payload_octets = Some(payload_octets);
        }
    }
}

impl Buffers {
    /// The first of `packets` to a path over plain IPv4, as far as each is one buffer that is shared itself, appended to
    /// `burst`. Ends with the first packet that needs more than that, or meets an obstacle: [`Self::forward`] knows which.
    /// Returns how many were made, and the octets of their UDP payloads.
    #[inline]
    pub(super) fn forward_run(
        &mut self,
        path: PathId,
        way: Way<'_>,
        packets: &[Relayed<'_, DpdkBuf>],
        burst: &mut Burst<DpdkTxBuf>,
    ) -> usize {
        let has_room = usize::from(self.headers.pool().config().data_octets) >= PLAIN_OCTETS + RELAYED_HEADER_OCTETS;
        if !has_room || !self.gathers || !way.link.template.is_ipv4() || way.link.template.octets() != PLAIN_OCTETS {
            return 0;
        }
        let mut front = Front { octets: [0; TEMPLATE_OCTETS_MAX], payload_octets: None };
        for (made, relayed) in packets.iter().enumerate() {
            let octets = relayed.packet.octets();
            if octets > way.link.octets_max {
                return made;
            }
            let Some(shared) = relayed.packet.share(RELAYED_HEADER_OCTETS as u16) else { return made };
            let Some(mut head) = self.headers.take() else { return made };
            front.set(&way, octets as u16);
            // SAFETY: `head` is fresh from the pool, whose buffers have room for both headers behind their headroom, which was
            // asked for above; `share` returns one buffer.
            unsafe {
                write_front(&mut head, &front, &relayed.header);
                refer::chain_shared(&mut head, shared);
            }
            let fits = burst.push(DpdkTxBuf::new(head, path, PLAIN_OCTETS as u16));
            debug_assert!(fits.is_ok(), "no more than the burst has room for");
        }
        packets.len()
    }

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
        // SAFETY: the piece borrows the received packet, so its buffer is held.
        if let Some(claim) = unsafe { references::another_claim(piece.buffer()) } {
            return self.refer_as_well(piece, claim);
        }
        // A buffer that refers to another one has octets of its own, and gets them back.
        let mut mbuf = self.headers.take()?;
        let octets = piece.octets();
        // SAFETY: `mbuf` is fresh from its pool. The piece borrows the received packet, so its buffer is held; its octets
        // are that buffer's data.
        unsafe { refer::to_buffer(&mut mbuf, piece.buffer(), octets.as_ptr(), octets.len() as u16) };
        Some(mbuf)
    }

    /// A piece of what refers to a lease: over a net_ring, packets of this process's own senders come to its relays.
    #[cold]
    fn refer_as_well(&mut self, piece: &Piece<'_>, claim: Claim) -> Option<Mbuf> {
        let octets = piece.octets();
        self.references.at_hand(1);
        // SAFETY: the piece borrows the received packet, so its buffer is held; its octets are that buffer's data, which are the
        // claim's lease's. The device finds them where it was said of the buffer.
        unsafe {
            let piece = refer::piece_of(piece.buffer(), octets.as_ptr(), octets.len() as u16);
            self.references.batch(1).refer(&piece, claim)
        }
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

/// Makes the headers the data of a fresh buffer.
///
/// # Safety
/// `head` is empty, nobody else has it, and its memory has room for both headers behind its headroom.
#[inline]
unsafe fn write_front(head: &mut Mbuf, front: &Front, header: &[u8; RELAYED_HEADER_OCTETS]) {
    const OCTETS: usize = PLAIN_OCTETS + RELAYED_HEADER_OCTETS;
    let raw = head.as_ptr();
    // SAFETY: the octets from the data offset on are the buffer's own, as many as are written (caller), and nobody else's;
    // the sources are arrays at least as long as what is read of them.
    unsafe {
        let start = (*raw).buf_addr.cast::<u8>().add(usize::from((*raw).data_off));
        ptr::copy_nonoverlapping(front.octets.as_ptr(), start, PLAIN_OCTETS);
        ptr::copy_nonoverlapping(header.as_ptr(), start.add(PLAIN_OCTETS), RELAYED_HEADER_OCTETS);
        (*raw).data_len = OCTETS as u16;
        (*raw).pkt_len = OCTETS as u32;
    }
}
