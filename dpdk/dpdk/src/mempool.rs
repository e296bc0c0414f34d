//! Pools of packet buffers.
//!
//! A pool's memory must outlive every buffer, and buffers travel: into a device's rings, through net_ring to another
//! worker, into a reorder window. So nobody frees a pool. When its last handle drops it is *retired*; when all its
//! buffers are back, the next pool of the same shape takes it over. (It is not given back to EAL's heap even then: the
//! thread that returned the last buffer may still be between the instructions that do so, and nothing on the hot
//! path tells. A gateway makes few pools, and after a restart of a port the same ones again.)

use std::ffi::CString;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrayvec::ArrayVec;
use dpdk_sys::rte_mempool;
use thiserror::Error;

use crate::eal::{Eal, errno, meaning};
use crate::mbuf::{BURST, Mbuf};
use crate::references;

/// Octets that DPDK leaves free in front of a packet.
pub const HEADROOM_OCTETS: u16 = dpdk_sys::RTE_PKTMBUF_HEADROOM as u16;
/// The largest cache of an lcore.
pub const CACHE_MAX: u16 = dpdk_sys::RTE_MEMPOOL_CACHE_MAX_SIZE as u16;

/// Who takes from a pool and gives back to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// One worker (and now and then a stopping thread): the plain multi-producer ring.
    OneWorker,
    /// Several threads, which may be preempted in the middle: `ring_mt_rts` does not make the others wait.
    Threads,
}

/// The shape of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MempoolConfig {
    /// Buffers; rounded up to 2ⁿ − 1, which is what the ring below holds anyway.
    pub mbufs: u32,
    /// Octets of a buffer's data, headroom not counted; 0 for buffers that only refer to other memory.
    pub data_octets: u16,
    /// Buffers that each lcore keeps for itself; at most [`CACHE_MAX`], and two thirds of the pool. 0 for none.
    pub cache: u16,
    /// Who uses it.
    pub sharing: Sharing,
    /// The NUMA node of the device it serves; `None` for any.
    pub numa: Option<u16>,
}

/// Why there is no pool.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MempoolError {
    /// The shape itself.
    #[error(
        "a pool of {} packet buffers cannot keep {} of them per thread: at most {CACHE_MAX}, and two thirds of the pool",
        .0.mbufs, .0.cache
    )]
    Cache(MempoolConfig),
    /// EAL refused.
    #[error(
        "no pool of {} packet buffers of {} octets: {meaning} (rte_errno {errno}). \
         Give DPDK more memory, or a smaller pool", .config.mbufs, .config.data_octets
    )]
    Refused {
        /// What was asked.
        config: MempoolConfig,
        /// `rte_errno`.
        errno: i32,
        /// In DPDK's words.
        meaning: String,
    },
}

/// A pool of packet buffers. Clones are the same pool.
#[derive(Clone, Debug)]
pub struct Mempool(Arc<Pool>);

/// Pools that nobody holds any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetiredPools {
    /// All of them.
    pub pools: usize,
    /// Those with buffers still out.
    pub waiting: usize,
}

#[derive(Debug)]
struct Pool {
    raw: Raw,
    config: MempoolConfig,
    eal: Eal,
}

/// A pool's address. The pool stays mapped until the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Raw(NonNull<rte_mempool>);

// SAFETY: every function of rte_mempool that is called here is made for several threads (the rings below are
// multi-producer, multi-consumer), and the memory is never freed.
unsafe impl Send for Raw {}
// SAFETY: as for Send.
unsafe impl Sync for Raw {}

/// Every pool that was ever made: those in use, and those that wait for a new owner.
static POOLS: Mutex<Vec<Shelved>> = Mutex::new(Vec::new());

/// What a pool's buffers are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// Packets, or parts of them.
    Octets,
    /// To refer to leases: see [`crate::references`].
    Leases,
}

#[derive(Debug)]
struct Shelved {
    raw: Raw,
    config: MempoolConfig,
    purpose: Purpose,
    in_use: bool,
}

