//! Buffers that refer to leases, and the way by which they come back.
//!
//! DPDK would detach an external buffer each time it frees one, and count it down in memory that all senders of a lease share.
//! Here both are spared. To DPDK a buffer of these pools is like any other, with octets of its own: only that we say for each
//! packet where they lie. So what is freed goes straight to its pool, and the pool is ours: it gives back the buffer's claim on
//! the lease, many at a time, and keeps the buffer for the queue.
//!
//! ```text
//!  queue ── refer ──► packet ──► device ──┬─ freed while the queue hands over a burst ──► at hand again
//!    ▲                                    └─ freed by another thread ──► returns ──┐
//!    └─────────────────────────── collect ◄────────────────────────────────────────┘
//! ```
//! `rte_pktmbuf_attach` would look for the buffer in front of its octets, where it is not: nobody may clone one. Who wants to
//! refer to the same octets takes `another_claim`, and a buffer of these pools with it. Sharing the buffer itself, by its
//! reference count, is as with all others.
//! As with all pools the memory is never freed, and is taken over when all of it is back: see [`crate::mempool`].

mod home;
mod returns;

use std::cell::Cell;
use std::ffi::{c_int, c_uint, c_void};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::OnceLock;
use std::sync::atomic::AtomicPtr;

use dpdk_sys::{rte_mbuf, rte_mempool, rte_mempool_cache, rte_mempool_ops};

use crate::eal::Eal;
use crate::iova::Piece;
use crate::mbuf::Mbuf;
use crate::mempool::{CACHE_MAX, Mempool, MempoolConfig, MempoolError};
use crate::payload::Claim;
use crate::refer::{self, External};
use home::{Home, Taking};

/// The name of the operations of our pools.
pub(crate) const OPERATIONS: &std::ffi::CStr = c"flypack_references";

thread_local! {
    /// The home whose owner hands packets to its device on this thread.
    static SENDING: Cell<*const Home> = const { Cell::new(ptr::null()) };
}

/// A pool of buffers that refer to leases, in the hands of the one queue that makes packets of them.
#[derive(Debug)]
pub struct References {
    pool: Mempool,
    home: &'static Home,
}

impl References {
    /// Makes a pool, or takes over a retired one of the same shape. Of the shape the octets do not count.
    ///
    /// # Errors
    /// [`MempoolError`]: the shape, or memory.
    pub fn create(eal: &Eal, config: &MempoolConfig) -> Result<Self, MempoolError> {
        let pool = Mempool::create_references(eal, config)?;
        // SAFETY: the pool was made with our operations, which gave it a home; pools are never freed.
        let home = unsafe { &*home_of(pool.as_ptr()) };
        let references = Self { pool, home };
        references.home.collect();
        Ok(references)
    }

    /// The pool, for its figures: nobody but the queue can take from it.
    #[must_use]
    pub const fn pool(&self) -> &Mempool {
        &self.pool
    }

    /// How many buffers are at hand: `wanted` at least, as far as there are so many.
    #[inline]
    pub(crate) fn at_hand(&mut self, wanted: usize) -> usize {
        if (self.home.ready() as usize) < wanted {
            self.home.collect();
        }
        self.home.ready() as usize
    }

    /// Up to `most` buffers, to be made packets of one after the other.
    #[inline]
    pub(crate) fn batch(&mut self, most: usize) -> Batch<'_> {
        Batch { taking: self.home.take_some(most as u32) }
    }

    /// The last of those at hand, `most` at the most: to be taken by [`Self::taken`].
    #[inline]
    pub(crate) fn last(&self, most: usize) -> &[AtomicPtr<rte_mbuf>] {
        self.home.last(most as u32)
    }

    /// So many of the last buffers at hand are somebody's now.
    ///
    /// # Safety
    /// Each of them has an owner, who came by it through [`Self::last`], and nothing was taken or freed since.
    #[inline]
    pub(crate) unsafe fn taken(&mut self, buffers: usize) {
        self.home.taken(buffers as u32);
    }

    /// Takes in what other threads have freed.
    #[inline]
    pub(crate) fn collect(&mut self) {
        self.home.collect();
    }

    /// Runs `send`, which hands packets to a device: buffers that its driver frees meanwhile are at hand again at once.
    #[inline]
    pub(crate) fn while_sending<R>(&mut self, send: impl FnOnce() -> R) -> R {
        // SAFETY: a pool of packet buffers; the cache is the calling thread's, which is this one's until it unregisters.
        let cache = NonNull::new(unsafe { dpdk_sys::flypack_own_cache(self.pool.as_ptr()) });
        let _sending = Sending::begin(self.home, cache);
        send()
    }
}

