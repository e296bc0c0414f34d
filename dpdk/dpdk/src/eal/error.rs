//! Starting EAL, and why it did not.

use std::ffi::{CStr, CString, c_char, c_int};
use std::io;

use thiserror::Error;

use crate::iommu::NoIommu;

/// Why EAL is not there, or has no more to give.
#[derive(Debug, Error)]
pub enum EalError {
    /// EAL initialises once per process.
    #[error("DPDK's environment was started before in this process, and a process can do so once; restart the program")]
    AlreadyStarted,
    /// A device without an IOMMU.
    #[error(transparent)]
    NoIommu(#[from] NoIommu),
    /// Not one hugepage is free.
    #[error(
        "DPDK was asked for {asked_mib} MiB of hugepages and none is free; reserve some \
         (`sysctl vm.nr_hugepages={pages}` for pages of 2 MiB), or run without hugepages"
    )]
    NoHugepages {
        /// What the configuration says.
        asked_mib: u32,
        /// How many of 2 MiB that is.
        pages: u32,
    },
    /// Some, but too few.
    #[error(
        "DPDK was asked for {asked_mib} MiB of hugepages and {free_mib} MiB are free; reserve {pages} more of 2 MiB \
         (`sysctl vm.nr_hugepages`), or ask for less"
    )]
    TooFewHugepages {
        /// What the configuration says.
        asked_mib: u32,
        /// What the kernel has.
        free_mib: u64,
        /// What is missing, in pages of 2 MiB.
        pages: u64,
    },
    /// An argument contains a NUL.
    #[error("{0:?} contains a NUL and cannot be an argument of DPDK")]
    NulInside(String),
    /// The mask of CPUs could not be read.
    #[error("the CPUs of this process cannot be read: {0}")]
    Affinity(io::Error),
    /// No thread.
    #[error("no thread for DPDK's environment: {0}")]
    Thread(io::Error),
    /// `rte_eal_init` refused.
    #[error("DPDK's environment did not start: {meaning} (rte_errno {errno}). {remedy}. Its own lines are on stderr")]
    Failed {
        /// `rte_errno`.
        errno: i32,
        /// Its meaning as DPDK words it.
        meaning: String,
        /// What would help.
        remedy: &'static str,
    },
    /// Registered before, or EAL's own thread.
    #[error("this thread is an lcore of DPDK already")]
    AlreadyAnLcore,
    /// All lcores are taken.
    #[error(
        "DPDK has no lcore left for this thread: {} threads are the most (rte_errno {errno})",
        dpdk_sys::RTE_MAX_LCORE
    )]
    TooManyThreads {
        /// `rte_errno`.
        errno: i32,
    },
}

/// What `rte_errno` of the calling thread is.
pub(crate) fn errno() -> i32 {
    // SAFETY: reads a thread-local variable of the calling thread; no precondition.
    unsafe { dpdk_sys::flypack_errno() }
}

/// DPDK's words for an error number (positive).
pub(crate) fn meaning(errno: i32) -> String {
    // SAFETY: returns a string with its NUL, static or in a thread-local buffer, which is copied before the next call.
    unsafe { CStr::from_ptr(dpdk_sys::rte_strerror(errno)) }.to_string_lossy().into_owned()
}

/// Runs `rte_eal_init`, on the thread that is to be EAL's.
pub(super) fn initialise(arguments: Vec<CString>) -> Result<(), EalError> {
    let mut pointers: Vec<*mut c_char> = arguments.into_iter().map(CString::into_raw).collect();
    let count = c_int::try_from(pointers.len()).unwrap_or(c_int::MAX);
    pointers.push(std::ptr::null_mut());
    // EAL may keep pointers into its arguments, and starts once: vector and strings are left to the process.
    let vector = Vec::leak(pointers).as_mut_ptr();
    // SAFETY: sets where EAL writes its lines before it starts; no other thread uses EAL yet (`BEGUN`).
    unsafe { dpdk_sys::flypack_log_to_stderr() };
    // SAFETY: `vector` holds `count` strings with their NUL and a null pointer, all of static life and not shared;
    // `BEGUN` makes this the only call in the process.
    if unsafe { dpdk_sys::rte_eal_init(count, vector) } < 0 {
        let errno = errno();
        return Err(EalError::Failed { errno, meaning: meaning(errno), remedy: remedy(errno) });
    }
    Ok(())
}

/// By what `rte_eal_init` documents for each number, and what was seen.
fn remedy(errno: i32) -> &'static str {
    use rustix::io::Errno;
    let is = |known: Errno| errno == known.raw_os_error();
    if is(Errno::ACCESS) || is(Errno::PERM) {
        "Hugepages or devices may not be opened: run as root, or give this user /dev/hugepages and /dev/vfio"
    } else if is(Errno::NOMEM) || is(Errno::NODEV) {
        "Memory is short: reserve hugepages (sysctl vm.nr_hugepages), ask for less, or run without hugepages"
    } else if is(Errno::ALREADY) {
        "The environment was started before in this process; restart the program"
    } else if is(Errno::INVAL) {
        "An argument was refused: look at iova, file_prefix and the list of allowed devices"
    } else {
        "Look at the lines above this one"
    }
}
