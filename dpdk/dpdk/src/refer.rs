//! Buffers that refer to other memory, and chains of them.

use std::mem::offset_of;
use std::ptr::NonNull;

use dpdk_sys::rte_mbuf;

use crate::iova::Piece;
use crate::mbuf::Mbuf;
use crate::mempool::HEADROOM_OCTETS;
use crate::payload::Count;

/// Makes an empty buffer refer to octets of another buffer, which is kept until this one is freed.
///
/// # Safety
/// `mbuf` is an empty buffer of its own pool that nobody else has. `other` is valid and not of [`crate::references`], the
/// caller holds a reference to it, and the `octets` from `address` on are its data.
#[inline]
pub(crate) unsafe fn to_buffer(mbuf: &mut Mbuf, other: NonNull<rte_mbuf>, address: *const u8, octets: u16) {
    let raw = mbuf.as_ptr();
    // SAFETY: both buffers are valid, `mbuf` is direct and nobody else's (caller). The data lies within `other`'s memory, so
    // its distance from the beginning is less than 65,536.
    unsafe {
        dpdk_sys::rte_pktmbuf_attach(raw, other.as_ptr());
        (*raw).data_off = (address.addr() - (*raw).buf_addr.addr()) as u16;
        (*raw).data_len = octets;
        (*raw).pkt_len = u32::from(octets);
        // What was said of the received packet says nothing of the one to be sent.
        (*raw).ol_flags &= dpdk_sys::FLYPACK_MBUF_F_EXTERNAL | dpdk_sys::FLYPACK_MBUF_F_INDIRECT;
    }
}

/// Hangs one buffer, which others may refer to as well, behind a packet of one buffer.
///
/// # Safety
/// `head` is one buffer that nobody else has; `tail` is one buffer whose `next` is null.
#[inline]
pub(crate) unsafe fn chain_shared(head: &mut Mbuf, tail: Mbuf) {
    let (head, tail) = (head.as_ptr(), tail.into_raw().as_ptr());
    // SAFETY: `head` is ours to write (caller); of `tail` only the length is read, which nobody writes while it is shared.
    unsafe {
        (*head).next = tail;
        (*head).nb_segs = 2;
        (*head).pkt_len += u32::from((*tail).data_len);
    }
}

/// What buffers that refer to so many octets of one lease have in common: their fields from `data_off` to `buf_len`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct External([u64; 5]);

impl External {
    /// Of no buffer.
    pub(crate) const NONE: Self = Self([0; 5]);

    /// No headroom, and all octets are data. The claim stands where no driver that sends looks.
    #[inline]
    pub(crate) fn new(octets: u16, count: NonNull<Count>) -> Self {
        let (octets, claim) = (u64::from(octets), count.as_ptr().expose_provenance() as u64);
        Self([fresh(0, 1), 0, octets << 32, octets | claim << 32, claim >> 32 | octets << 48])
    }
}

/// Makes a buffer as it lies in a pool of [`crate::references`] refer to octets at `address`, where the device finds them at
/// `iova`, with a claim on what was said of them.
///
/// # Safety
/// `raw` was just taken from such a pool. The octets stay readable, for process and device, until the claim is given back.
#[inline]
pub(crate) unsafe fn raw_external(raw: *mut rte_mbuf, address: *const u8, iova: u64, common: &External) {
    // SAFETY: the buffer is ours alone (caller). These are the stores of rte_pktmbuf_attach_extbuf, and of its caller, but for
    // the flag (see `crate::references`). In a pool a buffer is the last of its chain (`next` is null).
    unsafe {
        (*raw).buf_addr = address.cast_mut().cast();
        (*raw).buf_iova = iova;
        (&raw mut (*raw).data_off).cast::<[u64; 5]>().write_unaligned(common.0);
    }
}

/// Where a device finds octets of a buffer.
///
/// # Safety
/// The buffer is valid, the caller holds a reference to it, and the octets from `address` on are its data.
pub(crate) unsafe fn piece_of(buffer: NonNull<rte_mbuf>, address: *const u8, octets: u16) -> Piece {
    let raw = buffer.as_ptr();
    // SAFETY: the fields of a buffer in use do not change (caller).
    let (start, iova) = unsafe { ((*raw).buf_addr.addr(), (*raw).buf_iova) };
    Piece { address, iova: iova + (address.addr() - start) as u64, octets }
}

/// On what a buffer has a claim; null for nothing.
///
/// # Safety
/// `raw` is a valid buffer of a pool of [`crate::references`].
#[inline]
pub(crate) unsafe fn noted_claim(raw: *const rte_mbuf) -> *mut Count {
    // SAFETY: the field has room for an address, at a place of less alignment. In memory that was never a packet there is 0.
    let claim = unsafe { (&raw const (*raw).hash).cast::<u64>().read_unaligned() };
    std::ptr::with_exposed_provenance_mut(claim as usize)
}

