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

/// The buffer behind a packet's headers, and its octets.
pub(crate) struct Referring {
    pub(crate) tail: Mbuf,
    pub(crate) octets: u16,
}

/// Makes a buffer as it lies in a pool of [`crate::references`] refer to `piece`, with a claim on what `count` counts.
///
/// # Safety
/// `raw` was just taken from such a pool. The octets stay readable, for process and device, until the claim is given back.
#[inline]
pub(crate) unsafe fn raw_external(raw: *mut rte_mbuf, piece: &Piece, count: NonNull<Count>) {
    const FIRST: [u64; 2] = [fresh(0, 1), 0];
    // SAFETY: the buffer is ours alone (caller). These are the stores of rte_pktmbuf_attach_extbuf, and of its caller, but for
    // the flag (see `crate::references`): no headroom, and all octets are data. In a pool a buffer is the last of its chain
    // (`next` is null).
    unsafe {
        (*raw).buf_addr = piece.address.cast_mut().cast();
        (*raw).buf_iova = piece.iova;
        (&raw mut (*raw).data_off).cast::<[u64; 2]>().write_unaligned(FIRST);
        (*raw).pkt_len = u32::from(piece.octets);
        (*raw).data_len = piece.octets;
        (*raw).buf_len = piece.octets;
        note_claim(raw, count.as_ptr());
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

/// Notes in a buffer on what it has a claim; null for nothing. It stands where no driver that sends looks.
///
/// # Safety
/// `raw` is a valid buffer and nobody else's.
#[inline]
pub(crate) unsafe fn note_claim(raw: *mut rte_mbuf, count: *mut Count) {
    // SAFETY: the field has room for an address, at a place of less alignment.
    unsafe { (&raw mut (*raw).hash).cast::<*mut Count>().write_unaligned(count) };
}

/// What was noted.
///
/// # Safety
/// As for [`note_claim`], which was called.
#[inline]
pub(crate) unsafe fn noted_claim(raw: *const rte_mbuf) -> *mut Count {
    // SAFETY: as in `note_claim`.
    unsafe { (&raw const (*raw).hash).cast::<*mut Count>().read_unaligned() }
}

/// Makes a buffer as it lies in its pool the first of a packet of two, with `head_octets` that are to be written to the
/// returned address. `tag` is the owner's, and stands where no driver that sends looks.
///
/// # Safety
/// `mbuf` was just taken from its pool, and its data room, the headroom not counted, has that many octets.
/// `referring.tail` is one buffer that nobody else has.
#[inline]
pub(crate) unsafe fn raw_head(mbuf: &Mbuf, head_octets: u16, referring: Referring, tag: [u32; 2]) -> *mut u8 {
    let raw = mbuf.as_ptr();
    let tail = referring.tail.into_raw().as_ptr();
    const FIRST: [u64; 2] = [fresh(HEADROOM_OCTETS, 2), 0];
    let octets = u32::from(head_octets) + u32::from(referring.octets);
    // SAFETY: the buffer is ours alone (caller). The stores are those of rte_pktmbuf_reset and rte_pktmbuf_chain; the
    // headroom is part of every buffer that has data.
    unsafe {
        (&raw mut (*raw).data_off).cast::<[u64; 2]>().write_unaligned(FIRST);
        // No type; the length in the upper half.
        (&raw mut (*raw).packet_type).cast::<u64>().write_unaligned(u64::from(octets) << 32);
        // No tag of a VLAN; the owner's tag in the upper half.
        let lengths = u64::from(head_octets) | u64::from(tag[0]) << 32;
        (&raw mut (*raw).data_len).cast::<u64>().write_unaligned(lengths);
        (*raw).hash[1] = tag[1];
        (*raw).next = tail;
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
    assert!(offset_of!(rte_mbuf, pkt_len) == offset_of!(rte_mbuf, packet_type) + 4);
    assert!(offset_of!(rte_mbuf, vlan_tci) == offset_of!(rte_mbuf, data_len) + 2);
    assert!(offset_of!(rte_mbuf, hash) == offset_of!(rte_mbuf, data_len) + 4);
};
