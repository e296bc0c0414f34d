//! A received datagram in its packet buffers.

use std::cell::Cell;
use std::fmt;
use std::iter;
use std::mem::ManuallyDrop;
use std::ops::Range;
use std::ptr::{self, NonNull};
use std::slice;

use ip::frame::Datagram;
use media::Tai;
use netio::{Burst, PacketBuf, PacketMeta, TimeSource};

use super::piece::{Piece, Pieces};
use crate::mbuf::Mbuf;
use crate::prefetch::prefetch;

/// Octets that `head` holds at least, where there are as many: an RTP header (RFC 3550 §5.1).
const HEAD_OCTETS: usize = 12;

/// A received datagram. It keeps its packet buffers until it drops.
///
/// Where the payload lies is kept here, not in the buffers: what is sent on may share them with other offsets.
pub struct DpdkBuf {
    mbuf: Mbuf,
    meta: PacketMeta,
    /// The first buffer that holds payload, and how much.
    first: First,
    octets: u32,
    /// The head, where the first buffer holds less than one.
    pulled_up: [u8; HEAD_OCTETS],
    pulled_up_octets: u8,
    /// What the buffer skips since it was shared.
    shared_skip: Cell<Option<u16>>,
    /// References to the buffer that are counted at a time, and those counted that nobody was given yet: a count that
    /// other cores write too is changed once, not once a copy.
    counted_at_once: Cell<u16>,
    unused: Cell<u16>,
}

/// Most references that are counted at a time; the count has 16 bits.
const COUNTED_AT_ONCE_MAX: usize = 256;

/// The first buffer that holds payload, and where.
#[derive(Clone, Copy)]
pub(super) struct First {
    buffer: NonNull<dpdk_sys::rte_mbuf>,
    start: *const u8,
    octets: u32,
}

// SAFETY: the pointers are into the packet that `mbuf` owns, which may be passed to another thread.
unsafe impl Send for DpdkBuf {}

impl DpdkBuf {
    /// Appends the `datagram` that `mbuf` holds: its payload lies within the frame, and its head in the first buffer, which is
    /// [`First::of`] it. It is written once, to where it stays: what is moved waits for what was just written.
    ///
    /// # Panics
    /// When the burst is full.
    #[inline]
    pub(super) fn place(
        burst: &mut Burst<Self>,
        mbuf: Mbuf,
        first: First,
        datagram: &Datagram,
        (arrival, timed_by): (Tai, TimeSource),
    ) {
        let packets = burst.storage();
        let at = packets.len();
        assert!(at < packets.capacity(), "no room in the burst");
        // SAFETY: there is room for another packet behind the last, of which every field is written before it counts.
        unsafe {
            let to = packets.as_mut_ptr().add(at);
            (&raw mut (*to).meta.source).copy_from_nonoverlapping(&raw const datagram.source, 1);
            (&raw mut (*to).meta.destination).copy_from_nonoverlapping(&raw const datagram.destination, 1);
            (&raw mut (*to).meta.arrival).write(arrival);
            (&raw mut (*to).meta.timed_by).write(timed_by);
            (&raw mut (*to).mbuf).write(mbuf);
            (&raw mut (*to).first).write(first);
            (&raw mut (*to).octets).write(datagram.payload_octets().into());
            (&raw mut (*to).pulled_up).write([0; _]);
            (&raw mut (*to).pulled_up_octets).write(0);
            (&raw mut (*to).shared_skip).write(Cell::new(None));
            (&raw mut (*to).counted_at_once).write(Cell::new(1));
            (&raw mut (*to).unused).write(Cell::new(0));
            packets.set_len(at + 1);
        }
    }

