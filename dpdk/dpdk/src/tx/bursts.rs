//! Packets of one path and one payload, made a run at a time.
//!
//! All that the packets of a run share, and most are alike but for their headers and where their octets begin, is looked up
//! once: the path's headers with their lengths, ready to be copied; where the device finds the payload; the buffers. What
//! is left for a packet is some stores, straight from the plan to its buffers. Where a packet needs more (a checksum of ours, a payload in pieces, a driver without
//! chains) it is made by itself, as [`super::DpdkTx::gather`] does.

use std::ptr;

use ip::{MacAddr, Template};
use media::Clock;
use netio::{Burst, PLANNED_HEADER_OCTETS, PathId, Planned, StableBytes, TxFull, TxQueue};

use super::buffers::Buffers;
use super::parts::Parts;
use super::{DpdkTx, DpdkTxBuf};
use crate::mbuf::Mbuf;
use crate::path::{FRONT_OCTETS, Link};
use crate::payload::{Linear, Payload};
use crate::refer::{self, External, Head};

/// Room that a header buffer needs for those copies, which may reach beyond the packet's own octets.
pub(super) const HEADER_ROOM: usize = FRONT_OCTETS + PLANNED_HEADER_OCTETS;

/// What most packets of a run have in common: octets of the header, and behind it, in one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lengths(u32);

impl Lengths {
    /// Of no packet.
    const NONE: Self = Self(u32::MAX);

    #[inline]
    const fn of(packet: &Planned) -> Self {
        Self((packet.header_octets as u32) << 16 | packet.octets as u32)
    }

    const fn header(self) -> usize {
        (self.0 >> 16) as usize
    }

    const fn octets(self) -> u16 {
        self.0 as u16
    }

    fn udp_payload(self) -> usize {
        self.header() + usize::from(self.octets())
    }

    /// Where the octets of a packet may begin at the last; `None` when there can be no such packet by this way.
    fn last_start(self, link: &Link, linear: &Linear) -> Option<u32> {
        let fits = self.header() <= PLANNED_HEADER_OCTETS && self.udp_payload() <= link.octets_max;
        linear.octets.checked_sub(self.octets().into()).filter(|_| fits && self.octets() > 0)
    }
}

/// What packets that are alike need beside their own header and place.
struct Alike {
    lengths: Lengths,
    last_start: u32,
    head: Head,
    tail: External,
    front: [u8; FRONT_OCTETS],
}

impl Alike {
    /// As no packet is.
    const NONE: Self = Self {
        lengths: Lengths::NONE,
        last_start: 0,
        head: Head::NONE,
        tail: External::NONE,
        front: [0; FRONT_OCTETS],
    };

    /// `None` when there can be no packet of these lengths by this way. Apart from the loop, which has no registers to spare.
    #[inline(never)]
    fn new<L>(
        (link, mac): (&mut Link, MacAddr),
        path: PathId,
        (payload, linear): (&Payload<L>, &Linear),
        lengths: Lengths,
    ) -> Option<Self> {
        let last_start = lengths.last_start(link, linear)?;
        let below = link.template.octets();
        let head_octets = (below + lengths.header()) as u16;
        let head = Head::new(head_octets, lengths.octets(), DpdkTxBuf::tag(path, below as u16));
        let tail = External::new(lengths.octets(), payload.count());
        let front = *link.fronts.of(&link.template, mac, lengths.udp_payload() as u16);
        Some(Self { lengths, last_start, head, tail, front })
    }
}

impl<L: StableBytes, C: Clock> DpdkTx<L, C> {
    /// Makes packets, behind what `out` holds and as far as it has room: a run at a time, or by themselves.
    #[inline]
    pub(super) fn gather_each(
        &mut self,
        path: PathId,
        payload: &Payload<L>,
        mut packets: impl Iterator<Item = Planned>,
        out: &mut Burst<DpdkTxBuf>,
    ) -> Result<(), TxFull> {
        let linear = payload.linear(self.buffers.reads);
        while !out.is_full() {
            let way = self.ways.known_mut(path).filter(|(link, _)| self.buffers.takes_runs(&link.template));
            let left = match way.zip(linear) {
                Some((way, linear)) => self.buffers.gather_run_wide(way, path, (payload, &linear), &mut packets, out),
                None => packets.next(),
            };
            let Some(packet) = left else { break };
            // Without a way nothing else of the packet matters. What else is in its way, it says by itself.
            self.ways.towards(path)?;
            let buf = self.gather(path, packet.header(), payload, packet.range())?;
            let pushed = out.push(buf).is_ok();
            debug_assert!(pushed, "the burst had room");
        }
        Ok(())
    }
}

