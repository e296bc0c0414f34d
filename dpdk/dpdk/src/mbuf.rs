//! A packet in one or several buffers of a pool.

use std::fmt;
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::{AtomicU16, Ordering};

use dpdk_sys::rte_mbuf;

use crate::prefetch::prefetch;

/// The most packets of one burst.
pub const BURST: usize = 32;

/// A packet: a chain of buffers, freed when this drops. It may be passed to another thread.
///
/// Its octets may be shared, with other packets (an indirect or external buffer) or with a device that was just
/// asked to send them. They are therefore readable by anybody and writable only while nobody else can see them.
#[repr(transparent)]
pub struct Mbuf(NonNull<rte_mbuf>);

// SAFETY: an Mbuf is the only owner of its reference to the chain; pools and reference counts are made for threads.
unsafe impl Send for Mbuf {}
// SAFETY: shared access only reads fields that nobody writes while a reference is held (counts are read atomically).
unsafe impl Sync for Mbuf {}

impl Mbuf {
    /// Takes over a chain.
    ///
    /// # Safety
    /// `raw` is the head of a chain of packet buffers, well formed, of which the caller gives one reference away; what
    /// its segments refer to stays mapped until the chain is freed.
    #[inline]
    #[must_use]
    pub unsafe fn from_raw(raw: NonNull<rte_mbuf>) -> Self {
        Self(raw)
    }

    /// Gives the chain away without freeing it.
    #[inline]
    #[must_use]
    pub fn into_raw(self) -> NonNull<rte_mbuf> {
        let raw = self.0;
        std::mem::forget(self);
        raw
    }

    /// For calls into DPDK.
    #[inline]
    #[must_use]
    pub fn as_ptr(&self) -> *mut rte_mbuf {
        self.0.as_ptr()
    }

    /// The head of the chain.
    #[inline]
    pub(crate) const fn as_non_null(&self) -> NonNull<rte_mbuf> {
        self.0
    }

    /// References to the first buffer, this one included. More may only appear through those that there are.
    #[inline]
    #[must_use]
    pub fn references(&self) -> u16 {
        // Pairs with the release of whoever gave one back.
        self.count_of(self.0).load(Ordering::Acquire)
    }

    /// The same packet once more: each of its buffers is freed when all references to it are given back.
    #[inline]
    #[must_use]
    pub(crate) fn another_reference(&self) -> Self {
        let mut next = Some(self.0);
        while let Some(buffer) = next {
            // Relaxed, as an Arc's clone: the reference that `self` is keeps everything in place.
            self.count_of(buffer).fetch_add(1, Ordering::Relaxed);
            // SAFETY: the chain is whole as long as `self`; nobody changes `next` of a shared buffer.
            next = NonNull::new(unsafe { (*buffer.as_ptr()).next });
        }
        Self(self.0)
    }

    /// Adds `references` to the only buffer of this packet, to be given out one by one with [`Self::from_raw`].
    #[inline]
    pub(crate) fn add_references(&self, references: u16) {
        debug_assert_eq!(self.segment_count(), 1, "counted once for all buffers");
        // Relaxed, as an Arc's clone: the reference that `self` is keeps the buffer in place.
        self.count_of(self.0).fetch_add(references, Ordering::Relaxed);
    }

    /// Takes back what [`Self::add_references`] added and nobody was given.
    #[inline]
    pub(crate) fn remove_references(&self, references: u16) {
        // Relaxed: the reference that `self` is stays, and its own end orders what was done with the octets.
        self.count_of(self.0).fetch_sub(references, Ordering::Relaxed);
    }

    /// The count of one of this packet's buffers.
    #[inline]
    fn count_of(&self, buffer: NonNull<rte_mbuf>) -> &AtomicU16 {
        // SAFETY: the buffer is valid as long as `self`; the count is a 16-bit field that all threads access atomically.
        unsafe { AtomicU16::from_ptr(&raw mut (*buffer.as_ptr()).refcnt) }
    }