/// Buffers to be made packets of. Those that are not stay in their pool.
pub(crate) struct Batch<'a> {
    taking: Taking<'a>,
}

impl Batch<'_> {
    /// A buffer that refers to `piece`, one packet of its own yet; `None`, and the claim is given back, when none is left.
    ///
    /// # Safety
    /// The piece lies in the lease of `claim`, and the device finds it where it says.
    #[inline]
    pub(crate) unsafe fn refer(&mut self, piece: &Piece, claim: Claim) -> Option<Mbuf> {
        let buffer = self.taking.next()?;
        // SAFETY: the buffer was just taken from its pool; its memory is that of the lease, which stays until the claim that it
        // carries is given back.
        unsafe {
            let common = External::new(piece.octets, claim.into_raw());
            refer::raw_external(buffer.as_ptr(), piece.address, piece.iova, &common);
            Some(Mbuf::from_raw(buffer))
        }
    }
}

/// While a device is handed packets, also when that unwinds: what the thread frees stays in its cache, a few instructions
/// each, and is looked at together.
struct Sending<'a> {
    home: &'a Home,
    before: *const Home,
    cache: Option<NonNull<rte_mempool_cache>>,
}

impl<'a> Sending<'a> {
    #[inline]
    fn begin(home: &'a Home, cache: Option<NonNull<rte_mempool_cache>>) -> Self {
        if let Some(cache) = cache {
            // SAFETY: the cache is this thread's alone, and as long as its pool, which is never freed.
            unsafe { (*cache.as_ptr()).flushthresh = CACHE_MAX.into() };
        }
        Self { home, before: SENDING.replace(home), cache }
    }
}

impl Drop for Sending<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(cache) = self.cache {
            let cache = cache.as_ptr();
            // SAFETY: as in `begin`. The first `len` places are filled with buffers of this pool, never null, which are nobody
            // else's; they leave the cache here.
            unsafe {
                let freed = slice::from_raw_parts((&raw const (*cache).objs).cast(), (*cache).len as usize);
                self.home.keep(freed);
                (*cache).len = 0;
                (*cache).flushthresh = 0;
            }
        }
        SENDING.set(self.before);
        self.home.settle();
    }
}

/// What DPDK calls our operations; a negative error number where it has no room for them.
static REGISTERED: OnceLock<c_int> = OnceLock::new();

/// Registers our operations, once in a process, and returns their name. On EAL's thread, before a pool is made.
pub(crate) fn register() -> Result<&'static std::ffi::CStr, c_int> {
    let result = *REGISTERED.get_or_init(|| {
        let mut operations = rte_mempool_ops {
            alloc: Some(make_home),
            free: Some(free_home),
            enqueue: Some(come_home),
            dequeue: Some(leave_home),
            get_count: Some(count_at_home),
            ..Default::default()
        };
        for (place, octet) in operations.name.iter_mut().zip(OPERATIONS.to_bytes()) {
            *place = octet.cast_signed();
        }
        // SAFETY: the structure is copied.
        unsafe { dpdk_sys::rte_mempool_register_ops(&raw const operations) }
    });
    if result < 0 { Err(-result) } else { Ok(OPERATIONS) }
}