impl Buffers {
    /// Whether packets with these headers can be made a run at a time.
    #[inline]
    fn takes_runs(&self, template: &Template) -> bool {
        self.has_header_room && self.gathers && template.is_ipv4() && template.octets() <= FRONT_OCTETS
    }

    /// As [`Self::gather_run`], by the wide registers of the processor where it has them: what it does is copying.
    #[inline]
    fn gather_run_wide<L>(
        &mut self,
        way: (&mut Link, MacAddr),
        path: PathId,
        payload: (&Payload<L>, &Linear),
        packets: &mut impl Iterator<Item = Planned>,
        out: &mut Burst<DpdkTxBuf>,
    ) -> Option<Planned> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("movbe") {
            // SAFETY: the processor has the instructions.
            return unsafe { self.gather_run_avx2(way, path, payload, packets, out) };
        }
        self.gather_run(way, path, payload, packets, out)
    }

    /// As [`Self::gather_run`].
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,movbe")]
    fn gather_run_avx2<L>(
        &mut self,
        way: (&mut Link, MacAddr),
        path: PathId,
        payload: (&Payload<L>, &Linear),
        packets: &mut impl Iterator<Item = Planned>,
        out: &mut Burst<DpdkTxBuf>,
    ) -> Option<Planned> {
        self.gather_run(way, path, payload, packets, out)
    }

    /// Makes packets as far as `packets` has them, `out` has room, buffers are there and the payload has claims. Returns the first
    /// that cannot be made by this way, or `None` when there is no more. [`Self::takes_runs`] was asked.
    #[inline(always)]
    fn gather_run<L>(
        &mut self,
        (link, mac): (&mut Link, MacAddr),
        path: PathId,
        (payload, linear): (&Payload<L>, &Linear),
        packets: &mut impl Iterator<Item = Planned>,
        out: &mut Burst<DpdkTxBuf>,
    ) -> Option<Planned> {
        let below = link.template.octets();
        let mut parts = Parts::take(&mut self.headers, &mut self.references, payload, out.room());
        let mut alike = Alike::NONE;
        while !parts.is_spent() {
            // The iterator is somebody else's: whatever it does, and should it unwind, all is in its place here.
            let packet = packets.next()?;
            let lengths = Lengths::of(&packet);
            if alike.lengths != lengths {
                match Alike::new((&mut *link, mac), path, (payload, linear), lengths) {
                    Some(next) => alike = next,
                    None => return Some(packet),
                }
            }
            if packet.start > alike.last_start {
                return Some(packet);
            }
            let (address, iova) = linear.at(packet.start);
            // SAFETY: the parts are not spent: two buffers fresh from their pools that nobody else has, and a claim on the lease,
            // in which the octets lie (`last_start`). By `has_header_room` the first has the octets that are written behind its
            // headroom: below are at most as many as are copied (`takes_runs`), and the sources are arrays.
            let head = unsafe {
                let (head, tail) = parts.next_pair();
                refer::raw_external(tail.as_ptr(), address, iova, &alike.tail);
                let to = refer::raw_head(head.as_ptr(), tail, &alike.head);
                ptr::copy_nonoverlapping(alike.front.as_ptr(), to, FRONT_OCTETS);
                ptr::copy_nonoverlapping(packet.header.as_ptr(), to.add(below), PLANNED_HEADER_OCTETS);
                Mbuf::from_raw(head)
            };
            let pushed = out.push(DpdkTxBuf::tagged(head)).is_ok();
            debug_assert!(pushed, "a packet more than there was room for");
        }
        if out.is_full() { None } else { packets.next() }
    }
}