/// What first buffers of packets of two have in common: their fields from `data_off` to the tag.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    words: [u64; 4],
    tag: u32,
}

impl Head {
    /// Of no buffer.
    pub(crate) const NONE: Self = Self { words: [0; 4], tag: 0 };

    /// So many octets in the first buffer, and behind it. `tag` is the owner's, and stands where no driver that sends looks.
    #[inline]
    pub(crate) fn new(head_octets: u16, octets: u16, tag: [u32; 2]) -> Self {
        let all = u64::from(head_octets) + u64::from(octets);
        let words = [fresh(HEADROOM_OCTETS, 2), 0, all << 32, u64::from(head_octets) | u64::from(tag[0]) << 32];
        Self { words, tag: tag[1] }
    }
}

/// Makes a buffer as it lies in its pool the first of a packet of two, with octets that are to be written to the returned
/// address.
///
/// # Safety
/// `raw` was just taken from its pool, and its data room, the headroom not counted, has the octets of `common`. `tail` is one
/// buffer, with the octets of `common`. Nobody else has either.
#[inline]
pub(crate) unsafe fn raw_head(raw: *mut rte_mbuf, tail: NonNull<rte_mbuf>, common: &Head) -> *mut u8 {
    // SAFETY: the buffer is ours alone (caller). The stores are those of rte_pktmbuf_reset and rte_pktmbuf_chain; the
    // headroom is part of every buffer that has data.
    unsafe {
        (&raw mut (*raw).data_off).cast::<[u64; 4]>().write_unaligned(common.words);
        (*raw).hash[1] = common.tag;
        (*raw).next = tail.as_ptr();
        (*raw).tx_offload = 0;
        (*raw).buf_addr.cast::<u8>().add(usize::from(HEADROOM_OCTETS))
    }
}

/// Makes a buffer as it lies in its pool an empty packet, as rte_pktmbuf_reset does.
///
/// # Safety
/// `mbuf` was just taken from its pool.
#[inline]
pub(crate) unsafe fn reset(mbuf: &Mbuf) {
    let raw = mbuf.as_ptr();
    // SAFETY: the buffer is ours alone (caller). One without octets of its own has no headroom either.
    unsafe {
        (&raw mut (*raw).data_off).cast::<u64>().write_unaligned(fresh(HEADROOM_OCTETS.min((*raw).buf_len), 1));
        (*raw).ol_flags = 0;
        (*raw).packet_type = 0;
        (*raw).pkt_len = 0;
        (*raw).data_len = 0;
        (*raw).vlan_tci = 0;
        (*raw).vlan_tci_outer = 0;
        (*raw).next = std::ptr::null_mut();
        (*raw).tx_offload = 0;
    }
}

/// The first words of a buffer of one owner, which are stored at once, as drivers do: the place of its data, one reference,
/// its segments, no port.
const fn fresh(data_off: u16, segments: u16) -> u64 {
    data_off as u64 | 1 << 16 | (segments as u64) << 32 | (u16::MAX as u64) << 48
}

// What is stored at once lies together.
const _: () = {
    assert!(cfg!(target_endian = "little"), "fields are composed in words");
    assert!(offset_of!(rte_mbuf, refcnt) == offset_of!(rte_mbuf, data_off) + 2);
    assert!(offset_of!(rte_mbuf, nb_segs) == offset_of!(rte_mbuf, data_off) + 4);
    assert!(offset_of!(rte_mbuf, port) == offset_of!(rte_mbuf, data_off) + 6);
    assert!(offset_of!(rte_mbuf, ol_flags) == offset_of!(rte_mbuf, data_off) + 8);
    assert!(offset_of!(rte_mbuf, packet_type) == offset_of!(rte_mbuf, data_off) + 16);
    assert!(offset_of!(rte_mbuf, data_len) == offset_of!(rte_mbuf, data_off) + 24);
    assert!(offset_of!(rte_mbuf, vlan_tci_outer) == offset_of!(rte_mbuf, data_off) + 36);
    assert!(offset_of!(rte_mbuf, buf_len) == offset_of!(rte_mbuf, data_off) + 38);
    assert!(offset_of!(rte_mbuf, pkt_len) == offset_of!(rte_mbuf, packet_type) + 4);
    assert!(offset_of!(rte_mbuf, vlan_tci) == offset_of!(rte_mbuf, data_len) + 2);
    assert!(offset_of!(rte_mbuf, hash) == offset_of!(rte_mbuf, data_len) + 4);
};
