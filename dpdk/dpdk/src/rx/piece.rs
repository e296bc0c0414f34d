//! A run of octets of a received packet, and the buffer it lies in.

use std::marker::PhantomData;
use std::ptr::NonNull;
use std::slice;

use dpdk_sys::rte_mbuf;

use crate::mbuf::Mbuf;

/// Octets in one buffer of a packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece<'a> {
    buffer: NonNull<rte_mbuf>,
    octets: &'a [u8],
}

impl<'a> Piece<'a> {
    pub(super) const fn new(buffer: NonNull<rte_mbuf>, octets: &'a [u8]) -> Self {
        Self { buffer, octets }
    }

    /// The buffer, valid as long as the packet is borrowed.
    pub(crate) const fn buffer(&self) -> NonNull<rte_mbuf> {
        self.buffer
    }

    pub(crate) const fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// The buffers behind this one.
    pub(super) fn next(&self) -> Option<NonNull<rte_mbuf>> {
        // SAFETY: the buffer is valid while the packet is borrowed, and nobody changes its `next` meanwhile.
        NonNull::new(unsafe { (*self.buffer.as_ptr()).next })
    }
}

/// A range of a packet, buffer by buffer. None of them is empty.
#[derive(Clone, Debug)]
pub(crate) struct Pieces<'a> {
    first: Option<Piece<'a>>,
    next: Option<NonNull<rte_mbuf>>,
    skip: usize,
    left: usize,
    packet: PhantomData<&'a Mbuf>,
}

impl<'a> Pieces<'a> {
    /// `octets` of a packet from `start` on.
    #[inline]
    pub(super) fn of(mbuf: &'a Mbuf, start: usize, octets: usize) -> Self {
        Self { first: None, next: NonNull::new(mbuf.as_ptr()), skip: start, left: octets, packet: PhantomData }
    }

    /// `octets` of what `first` and the buffers behind it hold, but for `skip` in front.
    #[inline]
    pub(super) fn after(first: Piece<'a>, skip: usize, octets: usize) -> Self {
        let next = first.next();
        Self { first: Some(first), next, skip, left: octets, packet: PhantomData }
    }

    #[inline]
    fn next_buffer(&mut self) -> Option<Piece<'a>> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let buffer = self.next?;
        // SAFETY: the chain is well formed and stays so while the packet is borrowed. A buffer's data lies within its memory:
        // DPDK's invariant. Nobody writes it: it was received, and what others have of it they only read. (Over a
        // net_ring, which joins queues of one process, it may be a lease of that process's own rings.)
        let octets = unsafe {
            let raw = buffer.as_ptr();
            self.next = NonNull::new((*raw).next);
            let start = (*raw).buf_addr.cast::<u8>().add(usize::from((*raw).data_off));
            slice::from_raw_parts(start, usize::from((*raw).data_len))
        };
        Some(Piece { buffer, octets })
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    #[inline]
    fn next(&mut self) -> Option<Piece<'a>> {
        while self.left > 0 {
            let Piece { buffer, octets } = self.next_buffer()?;
            let Some(octets) = octets.get(self.skip..).filter(|rest| !rest.is_empty()) else {
                self.skip -= octets.len();
                continue;
            };
            self.skip = 0;
            let octets = &octets[..octets.len().min(self.left)];
            self.left -= octets.len();
            return Some(Piece { buffer, octets });
        }
        None
    }
}