fn pools() -> MutexGuard<'static, Vec<Shelved>> {
    POOLS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Mempool {
    /// Makes a pool, or takes over a retired one of the same shape.
    ///
    /// # Errors
    /// [`MempoolError`]: the shape, or memory.
    pub fn create(eal: &Eal, config: &MempoolConfig) -> Result<Self, MempoolError> {
        Self::create_for(eal, config, Purpose::Octets)
    }

    /// A pool from which nobody can take, but for its [`crate::references::References`].
    pub(crate) fn create_references(eal: &Eal, config: &MempoolConfig) -> Result<Self, MempoolError> {
        Self::create_for(eal, &MempoolConfig { data_octets: 0, ..*config }, Purpose::Leases)
    }

    fn create_for(eal: &Eal, config: &MempoolConfig, purpose: Purpose) -> Result<Self, MempoolError> {
        let config = MempoolConfig { mbufs: full_ring(config.mbufs), ..*config };
        if config.cache > CACHE_MAX || u32::from(config.cache) * 3 / 2 > config.mbufs {
            return Err(MempoolError::Cache(config));
        }
        let pool = |raw| Self(Arc::new(Pool { raw, config, eal: eal.clone() }));
        if let Some(raw) = taken_over(&config, purpose) {
            return Ok(pool(raw));
        }
        let raw = eal.run(move || new_pool(&config, purpose))?;
        pools().push(Shelved { raw, config, purpose, in_use: true });
        Ok(pool(raw))
    }

    /// How many buffers it has.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.0.config.mbufs
    }

    /// How many are there to take now, those that threads keep for themselves included. A momentary figure, and slow.
    #[must_use]
    pub fn available(&self) -> u32 {
        self.0.raw.available()
    }

    /// The shape, with the number of buffers rounded up.
    #[must_use]
    pub fn config(&self) -> &MempoolConfig {
        &self.0.config
    }

    /// Gives what the calling thread keeps for itself back to the pool: it is not going to use it any more.
    pub(crate) fn flush_own_cache(&self) {
        // SAFETY: pools are never freed, and the thread touches its own lcore's cache only.
        unsafe { dpdk_sys::flypack_flush_own_cache(self.as_ptr()) };
    }

    /// The environment it belongs to.
    #[must_use]
    pub fn eal(&self) -> &Eal {
        &self.0.eal
    }

    /// An empty packet, or `None` when the pool is exhausted.
    #[inline]
    #[must_use]
    pub fn alloc(&self) -> Option<Mbuf> {
        // SAFETY: the pool is one of packet buffers, made by rte_pktmbuf_pool_create*.
        let raw = unsafe { dpdk_sys::rte_pktmbuf_alloc(self.as_ptr()) };
        // SAFETY: the buffer was just allocated and nobody else has it.
        NonNull::new(raw).map(|raw| unsafe { Mbuf::from_raw(raw) })
    }

    /// `count` empty packets behind what `out` holds, or none.
    ///
    /// Returns whether there were so many, and room for them.
    #[inline]
    pub fn alloc_burst(&self, out: &mut ArrayVec<Mbuf, BURST>, count: usize) -> bool {
        let filled = out.len();
        if count > out.remaining_capacity() {
            return false;
        }
        // SAFETY: `filled + count` is within the capacity, so the `count` places behind `filled` are allocated, and
        // Mbuf is transparent over the pointer that DPDK writes there.
        let result = unsafe {
            let places = out.as_mut_ptr().add(filled).cast();
            // At most BURST, which is 32.
            dpdk_sys::rte_pktmbuf_alloc_bulk(self.as_ptr(), places, count as u32)
        };
        if result == 0 {
            // SAFETY: on success DPDK has written all `count` places.
            unsafe { out.set_len(filled + count) };
        }
        result == 0
    }

    /// Fills `out` up to `count` with buffers as they lie in the pool: neither empty nor packets yet. Returns whether there were
    /// so many; otherwise `out` is as it was.
    #[inline]
    pub(crate) fn take_burst(&self, out: &mut ArrayVec<Mbuf, BURST>, count: usize) -> bool {
        let filled = out.len();
        let Some(missing) = count.min(BURST).checked_sub(filled).filter(|missing| *missing > 0) else { return true };
        // SAFETY: `filled + missing` is within the capacity, so the `missing` places behind `filled` are allocated, and Mbuf is
        // transparent over the pointer that DPDK writes there.
        let result = unsafe {
            let places = out.as_mut_ptr().add(filled).cast();
            // At most BURST, which is 32.
            dpdk_sys::rte_mempool_get_bulk(self.as_ptr(), places, missing as u32)
        };
        if result == 0 {
            // SAFETY: on success DPDK has written all `missing` places with buffers of the pool, of which each is one whole chain
            // and has one reference, ours.
            unsafe { out.set_len(filled + missing) };
        }
        result == 0
    }

    /// For calls into DPDK.
    #[inline]
    #[must_use]
    pub fn as_ptr(&self) -> *mut rte_mempool {
        self.0.raw.0.as_ptr()
    }

    /// The pools whose last handle has dropped.
    #[must_use]
    pub fn retired() -> RetiredPools {
        let pools = pools();
        let retired = || pools.iter().filter(|pool| !pool.in_use);
        RetiredPools { pools: retired().count(), waiting: retired().filter(|pool| !pool.is_whole()).count() }
    }
}