    /// A datagram whose payload begins in another buffer than the first, or whose head goes on there.
    #[cold]
    pub(super) fn split(mbuf: Mbuf, datagram: &Datagram, (arrival, timed_by): (Tai, TimeSource)) -> Self {
        let Range { start, end } = datagram.payload();
        let octets = end - start;
        let first = First::of(&mbuf, datagram).unwrap_or_else(|| First::behind(&mbuf, start, octets));
        let is_split = (first.octets as usize) < octets.min(HEAD_OCTETS);
        let (pulled_up, pulled_up_octets) = if is_split { pulled_up(&mbuf, start, octets) } else { ([0; _], 0) };
        Self {
            mbuf,
            meta: PacketMeta { source: datagram.source, destination: datagram.destination, arrival, timed_by },
            first,
            octets: octets as u32,
            pulled_up,
            pulled_up_octets,
            shared_skip: Cell::new(None),
            counted_at_once: Cell::new(1),
            unused: Cell::new(0),
        }
    }

    /// Whether the head had to be put together from several buffers.
    #[inline]
    pub(super) const fn is_pulled_up(&self) -> bool {
        self.pulled_up_octets > 0
    }

    /// The packet itself, for whoever frees it with others.
    #[inline]
    pub(super) fn into_mbuf(self) -> Mbuf {
        self.give_unused_back();
        let packet = ManuallyDrop::new(self);
        // SAFETY: `packet` is not used again and never drops, so this is the only owner. No other field owns anything.
        unsafe { ptr::read(&raw const packet.mbuf) }
    }

    /// Takes back references that were counted and given to nobody.
    #[inline]
    fn give_unused_back(&self) {
        let unused = self.unused.take();
        if unused > 0 {
            self.mbuf.remove_references(unused);
        }
    }

    /// Headers in front, samples behind them: more buffers are not expected.
    #[inline(never)]
    fn prefetch_rest(&self) {
        if let Some(piece) = self.pieces(0).nth(1) {
            prefetch(piece.octets().as_ptr(), piece.octets().len());
        }
    }

    /// The payload, but for its first `skip` octets, buffer by buffer.
    #[inline]
    pub(crate) fn pieces(&self, skip: u16) -> Pieces<'_> {
        Pieces::after(self.first_piece(), skip.into(), (self.octets as usize).saturating_sub(skip.into()))
    }

    #[inline]
    fn first_piece(&self) -> Piece<'_> {
        // SAFETY: the octets are data of a buffer of the packet that `self` owns and the piece borrows; received octets are
        // not written any more. Changing the buffer's own offsets, as `share` does, moves no octet.
        Piece::new(self.first.buffer, unsafe { slice::from_raw_parts(self.first.start, self.first.octets as usize) })
    }

    /// The buffer itself, to hang behind another header, when it is the only one and nobody shares it with another `skip`.
    #[inline]
    pub(crate) fn share(&self, skip: u16) -> Option<Mbuf> {
        if self.mbuf.segment_count() != 1 || u32::from(skip) >= self.octets {
            return None;
        }
        if self.shared_skip.get() != Some(skip) {
            if self.mbuf.references() != 1 {
                return None;
            }
            let left = (self.octets - u32::from(skip)) as u16;
            let start = self.first.start.wrapping_add(skip.into());
            let raw = self.mbuf.as_ptr();
            // SAFETY: the reference that `self` holds is the only one, so nobody else reads or writes the buffer's fields. The
            // payload lies within the buffer's memory, so its distance from the beginning fits 16 bits.
            unsafe {
                (*raw).data_off = (start.addr() - (*raw).buf_addr.addr()) as u16;
                (*raw).data_len = left;
                (*raw).pkt_len = u32::from(left);
            }
            self.shared_skip.set(Some(skip));
        }
        if self.unused.get() == 0 {
            self.mbuf.add_references(self.counted_at_once.get());
            self.unused.set(self.counted_at_once.get());
        }
        self.unused.set(self.unused.get() - 1);
        // SAFETY: the buffer is whole, and one of the references that were added for it is given away here.
        Some(unsafe { Mbuf::from_raw(self.mbuf.as_non_null()) })
    }
}

/// The head of a datagram, put together from several buffers, and how many octets it has.
#[cold]
fn pulled_up(mbuf: &Mbuf, start: usize, octets: usize) -> ([u8; HEAD_OCTETS], u8) {
    let mut head = [0; HEAD_OCTETS];
    let pieces = Pieces::of(mbuf, start, octets);
    let count = pieces.flat_map(|piece| piece.octets()).zip(&mut head).map(|(from, to)| *to = *from).count();
    (head, count as u8)
}

