//! A count of buffers that refer to a lease, as DPDK keeps it.

use std::ffi::c_void;
use std::mem::offset_of;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU16, Ordering};

use dpdk_sys::rte_mbuf_ext_shared_info;

/// DPDK's own structure, with the fields that several threads change as atomics.
#[repr(C)]
struct SharedCount {
    free: unsafe extern "C" fn(*mut c_void, *mut c_void),
    opaque: AtomicPtr<c_void>,
    references: AtomicU16,
}

const _: () = {
    assert!(size_of::<SharedCount>() == size_of::<rte_mbuf_ext_shared_info>());
    assert!(align_of::<SharedCount>() == align_of::<rte_mbuf_ext_shared_info>());
    assert!(offset_of!(SharedCount, free) == offset_of!(rte_mbuf_ext_shared_info, free_cb));
    assert!(offset_of!(SharedCount, opaque) == offset_of!(rte_mbuf_ext_shared_info, fcb_opaque));
    assert!(offset_of!(SharedCount, references) == offset_of!(rte_mbuf_ext_shared_info, refcnt));
};

/// Up to 32,768 packets' references to a lease.
pub(super) struct Part {
    shared: SharedCount,
    /// Nobody refers to the lease on this part's account.
    is_done: AtomicBool,
}

impl Part {
    pub(super) const fn new() -> Self {
        let shared =
            SharedCount { free: all_are_freed, opaque: AtomicPtr::new(ptr::null_mut()), references: AtomicU16::new(0) };
        Self { shared, is_done: AtomicBool::new(true) }
    }

    /// Begins with `references`. The part must neither move nor drop until it is done.
    pub(super) fn arm(&self, references: u16) {
        self.shared.opaque.store((&raw const self.is_done).cast_mut().cast(), Ordering::Relaxed);
        // Relaxed: the first buffer that is attached is given to the device by DPDK, with the barriers that takes.
        self.is_done.store(references == 0, Ordering::Relaxed);
        self.shared.references.store(references, Ordering::Relaxed);
    }

    /// What buffers are attached with. Good until the part is done.
    pub(super) fn shared_info(&self) -> NonNull<rte_mbuf_ext_shared_info> {
        NonNull::from(&self.shared).cast()
    }

    /// More references; the caller holds one already. False, and none, when they do not fit the count.
    pub(super) fn add(&self, references: u16) -> bool {
        let added = |count: u16| count.checked_add(references);
        // Relaxed, as an Arc's clone: the reference that the caller holds keeps everything in place.
        self.shared.references.fetch_update(Ordering::Relaxed, Ordering::Relaxed, added).is_ok()
    }

    /// Gives back references that no buffer was attached for, at most 32,768.
    pub(super) fn release(&self, references: u32) {
        let references = references as u16;
        if references == 0 {
            return;
        }
        // DPDK frees the last reference by a plain store when it reads a count of one; as we hold the ones that are given back
        // here, it reads more than that until this is done. Acquire and release: as the drop of an Arc.
        if self.shared.references.fetch_sub(references, Ordering::AcqRel) == references {
            self.is_done.store(true, Ordering::Release);
        }
    }

    /// Whether nobody refers to the lease on this part's account.
    pub(super) fn is_done(&self) -> bool {
        // Pairs with the store in `all_are_freed`, or in `release`.
        self.is_done.load(Ordering::Acquire)
    }

    /// References that have not been given back.
    pub(super) fn references(&self) -> u16 {
        self.shared.references.load(Ordering::Relaxed)
    }
}

/// DPDK calls this when the count has reached zero: on whichever thread frees the last buffer.
///
/// # Safety
/// `opaque` is what [`Part::arm`] stored: the flag of a part that stays in place until it is done.
unsafe extern "C" fn all_are_freed(_buffer: *mut c_void, opaque: *mut c_void) {
    // SAFETY: the flag lives until it is seen to be set (caller); it is shared by threads as an atomic only.
    let is_done = unsafe { &*opaque.cast::<AtomicBool>() };
    // Pairs with the load in `is_done`: all that the device read happened before.
    is_done.store(true, Ordering::Release);
}
