//! Why memory could not be registered.

use rustix::io::Errno;
use thiserror::Error;

use crate::eal::meaning;

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ExternalMemoryError {
    /// Not whole pages.
    #[error("{octets} octets at {address:#x} are not whole pages of {page_octets} octets")]
    Unaligned {
        /// Where.
        address: usize,
        /// How many.
        octets: usize,
        /// The pages below, as was said.
        page_octets: usize,
    },
    /// More pages than DPDK counts.
    #[error("{pages} pages are too many for one registration; use hugepages")]
    TooManyPages {
        /// How many.
        pages: usize,
    },
    /// All of EAL's lists of memory segments are taken.
    #[error(
        "DPDK can register no more memory: {registered} regions are registered, and about 120 are the most. \
         Frames of further rings are copied when they are sent; fewer or larger rings avoid that"
    )]
    Full {
        /// How many there are.
        registered: usize,
    },
    /// Registered before, all or part of it.
    #[error("this memory, or part of it, is registered already")]
    Overlap,
    /// Physical addresses are needed and the kernel does not tell them.
    #[error(
        "the page at {address:#x} has no physical address that this process may know: run as root, on memory that is present, or use iova = \"va\""
    )]
    NoPhysicalAddress {
        /// Which page.
        address: usize,
    },
    /// Ordinary pages, which the kernel moves, and devices that know physical addresses.
    #[error("with iova = \"pa\" only hugepages can be registered: the kernel may move others")]
    PagesMove,
    /// EAL refused for another reason.
    #[error("DPDK did not register the memory: {} (rte_errno {errno})", meaning(*errno))]
    Refused {
        /// `rte_errno`.
        errno: i32,
    },
    /// A device could not be given the memory.
    #[error("the device {device} cannot be given the memory: {} (rte_errno {errno})", meaning(*errno))]
    Device {
        /// Which one.
        device: String,
        /// `rte_errno`.
        errno: i32,
    },
}

impl ExternalMemoryError {
    /// By what `rte_extmem_register` sets.
    pub(super) fn refused(errno: i32, registered: usize) -> Self {
        match Errno::from_raw_os_error(errno) {
            Errno::NOSPC => Self::Full { registered },
            Errno::EXIST => Self::Overlap,
            _ => Self::Refused { errno },
        }
    }
}