impl Drop for DpdkBuf {
    #[inline]
    fn drop(&mut self) {
        self.give_unused_back();
    }
}

impl First {
    /// What the packet's first buffer holds of the payload, if there is any.
    #[inline]
    pub(super) fn of(mbuf: &Mbuf, datagram: &Datagram) -> Option<Self> {
        let Range { start, end } = datagram.payload();
        let rest = mbuf.head().get(start..).filter(|rest| !rest.is_empty())?;
        Some(Self { buffer: mbuf.as_non_null(), start: rest.as_ptr(), octets: rest.len().min(end - start) as u32 })
    }

    /// Whether it holds the head of a payload of so many octets.
    #[inline]
    pub(super) fn has_head(&self, octets: u16) -> bool {
        self.octets as usize >= usize::from(octets).min(HEAD_OCTETS)
    }

    /// What lies in a buffer behind the first.
    #[cold]
    fn behind(mbuf: &Mbuf, start: usize, octets: usize) -> Self {
        let of = |piece: Piece<'_>| Self {
            buffer: piece.buffer(),
            start: piece.octets().as_ptr(),
            octets: piece.octets().len() as u32,
        };
        Pieces::of(mbuf, start, octets).next().map_or_else(|| Self::none(mbuf), of)
    }

    /// An empty payload lies nowhere.
    fn none(mbuf: &Mbuf) -> Self {
        Self { buffer: mbuf.as_non_null(), start: mbuf.head().as_ptr(), octets: 0 }
    }
}

impl PacketBuf for DpdkBuf {
    fn again(&self) -> Self {
        Self {
            mbuf: self.mbuf.another_reference(),
            meta: self.meta,
            first: self.first,
            octets: self.octets,
            pulled_up: self.pulled_up,
            pulled_up_octets: self.pulled_up_octets,
            // What the buffer skips is its own: whoever shares it from here looks at the references.
            shared_skip: Cell::new(None),
            counted_at_once: Cell::new(1),
            unused: Cell::new(0),
        }
    }

    #[inline]
    fn meta(&self) -> &PacketMeta {
        &self.meta
    }

    #[inline]
    fn expect_copies(&self, copies: usize) {
        self.counted_at_once.set(copies.clamp(1, COUNTED_AT_ONCE_MAX) as u16);
    }

    #[inline]
    fn prefetch(&self) {
        prefetch(self.first.start, self.first.octets as usize);
        if self.first.octets < self.octets {
            self.prefetch_rest();
        }
    }

    #[inline]
    fn octets(&self) -> usize {
        self.octets as usize
    }

    #[inline]
    fn head(&self) -> &[u8] {
        if self.is_pulled_up() {
            return &self.pulled_up[..usize::from(self.pulled_up_octets)];
        }
        self.first_piece().octets()
    }

    #[inline]
    fn segments(&self) -> impl Iterator<Item = &[u8]> {
        let pulled_up = &self.pulled_up[..usize::from(self.pulled_up_octets)];
        let rest = self.pieces(self.pulled_up_octets.into()).map(|piece| piece.octets());
        iter::once(pulled_up).filter(|head| !head.is_empty()).chain(rest)
    }

    #[inline]
    fn run(&self, skip: usize, octets: usize) -> Option<&[u8]> {
        if let Some(in_head) = self.head().get(skip..skip + octets) {
            return Some(in_head);
        }
        // A datagram has fewer than 65,536 octets.
        self.pieces(u16::try_from(skip).ok()?).next()?.octets().get(..octets)
    }

    #[inline]
    fn last_octet(&self) -> u8 {
        let Some(last) = self.octets.checked_sub(1) else { return 0 };
        // A datagram has fewer than 65,536 octets.
        self.pieces(last as u16).next().and_then(|piece| piece.octets().first().copied()).unwrap_or(0)
    }
}

impl fmt::Debug for DpdkBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DpdkBuf").field("meta", self.meta()).field("octets", &self.octets).finish_non_exhaustive()
    }
}