impl Raw {
    fn available(self) -> u32 {
        // SAFETY: the pool is never freed; the count is a racy read by design.
        unsafe { dpdk_sys::rte_mempool_avail_count(self.0.as_ptr()) }
    }
}

impl Shelved {
    /// All buffers are back.
    fn is_whole(&self) -> bool {
        self.raw.available() >= self.config.mbufs
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        pools().iter_mut().filter(|pool| pool.raw == self.raw).for_each(|pool| pool.in_use = false);
    }
}

/// Gives what the calling lcore keeps of every pool back to the pool.
pub(crate) fn flush_caches_of_this_thread() {
    for pool in pools().iter() {
        // SAFETY: pools are never freed, and the thread touches its own lcore's cache only.
        unsafe { dpdk_sys::flypack_flush_own_cache(pool.raw.0.as_ptr()) };
    }
}

/// The next number of the form 2ⁿ − 1, at least 1.
fn full_ring(mbufs: u32) -> u32 {
    mbufs.checked_add(1).and_then(u32::checked_next_power_of_two).map_or(u32::MAX, |ring| ring.max(2) - 1)
}

fn taken_over(config: &MempoolConfig, purpose: Purpose) -> Option<Raw> {
    let mut pools = pools();
    let is_alike = |pool: &Shelved| pool.config == *config && pool.purpose == purpose;
    let pool = pools.iter_mut().find(|pool| !pool.in_use && is_alike(pool) && pool.is_whole())?;
    pool.in_use = true;
    Some(pool.raw)
}

fn new_pool(config: &MempoolConfig, purpose: Purpose) -> Result<Raw, MempoolError> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("fp_pool_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let name = CString::new(name).expect("a number contains no NUL");
    let refused = |errno| MempoolError::Refused { config: *config, errno, meaning: meaning(errno) };
    let operations = match (purpose, config.sharing) {
        (Purpose::Leases, _) => references::register().map_err(refused)?,
        (Purpose::Octets, Sharing::OneWorker) => c"ring_mp_mc",
        (Purpose::Octets, Sharing::Threads) => c"ring_mt_rts",
    };
    let room = if config.data_octets == 0 { 0 } else { config.data_octets + HEADROOM_OCTETS };
    // SAFETY: both strings end with a NUL and are copied; the numbers are plain; EAL runs.
    let raw = unsafe {
        let (cache, numa) = (u32::from(config.cache), config.numa.map_or(dpdk_sys::FLYPACK_NUMA_ANY, i32::from));
        let (name, operations) = (name.as_ptr(), operations.as_ptr());
        dpdk_sys::rte_pktmbuf_pool_create_by_ops(name, config.mbufs, cache, 0, room, numa, operations)
    };
    let raw = NonNull::new(raw).ok_or_else(|| refused(errno()))?;
    if purpose == Purpose::Leases {
        // SAFETY: it was made so just now, and nobody else has it.
        unsafe { references::shut(raw) };
    }
    Ok(Raw(raw))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_fill_their_ring() {
        for (asked, made) in [(0, 1), (1, 1), (2, 3), (4_095, 4_095), (4_096, 8_191), (u32::MAX, u32::MAX)] {
            assert_eq!(full_ring(asked), made);
        }
    }
}
