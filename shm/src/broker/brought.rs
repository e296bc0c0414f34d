//! The memory of a ring that a pod brings: whether it is that of the record, and brought by its producer.
//!
//! Consumers have descriptors of the same files, often as the same user. But theirs are read-only, and since the ring was
//! sealed the files have mode 0400: nobody but root and the gateway's own user can open them for writing again. So who
//! brings a description for reading and writing got it before the seal.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::OFlags;

use crate::memfd::SealError;
use crate::protocol::{AdoptionFault, FileId, RingRecord};
use crate::{SealedRegion, check_ring_seals};

/// Octets of a block in `st_blocks`, whatever the file system (stat(2)).
const BLOCK_OCTETS: u64 = 512;

/// The ring in these descriptors, if it is that of the record. They are memory, or there are none: to ask what another file
/// is may wait. Who has them closes them, for what another process made as large as it liked takes long to be let go of.
pub(super) fn ring(record: &RingRecord, fds: &[OwnedFd]) -> Result<SealedRegion, AdoptionFault> {
    let [control, data] = fds else {
        return Err(AdoptionFault::Memory { inode: 0 });
    };
    let geometry = record.geometry;
    check(control, record.control, geometry.control_octets())?;
    check(data, record.data, geometry.data_octets())?;
    let mapping = AdoptionFault::Mapping { octets: geometry.octets() };
    SealedRegion::adopt(geometry, control, data).map_err(|_| mapping)
}

/// Whether `fd` is the producer's descriptor of `file`, which this user made, sealed as a ring, all of it there.
fn check(fd: &OwnedFd, file: FileId, octets: u64) -> Result<(), AdoptionFault> {
    let found = rustix::fs::fstat(fd).map_err(|_| AdoptionFault::Memory { inode: 0 })?;
    if (FileId { device: found.st_dev, inode: found.st_ino }) != file {
        return Err(AdoptionFault::Memory { inode: found.st_ino });
    }
    // Numbers of files come again after 2³² of them: what another user made is not what the record means.
    if found.st_uid != rustix::process::geteuid().as_raw() {
        return Err(AdoptionFault::Owner { uid: found.st_uid });
    }
    let flags = rustix::fs::fcntl_getfl(fd).map_err(|_| AdoptionFault::ReadOnly)?;
    if flags & OFlags::ACCMODE != OFlags::RDWR {
        return Err(AdoptionFault::ReadOnly);
    }
    check_ring_seals(fd.as_fd()).map_err(|error| match error {
        SealError::Seals { actual, .. } => AdoptionFault::Seals { actual },
        SealError::Kernel(_) => AdoptionFault::Seals { actual: 0 },
    })?;
    let there = u64::try_from(found.st_blocks).unwrap_or(0).saturating_mul(BLOCK_OCTETS);
    if there < octets { Err(AdoptionFault::Holes { octets: there }) } else { Ok(()) }
}

/// The file behind a descriptor.
pub(super) fn identity(fd: &OwnedFd) -> Option<FileId> {
    let found = rustix::fs::fstat(fd).ok()?;
    Some(FileId { device: found.st_dev, inode: found.st_ino })
}