/// Has no thread keep buffers of a pool that was just made: on EAL's thread, before anybody else has it.
///
/// # Safety
/// `pool` was made with our operations, and nobody took a buffer from it.
pub(crate) unsafe fn shut(pool: NonNull<rte_mempool>) {
    // SAFETY: nobody else has the pool (caller).
    unsafe { dpdk_sys::flypack_shut_caches(pool.as_ptr()) };
}

/// One more claim on the lease that a buffer refers to; `None` where it is of another kind of pool.
///
/// # Safety
/// The buffer is valid, and the caller holds a reference to it.
pub(crate) unsafe fn another_claim(buffer: NonNull<rte_mbuf>) -> Option<Claim> {
    let raw = buffer.as_ptr();
    // SAFETY: the buffer is valid, and its pool does not change.
    let operations = unsafe { dpdk_sys::flypack_mempool_operations((*raw).pool) };
    REGISTERED.get().filter(|ours| **ours == operations)?;
    // SAFETY: a buffer of ours that is out carries its claim, which the caller's reference keeps.
    NonNull::new(unsafe { refer::noted_claim(raw) }).map(|count| unsafe { Claim::beside(count) })
}

/// The home of a pool of ours; null before it has one.
///
/// # Safety
/// The pool is one of our operations'.
#[inline]
unsafe fn home_of(pool: *const rte_mempool) -> *mut Home {
    // SAFETY: the offset is that of the field, which is one pointer, ours.
    unsafe { pool.byte_add(dpdk_sys::FLYPACK_MEMPOOL_DATA).cast::<*mut Home>().read() }
}

/// As DPDK makes a pool.
///
/// # Safety
/// DPDK calls it with a pool of our operations that nobody else has.
unsafe extern "C" fn make_home(pool: *mut rte_mempool) -> c_int {
    // SAFETY: a pool that is being made, by one thread; the field is one pointer, and ours.
    unsafe {
        let home = Box::new(Home::new(dpdk_sys::flypack_mempool_size(pool)));
        pool.byte_add(dpdk_sys::FLYPACK_MEMPOOL_DATA).cast::<*mut Home>().write(Box::into_raw(home));
    }
    0
}

/// As DPDK gives up a pool that it could not make; others are never freed.
///
/// # Safety
/// DPDK calls it with a pool of our operations that nobody has any more.
unsafe extern "C" fn free_home(pool: *mut rte_mempool) {
    // SAFETY: nobody has the pool or any of its buffers; `make_home` made the home, if there is one.
    unsafe {
        let home = home_of(pool);
        if !home.is_null() {
            drop(Box::from_raw(home));
        }
    }
}

/// Buffers are freed, on whichever thread.
///
/// # Safety
/// DPDK calls it with a pool of our operations, and with `count` of its buffers, which are the pool's from here on.
unsafe extern "C" fn come_home(pool: *mut rte_mempool, buffers: *const *mut c_void, count: c_uint) -> c_int {
    // SAFETY: a pool of ours, as its operations are called; DPDK gives an array of `count` buffers of it, none of them null,
    // which are the pool's from here on.
    let (home, buffers) =
        unsafe { (&*home_of(pool), slice::from_raw_parts(buffers.cast::<NonNull<rte_mbuf>>(), count as usize)) };
    if ptr::eq(SENDING.get(), home) {
        // SAFETY: as above. It is the owner's thread, inside of `while_sending`, which does nothing to the home meanwhile.
        unsafe { home.keep(buffers) };
    } else {
        // SAFETY: as above.
        unsafe { home.take_back(buffers) };
    }
    0
}

/// Only [`References`] takes buffers.
///
/// # Safety
/// None of the arguments is looked at.
unsafe extern "C" fn leave_home(_pool: *mut rte_mempool, _buffers: *mut *mut c_void, _count: c_uint) -> c_int {
    -rustix::io::Errno::NOBUFS.raw_os_error()
}

/// For figures.
///
/// # Safety
/// DPDK calls it with a pool of our operations.
unsafe extern "C" fn count_at_home(pool: *const rte_mempool) -> c_uint {
    // SAFETY: a pool of ours, as its operations are called.
    unsafe { &*home_of(pool) }.count()
}
