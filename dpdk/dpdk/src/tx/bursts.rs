//! Packets of one path and one payload, made a run at a time.
//!
//! All that the packets of a run share, and they are alike but for their headers and where their octets begin, is looked up
//! once: the path's headers with their lengths, ready to be copied; where the device finds the payload; the buffers. What
//! is left for a packet is some stores. Where a packet needs more (a checksum of ours, a payload in pieces, a driver without
//! chains) it is made by itself, as [`super::DpdkTx::gather`] does.

use std::ptr;

use ip::MacAddr;
use netio::{Burst, PLANNED_HEADER_OCTETS, PathId, Planned, StableBytes, TxFull, TxQueue};

use super::buffers::Buffers;
use super::ways::Way;
use super::{DpdkTx, DpdkTxBuf};
use crate::payload::{Linear, Payload};
use crate::refer::{self, Referring};

/// Octets that are copied for headers below RTP, of IPv4 with or without a tag: whole registers, of which the RTP header
/// overwrites the rest.
const READY_OCTETS: usize = 48;
/// Room that a header buffer needs for those copies, which may reach beyond the packet's own octets.
pub(super) const HEADER_ROOM: usize = READY_OCTETS + PLANNED_HEADER_OCTETS;

/// What the packets of a run have in common: octets of the header, and behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lengths {
    header: u8,
    octets: u16,
}

impl Lengths {
    #[inline]
    const fn of(packet: &Planned) -> Self {
        Self { header: packet.header_octets, octets: packet.octets }
    }

    #[inline]
    fn udp_payload(self) -> usize {
        usize::from(self.header) + usize::from(self.octets)
    }

    /// Where the octets of a packet may begin at the last; `None` when there can be no such packet by this way.
    #[inline]
    fn last_start(self, way: Way<'_>, linear: &Linear) -> Option<u32> {
        let fits = usize::from(self.header) <= PLANNED_HEADER_OCTETS && self.udp_payload() <= way.link.octets_max;
        linear.octets.checked_sub(self.octets.into()).filter(|_| fits && self.octets > 0)
    }
}

/// The headers below RTP of the last run: most runs are as the one before.
#[derive(Debug)]
pub(super) struct Ready {
    is_of: Option<(PathId, MacAddr, Lengths)>,
    octets: [u8; READY_OCTETS],
}

impl Ready {
    /// Of no run yet.
    pub(super) const NONE: Self = Self { is_of: None, octets: [0; READY_OCTETS] };

    #[inline]
    fn of(&mut self, way: Way<'_>, path: PathId, lengths: Lengths) -> [u8; READY_OCTETS] {
        if self.is_of != Some((path, way.mac, lengths)) {
            self.renew(way, path, lengths);
        }
        self.octets
    }

    #[cold]
    fn renew(&mut self, way: Way<'_>, path: PathId, lengths: Lengths) {
        way.link.template.write(&mut self.octets, way.mac, lengths.udp_payload() as u16);
        self.is_of = Some((path, way.mac, lengths));
    }
}

impl<L: StableBytes> DpdkTx<L> {
    /// Makes packets from the first on, behind what `out` holds: a run at a time, or by themselves.
    #[inline]
    pub(super) fn gather_planned(
        &mut self,
        path: PathId,
        payload: &Payload<L>,
        planned: &[Planned],
        out: &mut Burst<DpdkTxBuf>,
    ) -> Result<(), TxFull> {
        let linear = payload.linear(self.buffers.reads);
        let mut rest = planned;
        while let [first, others @ ..] = rest {
            let way = self.ways.towards(path)?;
            let made = match linear.filter(|_| self.buffers.takes_runs(way)) {
                Some(linear) => self.buffers.gather_run(way, path, (payload, linear), rest, out),
                None => 0,
            };
            rest = match rest.get(made..) {
                Some(rest) if made > 0 => rest,
                // What is in its way, it says by itself.
                _ => {
                    let buf = self.gather(path, first.header(), payload, first.range())?;
                    let pushed = out.push(buf).is_ok();
                    debug_assert!(pushed, "the burst had room");
                    others
                }
            };
        }
        Ok(())
    }
}

impl Buffers {
    /// Whether packets by `way` can be made a run at a time.
    #[inline]
    pub(super) fn takes_runs(&self, way: Way<'_>) -> bool {
        let template = &way.link.template;
        self.has_header_room && self.gathers && template.is_ipv4() && template.octets() <= READY_OCTETS
    }

    /// Makes the first of `packets`, as far as they are alike, buffers and room are there, and the payload has claims; returns
    /// how many. [`Self::takes_runs`] was asked.
    #[inline]
    pub(super) fn gather_run<L>(
        &mut self,
        way: Way<'_>,
        path: PathId,
        (payload, linear): (&Payload<L>, Linear),
        packets: &[Planned],
        out: &mut Burst<DpdkTxBuf>,
    ) -> usize {
        let Some(lengths) = packets.first().map(Lengths::of) else { return 0 };
        let Some(last_start) = lengths.last_start(way, &linear) else { return 0 };
        let most = packets.len().min(out.room()).min(payload.ungathered() as usize);
        let most = most.min(self.headers.at_hand(most)).min(self.references.at_hand(most));
        let is_alike = |packet: &&Planned| Lengths::of(packet) == lengths && packet.start <= last_start;
        let run = packets[..most].iter().take_while(is_alike).count();
        let below = way.link.template.octets();
        let tag = DpdkTxBuf::tag(path, below as u16);
        let head_octets = (below + usize::from(lengths.header)) as u16;

        let ready = self.ready.of(way, path, lengths);
        let before = out.len();
        let mut references = self.references.batch(run);
        let parts = packets.iter().zip(self.headers.take_some(run)).zip(payload.take_some(run as u32));
        for ((packet, head), claim) in parts {
            let piece = linear.piece(packet.start, lengths.octets);
            // SAFETY: the piece lies in the lease (`last_start`), on which the claim is.
            let Some(tail) = (unsafe { references.refer(&piece, claim) }) else { break };
            let behind = Referring { tail, octets: lengths.octets };
            // SAFETY: the buffer is fresh from its pool and nobody else's. By `has_header_room` it has the octets that are written
            // behind its headroom: below are at most as many as are ready (`takes_runs`), and the sources are arrays.
            unsafe {
                let to = refer::raw_head(&head, head_octets, behind, tag);
                ptr::copy_nonoverlapping(ready.as_ptr(), to, READY_OCTETS);
                ptr::copy_nonoverlapping(packet.header.as_ptr(), to.add(below), PLANNED_HEADER_OCTETS);
            }
            let pushed = out.push(DpdkTxBuf::tagged(head)).is_ok();
            debug_assert!(pushed, "a packet more than there was room for");
        }
        out.len() - before
    }
}
