//! Packets made of headers and of what they refer to; or copied, where the driver takes no chains.

use std::ptr;

use ip::checksum::Sum;
use netio::TxFull;

use super::TxPools;
use super::bursts::HEADER_ROOM;
use super::checksum::sum_of_lease;
use super::ways::Way;
use crate::capabilities::Capabilities;
use crate::iova::{PIECES_MAX, Pieces, Reads};
use crate::mbuf::Mbuf;
use crate::payload::Payload;
use crate::references::References;
use crate::stash::Stash;

/// Where packets are made.
#[derive(Debug)]
pub(super) struct Buffers {
    pub(super) headers: Stash,
    pub(super) references: References,
    pub(super) gathers: bool,
    pub(super) reads: Reads,
    /// Whether the device completes UDP checksums.
    completes_udp: bool,
    /// Headers of every kind fit a buffer, with what is copied beside them.
    pub(super) has_header_room: bool,
    /// Longest frame that is not a chain.
    pub(super) frame_octets_max: usize,
}

impl Buffers {
    pub(super) fn new(pools: TxPools, capabilities: &Capabilities, reads: Reads) -> Self {
        let one_buffer = usize::from(pools.headers.config().data_octets);
        Self {
            headers: Stash::new(pools.headers),
            references: pools.references,
            gathers: capabilities.gathers,
            reads,
            completes_udp: capabilities.tx_udp_checksum,
            has_header_room: one_buffer >= HEADER_ROOM,
            frame_octets_max: if capabilities.gathers { usize::MAX } else { one_buffer },
        }
    }

    /// All headers of a packet. `sum` adds the payload to the checksum; it is asked where IPv6 needs it of us.
    pub(super) fn headers(
        &mut self,
        way: Way<'_>,
        header: &[u8],
        payload_octets: usize,
        sum: impl FnOnce(Sum) -> Sum,
    ) -> Result<Mbuf, TxFull> {
        let mut mbuf = self.headers.take().ok_or(TxFull::Buffers)?;
        let template = &way.link.template;
        let below = template.octets();
        // The way's check bounds both: a header by 64 octets, a packet by the MTU.
        let out = mbuf.append((below + header.len()) as u16).ok_or(TxFull::Mtu)?;
        let octets = (header.len() + payload_octets) as u16;
        template.write(out, way.mac, octets);
        out[below..].copy_from_slice(header);
        if template.is_ipv4() {
            // RFC 768: a checksum of 0 is none.
            return Ok(mbuf);
        }
        if self.completes_udp {
            let at = template.udp_checksum_offset();
            out[at..at + 2].copy_from_slice(&template.pseudo_checksum(octets).to_be_bytes());
            ask_for_udp_checksum(&mut mbuf, template);
        } else {
            template.complete_udp_checksum(out, octets, sum(Sum::new().octets(header)));
        }
        Ok(mbuf)
    }

    /// Where the device finds `octets` of the payload from `address` on, which [`Payload::check`] returned. `None` when they
    /// must be copied: the driver takes no chains, or the device cannot read them.
    #[inline]
    pub(super) fn pieces<L>(&self, payload: &Payload<L>, address: *const u8, octets: u16) -> Option<Pieces> {
        if self.gathers { payload.pieces(address, octets, self.reads) } else { None }
    }

    /// Headers, and references to `pieces` of the payload.
    #[inline]
    pub(super) fn gather<L>(
        &mut self,
        way: Way<'_>,
        header: &[u8],
        payload: &Payload<L>,
        pieces: &Pieces,
    ) -> Result<Mbuf, TxFull> {
        let octets = pieces.iter().map(|piece| usize::from(piece.octets)).sum();
        let sum = |sum| {
            // SAFETY: the pieces lie in the lease, which `payload` holds.
            pieces.iter().fold(sum, |sum, piece| unsafe { sum_of_lease(sum, piece.address, piece.octets.into()) })
        };
        let mut head = self.headers(way, header, octets, sum)?;
        let tail = self.refer(payload, pieces).ok_or(TxFull::Buffers)?;
        // A chain of a few buffers never has 65,536.
        head.chain(tail).map_err(|_| TxFull::Buffers)?;
        Ok(head)
    }