    /// Asks for what describes the packet.
    #[inline]
    pub(crate) fn prefetch(&self) {
        prefetch(self.as_ptr(), size_of::<rte_mbuf>());
    }

    /// Asks for its first octets, in which the headers lie, and for what describes the buffer behind the first.
    #[inline]
    pub(crate) fn prefetch_head(&self) {
        prefetch(self.head().as_ptr(), 1);
        if self.segment_count() > 1 {
            // SAFETY: the head is a valid buffer as long as `self` lives, and nobody changes its `next` meanwhile.
            prefetch(unsafe { (*self.as_ptr()).next }, size_of::<rte_mbuf>());
        }
    }

    /// Octets of the whole packet.
    #[inline]
    #[must_use]
    pub fn octets(&self) -> usize {
        // SAFETY: the head is a valid buffer as long as `self` lives.
        unsafe { (*self.as_ptr()).pkt_len as usize }
    }

    /// Buffers in the chain.
    #[inline]
    #[must_use]
    pub fn segment_count(&self) -> usize {
        // SAFETY: as in `octets`.
        unsafe { usize::from((*self.as_ptr()).nb_segs) }
    }

    /// `RTE_MBUF_F_*`.
    #[inline]
    #[must_use]
    pub fn flags(&self) -> u64 {
        // SAFETY: as in `octets`.
        unsafe { (*self.as_ptr()).ol_flags }
    }

    /// The 802.1Q tag control field that the driver took off the packet, if it did.
    #[inline]
    #[must_use]
    pub fn stripped_vlan(&self) -> Option<u16> {
        let stripped = self.flags() & dpdk_sys::FLYPACK_MBUF_F_RX_VLAN_STRIPPED != 0;
        // SAFETY: as in `octets`.
        stripped.then(|| unsafe { (*self.as_ptr()).vlan_tci })
    }

    /// The first segment.
    #[inline]
    #[must_use]
    pub fn head(&self) -> &[u8] {
        // SAFETY: the head is valid as long as `self`, which the slice borrows.
        unsafe { segment(self.0) }
    }

