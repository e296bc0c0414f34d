//! Buffers that refer to other memory, and chains of them.

use std::ptr::NonNull;

use dpdk_sys::{rte_mbuf, rte_mbuf_ext_shared_info};

use crate::iova::Piece;
use crate::mbuf::Mbuf;

/// Makes an empty buffer refer to `piece`, counted in `info`.
///
/// # Safety
/// `mbuf` is an empty buffer of its own pool that nobody else has. The octets stay readable, for process and device, until
/// the count of `info` is given back, of which the caller gives one reference away.
#[inline]
pub(crate) unsafe fn to_external(mbuf: &mut Mbuf, piece: &Piece, info: NonNull<rte_mbuf_ext_shared_info>) {
    let raw = mbuf.as_ptr();
    // SAFETY: the buffer is ours alone (caller). These are the stores of rte_pktmbuf_attach_extbuf, and of its caller: no
    // headroom, and all of the external buffer is data.
    unsafe {
        (*raw).buf_addr = piece.address.cast_mut().cast();
        (*raw).buf_iova = piece.iova;
        (*raw).buf_len = piece.octets;
        (*raw).data_off = 0;
        (*raw).data_len = piece.octets;
        (*raw).pkt_len = u32::from(piece.octets);
        (*raw).ol_flags |= dpdk_sys::FLYPACK_MBUF_F_EXTERNAL;
        (*raw).shinfo = info.as_ptr();
    }
}

/// Makes an empty buffer refer to octets of another buffer, which is kept until this one is freed.
///
/// # Safety
/// `mbuf` is an empty buffer of its own pool that nobody else has. `other` is valid, the caller holds a reference to it, and
/// the `octets` from `address` on are its data.
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
