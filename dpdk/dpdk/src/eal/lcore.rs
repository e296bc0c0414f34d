//! A thread of ours as an lcore of EAL.

use std::marker::PhantomData;

use super::{EalError, error};
use crate::mempool;

/// While this lives, the thread that made it is an lcore: pools keep a cache for it. It cannot leave its thread.
#[derive(Debug)]
pub struct RegisteredThread {
    /// EAL remembers the thread itself, so the guard stays on it.
    not_send: PhantomData<*const ()>,
}

impl RegisteredThread {
    pub(super) fn new() -> Result<Self, EalError> {
        // SAFETY: reads a thread-local variable of the calling thread.
        if unsafe { dpdk_sys::rte_lcore_id() } != u32::MAX {
            return Err(EalError::AlreadyAnLcore);
        }
        // SAFETY: EAL has been initialised (the caller holds an `Eal`), and this thread is no lcore yet.
        if unsafe { dpdk_sys::rte_thread_register() } < 0 {
            return Err(EalError::TooManyThreads { errno: error::errno() });
        }
        Ok(Self { not_send: PhantomData })
    }
}

impl Drop for RegisteredThread {
    fn drop(&mut self) {
        mempool::flush_caches_of_this_thread();
        // SAFETY: this is the thread that was registered: the guard is not Send.
        unsafe { dpdk_sys::rte_thread_unregister() };
    }
}
