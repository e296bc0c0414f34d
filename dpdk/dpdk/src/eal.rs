//! The environment abstraction layer: one per process, on a thread of its own.
//!
//! EAL pins the thread that initialises it and keeps state there. So it gets a thread that does nothing else, with
//! the whole mask of the process, and every slow control call runs on it. It is never a secondary process, keeps no
//! file (`--in-memory`), and ends with the process: the kernel then takes back pages and sockets.

mod config;
mod error;
mod heap;
mod jobs;
mod lcore;
mod memory;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::iommu;

pub use config::{EalConfig, IovaMode, LogLevel, Memory};
pub use error::EalError;
pub(crate) use error::{errno, meaning};
pub use heap::HeapUse;
pub use lcore::RegisteredThread;

use jobs::Jobs;

/// Whether somebody has begun to initialise EAL, which a process can do once.
static BEGUN: AtomicBool = AtomicBool::new(false);

/// The running environment. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Eal {
    jobs: Jobs,
}

impl Eal {
    /// Starts EAL on a new thread.
    ///
    /// What can be judged beforehand (IOMMU, free hugepages) is judged first, and can be tried again; once EAL has
    /// failed by itself, this process cannot have it any more.
    ///
    /// # Errors
    /// [`EalError`] says what is wrong and what would help. The process goes on without DPDK.
    pub fn start(config: &EalConfig) -> Result<Self, EalError> {
        if !config.allow_no_iommu {
            iommu::check(Path::new(iommu::SYSFS), &config.allow)?;
        }
        memory::check(&config.memory, Path::new(iommu::SYSFS))?;
        let arguments = config.arguments()?;
        if BEGUN.swap(true, Ordering::AcqRel) {
            return Err(EalError::AlreadyStarted);
        }
        let jobs = Jobs::on_new_thread(move || error::initialise(arguments))?;
        // The thread lives as long as its queue has a sender, and EAL must not lose its thread.
        std::mem::forget(jobs.clone());
        Ok(Self { jobs })
    }

    /// Runs `job` on EAL's thread and waits for what it returns. A panic in it is passed on.
    ///
    /// For control calls: it allocates, blocks, and queues behind other jobs. From within a job it runs at once.
    pub fn run<R: Send + 'static>(&self, job: impl FnOnce() -> R + Send + 'static) -> R {
        self.jobs.run(job)
    }

    /// Makes the calling thread an lcore for as long as the guard lives: without it pools have no cache for the
    /// thread, which costs about half of the packet rate.
    ///
    /// # Errors
    /// [`EalError::TooManyThreads`] when EAL has no lcore left.
    pub fn register_thread(&self) -> Result<RegisteredThread, EalError> {
        RegisteredThread::new()
    }

    /// What DPDK calls itself, such as `DPDK 22.11.11`.
    #[must_use]
    pub fn version(&self) -> String {
        // SAFETY: rte_version returns a static string with its NUL.
        unsafe { std::ffi::CStr::from_ptr(dpdk_sys::rte_version()) }.to_string_lossy().into_owned()
    }

    /// What is taken from EAL's own heap now: pools, rings, what drivers keep. Slow.
    #[must_use]
    pub fn heap_use(&self) -> HeapUse {
        self.run(heap::in_use)
    }

    /// Whether device addresses are physical (PA) ones.
    #[must_use]
    pub fn addresses_are_physical(&self) -> bool {
        // SAFETY: reads a field that rte_eal_init has set; an `Eal` exists only after that.
        unsafe { dpdk_sys::rte_eal_iova_mode() == dpdk_sys::RTE_IOVA_PA }
    }
}
