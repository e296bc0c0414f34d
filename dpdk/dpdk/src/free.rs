//! Packets freed together: each pool gets its buffers back a burst at a time.
//!
//! One packet after the other, every buffer is a call into its pool of its own, and buffers of a gathered packet change pools
//! each time: headers are of one, what refers to the payload of another.

use std::ptr::{self, NonNull};

use arrayvec::ArrayVec;
use dpdk_sys::{rte_mbuf, rte_mempool};

use crate::mbuf::{BURST, Mbuf};

/// Pools whose buffers are kept apart: those of headers and of references.
const POOLS: usize = 2;

/// Frees packets, as dropping each does.
#[inline]
pub(crate) fn free_together(packets: impl Iterator<Item = Mbuf>) {
    let mut homes = [const { Home::new() }; POOLS];
    for packet in packets {
        if packet.is_whole_and_ours() {
            // As prefree would find it, with nothing to be done.
            go_home(&mut homes, packet.into_raw());
            continue;
        }
        let mut next = Some(packet.into_raw());
        while let Some(buffer) = next {
            let raw = buffer.as_ptr();
            // SAFETY: the chain is whole and one reference to each of its buffers is ours, which is given up here, once. What
            // comes back is a buffer that nobody else has, ready for its pool.
            let freed = unsafe {
                next = NonNull::new((*raw).next);
                NonNull::new(dpdk_sys::rte_pktmbuf_prefree_seg(raw))
            };
            if let Some(freed) = freed {
                go_home(&mut homes, freed);
            }
        }
    }
}

/// Puts a buffer with the others of its pool.
#[inline]
fn go_home(homes: &mut [Home; POOLS], buffer: NonNull<rte_mbuf>) {
    // SAFETY: the buffer is ours, and its pool does not change.
    let pool = unsafe { (*buffer.as_ptr()).pool };
    let place = homes.iter().position(|home| home.pool == pool).unwrap_or_else(|| {
        let place = homes.iter().position(|home| home.buffers.is_empty()).unwrap_or(0);
        homes[place].flush();
        homes[place].pool = pool;
        place
    });
    let home = &mut homes[place];
    if home.buffers.is_full() {
        home.flush();
    }
    home.buffers.push(buffer);
}

/// Buffers on their way back to their pool.
struct Home {
    pool: *mut rte_mempool,
    buffers: ArrayVec<NonNull<rte_mbuf>, BURST>,
}

impl Home {
    const fn new() -> Self {
        Self { pool: ptr::null_mut(), buffers: ArrayVec::new_const() }
    }

    #[inline]
    fn flush(&mut self) {
        if self.buffers.is_empty() {
            return;
        }
        let (first, count) = (self.buffers.as_ptr(), self.buffers.len() as u32);
        // SAFETY: the buffers are of this pool, which is never freed, and nobody else has them. NonNull is transparent over
        // the pointers, which DPDK reads during the call.
        unsafe { dpdk_sys::rte_mempool_put_bulk(self.pool, first.cast(), count) };
        self.buffers.clear();
    }
}

impl Drop for Home {
    #[inline]
    fn drop(&mut self) {
        self.flush();
    }
}
