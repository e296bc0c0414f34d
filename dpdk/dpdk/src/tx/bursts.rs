//! Packets of one path and one payload, made a burst at a time.
//!
//! All that these packets share is looked up once: the path's headers, with the lengths of the packet before, ready to be
//! copied; where the device finds the payload. What is left for a packet is some
//! stores. Where a packet needs more (a checksum of ours, a payload in pieces, a driver without chains) they are made
//! one by one, as [`super::DpdkTx::gather`] does.

use std::ptr;

use ip::Template;
use netio::{Burst, PLANNED_HEADER_OCTETS, PathId, Planned};

use super::DpdkTxBuf;
use super::buffers::Buffers;
use super::ways::Way;
use crate::payload::{Linear, Payload};
use crate::refer::{self, Referring};

/// Octets that are copied for headers below RTP, of IPv4 with or without a tag: whole registers, of which the RTP header
/// overwrites the rest.
const READY_OCTETS: usize = 48;
/// Room that a header buffer needs for those copies, which may reach beyond the packet's own octets.
pub(super) const HEADER_ROOM: usize = READY_OCTETS + PLANNED_HEADER_OCTETS;

/// How a burst ended.
pub(super) enum Ended {
    /// No packet is left, or no room for one.
    All,
    /// The next one cannot be made in this way.
    Alone(Planned),
}

/// The headers of a path, with the lengths of the last packet.
struct Ready<'a> {
    way: Way<'a>,
    octets: [u8; READY_OCTETS],
    /// Octets of the UDP payload that stand in them.
    udp_payload: usize,
}

impl<'a> Ready<'a> {
    const fn new(way: Way<'a>) -> Self {
        Self { way, octets: [0; READY_OCTETS], udp_payload: usize::MAX }
    }

    /// Makes them those of a packet with so many octets. Packets of a plan are of one size, but for few.
    #[cold]
    fn renew(&mut self, udp_payload: usize) {
        self.way.link.template.write(&mut self.octets, self.way.mac, udp_payload as u16);
        self.udp_payload = udp_payload;
    }

    /// Whether a packet can be made as the others are; its lengths stand in the headers then.
    #[inline]
    fn suits(&mut self, packet: &Planned, linear: &Linear) -> bool {
        let header = usize::from(packet.header_octets);
        let udp_payload = header + usize::from(packet.octets);
        let end = packet.start.checked_add(packet.octets.into());
        if header > PLANNED_HEADER_OCTETS || packet.octets == 0 || end.is_none_or(|end| end > linear.octets) {
            return false;
        }
        if udp_payload != self.udp_payload {
            if udp_payload > self.way.link.octets_max {
                return false;
            }
            self.renew(udp_payload);
        }
        true
    }

    /// Writes all headers of `packet`, and some octets behind them.
    ///
    /// # Safety
    /// [`HEADER_ROOM`] octets from `to` on are nobody else's.
    #[inline]
    unsafe fn write(&self, packet: &Planned, to: *mut u8) {
        let below = self.template().octets();
        // SAFETY: the sources are arrays of as many octets; what is written lies within the room (caller): the headers below
        // RTP are at most READY_OCTETS, as `takes_bursts` has seen.
        unsafe {
            ptr::copy_nonoverlapping(self.octets.as_ptr(), to, READY_OCTETS);
            ptr::copy_nonoverlapping(packet.header.as_ptr(), to.add(below), PLANNED_HEADER_OCTETS);
        }
    }

    const fn template(&self) -> &Template {
        &self.way.link.template
    }
}

impl Buffers {
    /// Whether packets by `way` can be made a burst at a time.
    #[inline]
    pub(super) fn takes_bursts(&self, way: Way<'_>) -> bool {
        let template = &way.link.template;
        self.has_header_room && self.gathers && template.is_ipv4() && template.octets() <= READY_OCTETS
    }

    /// Makes packets as far as there is room, buffers are there, and the payload has references.
    #[inline]
    pub(super) fn gather_burst<L>(
        &mut self,
        way: Way<'_>,
        path: PathId,
        (payload, linear): (&Payload<L>, Linear),
        packets: &mut impl Iterator<Item = Planned>,
        out: &mut Burst<DpdkTxBuf>,
    ) -> Ended {
        let mut ready = Ready::new(way);
        let below = ready.template().octets();
        let tag = DpdkTxBuf::tag(path, below as u16);
        while !out.is_full() {
            // Before a packet is asked for, so that none is lost.
            let at_hand = self.headers.at_hand(out.room()).min(self.references.at_hand(out.room()));
            if at_hand == 0 {
                return packets.next().map_or(Ended::All, Ended::Alone);
            }
            for _ in 0..at_hand.min(out.room()) {
                let Some(packet) = packets.next() else { return Ended::All };
                if !ready.suits(&packet, &linear) {
                    return Ended::Alone(packet);
                }
                // What is not there after all, `gather` refuses by itself, and says why.
                let Some(head) = self.headers.take_raw() else { return Ended::Alone(packet) };
                let Some(claim) = payload.take() else { return Ended::Alone(packet) };
                let piece = linear.piece(packet.start, packet.octets);
                // SAFETY: the piece lies in the lease (`suits`), on which the claim is.
                let Some(tail) = (unsafe { self.references.refer(&piece, claim) }) else { return Ended::Alone(packet) };
                let behind = Referring { tail, octets: packet.octets };
                // SAFETY: the buffer is fresh from its pool and nobody else's. By `has_header_room` it has the octets that are
                // written behind its headroom.
                unsafe {
                    let to = refer::raw_head(&head, (below + usize::from(packet.header_octets)) as u16, behind, tag);
                    ready.write(&packet, to);
                }
                let pushed = out.push(DpdkTxBuf::tagged(head)).is_ok();
                debug_assert!(pushed, "a packet more than there was room for");
            }
        }
        Ended::All
    }
}