    /// A chain of buffers that refer to `pieces`, counted in the payload; `None`, and nothing is counted, when there are
    /// not enough.
    #[inline]
    fn refer<L>(&mut self, payload: &Payload<L>, pieces: &Pieces) -> Option<Mbuf> {
        if self.references.at_hand(pieces.len()) < pieces.len() {
            return None;
        }
        let (first, rest) = pieces.split_first()?;
        let claim = payload.take()?;
        let claims: arrayvec::ArrayVec<_, PIECES_MAX> = rest.iter().map(|_| claim.another()).collect();
        let mut batch = self.references.batch(pieces.len());
        // SAFETY: the pieces lie in the lease that the claims are on, where `Payload::pieces` has found them.
        let mut mbuf = unsafe { batch.refer(first, claim) }?;
        for (piece, claim) in rest.iter().zip(claims) {
            // SAFETY: as above.
            let next = unsafe { batch.refer(piece, claim) }?;
            mbuf.chain(next).ok()?;
        }
        Some(mbuf)
    }

    /// Headers, and a copy of `octets` of the payload from `address` on, which [`Payload::check`] returned.
    #[cold]
    pub(super) fn copy<L>(
        &mut self,
        way: Way<'_>,
        header: &[u8],
        payload: &Payload<L>,
        (address, octets): (*const u8, u16),
    ) -> Result<Mbuf, TxFull> {
        let fill = |at: usize, out: &mut [u8]| {
            // SAFETY: the source lies in the lease, which `payload` holds: `at` and the length of `out` are within `octets`. It
            // is readable (StableBytes), and `out` is ours. No reference to the source is formed: another process may
            // write it meanwhile, and the octets are then any mix of old and new.
            unsafe { ptr::copy_nonoverlapping(address.add(at), out.as_mut_ptr(), out.len()) };
        };
        let mbuf = if self.gathers {
            self.copy_chained(way, header, octets.into(), fill)?
        } else {
            self.linear(way, header, octets.into(), |out| fill(0, out))?
        };
        payload.pass();
        Ok(mbuf)
    }

    /// Headers and a payload that `fill` writes, piece by piece, in as many buffers as it takes.
    fn copy_chained(
        &mut self,
        way: Way<'_>,
        header: &[u8],
        payload_octets: usize,
        fill: impl Fn(usize, &mut [u8]),
    ) -> Result<Mbuf, TxFull> {
        let room = usize::from(self.headers.pool().config().data_octets).max(1);
        let mut payload: Option<Mbuf> = None;
        let mut at = 0;
        while at < payload_octets {
            let mut next = self.headers.take().ok_or(TxFull::Buffers)?;
            let out = next.append(room.min(payload_octets - at) as u16).ok_or(TxFull::Buffers)?;
            fill(at, out);
            at += out.len();
            match &mut payload {
                Some(chain) => chain.chain(next).map_err(|_| TxFull::Buffers)?,
                None => payload = Some(next),
            }
        }
        // Over the copy, so that it is right whatever happens to the original.
        let sum = |sum: Sum| payload.iter().flat_map(Mbuf::segments).fold(sum, Sum::octets);
        let mut head = self.headers(way, header, payload_octets, sum)?;
        if let Some(payload) = payload {
            head.chain(payload).map_err(|_| TxFull::Buffers)?;
        }
        Ok(head)
    }

    /// Headers and a payload that `fill` writes, in one buffer: for drivers that take no chains.
    pub(super) fn linear(
        &mut self,
        way: Way<'_>,
        header: &[u8],
        payload_octets: usize,
        fill: impl FnOnce(&mut [u8]),
    ) -> Result<Mbuf, TxFull> {
        let mut mbuf = self.headers.take().ok_or(TxFull::Buffers)?;
        let template = &way.link.template;
        let (below, octets) = (template.octets(), header.len() + payload_octets);
        let out = mbuf.append((below + octets) as u16).ok_or(TxFull::Mtu)?;
        let (headers, payload) = out.split_at_mut(below + header.len());
        fill(payload);
        headers[below..].copy_from_slice(header);
        template.write(headers, way.mac, octets as u16);
        if !template.is_ipv4() {
            // Over the copy, so that it is right whatever happens to the original.
            let sum = Sum::new().octets(header).octets(payload);
            template.complete_udp_checksum(headers, octets as u16, sum);
        }
        Ok(mbuf)
    }
}

/// Has the device complete the UDP checksum of an IPv6 packet, whose field holds the pseudo-header's sum.
fn ask_for_udp_checksum(mbuf: &mut Mbuf, template: &ip::Template) {
    let lengths = (template.link_octets() as u64) << dpdk_sys::FLYPACK_L2_LEN_SHIFT
        | (template.ip_octets() as u64) << dpdk_sys::FLYPACK_L3_LEN_SHIFT;
    let raw = mbuf.as_ptr();
    // SAFETY: the buffer was just filled, and is ours alone.
    unsafe {
        (*raw).tx_offload = lengths;
        (*raw).ol_flags |= dpdk_sys::FLYPACK_MBUF_F_TX_IPV6 | dpdk_sys::FLYPACK_MBUF_F_TX_UDP_CKSUM;
    }
}
