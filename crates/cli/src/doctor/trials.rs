//! What only a system call tells, tried once.

use std::io;

use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, ftruncate, memfd_create};

use shm::KernelTai;

/// Results of what was tried; `None`: not tried.
#[derive(Debug, Default)]
pub struct Trials {
    /// A memfd with every seal that a ring needs.
    pub sealed_memfd: Option<io::Result<()>>,
    /// A memfd of one page of 2 MiB; it is given back at once.
    pub huge_memfd: Option<io::Result<()>>,
    /// TAI − UTC of the kernel, seconds.
    pub tai_offset_s: Option<i64>,
}

impl Trials {
    /// Tries them all.
    #[must_use]
    pub fn run() -> Self {
        Self {
            sealed_memfd: Some(sealed_memfd()),
            huge_memfd: Some(huge_memfd()),
            tai_offset_s: Some(KernelTai.offset_seconds()),
        }
    }
}

fn sealed_memfd() -> io::Result<()> {
    let memfd = memfd_create("flypack-doctor", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    ftruncate(&memfd, 4096)?;
    fcntl_add_seals(&memfd, SealFlags::SHRINK | SealFlags::GROW)?;
    Ok(fcntl_add_seals(&memfd, SealFlags::FUTURE_WRITE | SealFlags::SEAL)?)
}

fn huge_memfd() -> io::Result<()> {
    const OCTETS: u64 = 2 << 20;
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | MemfdFlags::HUGETLB | MemfdFlags::HUGE_2MB;
    let memfd = memfd_create("flypack-doctor", flags)?;
    ftruncate(&memfd, OCTETS)?;
    Ok(fallocate(&memfd, FallocateFlags::empty(), 0, OCTETS)?)
}