    /// All segments, the first included. Some may be empty.
    #[inline]
    #[must_use]
    pub fn segments(&self) -> Segments<'_> {
        Segments { next: Some(self.0), packet: std::marker::PhantomData }
    }

    /// Copies the first octets of the packet to `out`, as many as there are and fit; returns how many. Also of memory that
    /// another process may write meanwhile: then they are any mix of old and new.
    #[cold]
    pub fn copy_out(&self, out: &mut [u8]) -> usize {
        let (mut next, mut done) = (Some(self.0), 0);
        while let (Some(current), true) = (next, done < out.len()) {
            let raw = current.as_ptr();
            let room = &mut out[done..];
            // SAFETY: the chain is well formed and stays so while the packet is borrowed; a buffer's data lies within its
            // memory (DPDK's invariant), which is readable. No reference to it is formed. `room` is ours.
            unsafe {
                let octets = usize::from((*raw).data_len).min(room.len());
                let start = (*raw).buf_addr.cast::<u8>().add(usize::from((*raw).data_off));
                std::ptr::copy_nonoverlapping(start, room.as_mut_ptr(), octets);
                done += octets;
                next = NonNull::new((*raw).next);
            }
        }
        done
    }

    /// Whether nobody else can see the octets of the only buffer: it is its pool's own, and this the only reference.
    #[inline]
    #[must_use]
    pub fn is_exclusive(&self) -> bool {
        const FOREIGN: u64 = dpdk_sys::FLYPACK_MBUF_F_EXTERNAL | dpdk_sys::FLYPACK_MBUF_F_INDIRECT;
        self.segment_count() == 1 && self.flags() & FOREIGN == 0 && self.references() == 1
    }

    /// Whether it may go back to its pool as it is: one buffer of the pool's own, with no other reference.
    #[inline]
    pub(crate) fn is_whole_and_ours(&self) -> bool {
        // SAFETY: as in `octets`.
        self.is_exclusive() && unsafe { (*self.as_ptr()).next.is_null() }
    }

    /// Makes an empty or single-buffered packet longer by `octets`, and returns the new end to be written.
    ///
    /// `None` when there is no room, or when somebody else may be reading.
    #[inline]
    pub fn append(&mut self, octets: u16) -> Option<&mut [u8]> {
        if !self.is_exclusive() {
            return None;
        }
        // SAFETY: nobody else has the buffer (checked above, and `self` is borrowed exclusively), so its fields and
        // the octets behind its data up to `buf_len` are ours to write.
        unsafe {
            let raw = self.as_ptr();
            let end = usize::from((*raw).data_off) + usize::from((*raw).data_len);
            if usize::from((*raw).buf_len) < end + usize::from(octets) {
                return None;
            }
            (*raw).data_len += octets;
            (*raw).pkt_len += u32::from(octets);
            let start = (*raw).buf_addr.cast::<u8>().add(end);
            // Whatever the buffer held before: octets of a pool are always initialised (EAL's memory is zeroed).
            Some(slice::from_raw_parts_mut(start, usize::from(octets)))
        }
    }

    /// Hangs the buffers of `tail` behind this packet's.
    ///
    /// Gives `tail` back when the chain would have more than 65,535 buffers.
    ///
    /// # Errors
    /// `tail`, unchanged.
    #[inline]
    pub fn chain(&mut self, tail: Self) -> Result<(), Self> {
        let count = self.segment_count() + tail.segment_count();
        let Ok(count) = u16::try_from(count) else { return Err(tail) };
        // SAFETY: both are whole chains that we own; the last segment's `next` is ours to write, as are the head's
        // sums. DPDK keeps the tail's own sums unused once it is not a head.
        unsafe {
            let (head, tail) = (self.as_ptr(), tail.into_raw().as_ptr());
            let mut last = head;
            while !(*last).next.is_null() {
                last = (*last).next;
            }
            (*last).next = tail;
            (*head).nb_segs = count;
            (*head).pkt_len += (*tail).pkt_len;
            // As rte_pktmbuf_chain does: only a head counts the whole.
            (*tail).pkt_len = u32::from((*tail).data_len);
        }
        Ok(())
    }
}

impl Drop for Mbuf {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: `self` owns its reference to the chain, and gives it up here once. Pools are never freed.
        unsafe { dpdk_sys::rte_pktmbuf_free(self.as_ptr()) };
    }
}

impl fmt::Debug for Mbuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mbuf").field("octets", &self.octets()).field("segments", &self.segment_count()).finish()
    }
}

/// The segments of a packet.
#[derive(Clone, Debug)]
pub struct Segments<'a> {
    next: Option<NonNull<rte_mbuf>>,
    packet: std::marker::PhantomData<&'a Mbuf>,
}

impl<'a> Iterator for Segments<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let current = self.next?;
        // SAFETY: the chain is well formed and stays so while the packet is borrowed.
        self.next = NonNull::new(unsafe { (*current.as_ptr()).next });
        // SAFETY: as above.
        Some(unsafe { segment(current) })
    }
}

/// The octets of one buffer.
///
/// # Safety
/// `raw` is a valid buffer for `'a`, and nobody writes its octets meanwhile.
#[inline]
unsafe fn segment<'a>(raw: NonNull<rte_mbuf>) -> &'a [u8] {
    let raw = raw.as_ptr();
    // SAFETY: a buffer's data lies within its memory: DPDK's invariant, kept by drivers and by `append`.
    unsafe {
        let start = (*raw).buf_addr.cast::<u8>().add(usize::from((*raw).data_off));
        slice::from_raw_parts(start, usize::from((*raw).data_len))
    }
}
