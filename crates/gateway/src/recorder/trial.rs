//! Whether the disk keeps up: it is written for a second, as a recording would write it.

use std::time::{Duration, Instant};

use control::ArchiveError;
use media::VideoFormat;
use media::recording::Header;
use rustix::fs::{FallocateFlags, fallocate};

use super::folder::Folder;
use super::progress::needed_octets_per_second;
use crate::uring::{Block, DirectFile};

/// What a trial writes over and over, octets: more than the caches of disks that have some.
const AREA_OCTETS: u64 = 512 << 20;
/// Writes under way, and their size: as of a picture.
const DEPTH: u16 = 4;
const WRITE_OCTETS_MAX: u64 = 8 << 20;

/// Octets a second that the folder's disk takes; 0 for a trial of no length.
///
/// # Errors
/// [`ArchiveError::SlowDisk`] where that is less than the format needs and a quarter more.
pub(super) fn run(folder: &Folder, format: &VideoFormat, length: Duration) -> Result<u64, ArchiveError> {
    if length.is_zero() {
        return Ok(0);
    }
    let octets = u64::from(format.frame_octets()).next_multiple_of(Header::ALIGNMENT_OCTETS).min(WRITE_OCTETS_MAX);
    let measured = measure(folder, octets as u32, length)?;
    let needed = needed_octets_per_second(format);
    if measured < needed + needed / 4 {
        return Err(ArchiveError::SlowDisk { folder: folder.name(), measured, needed });
    }
    Ok(measured)
}

/// Octets that no disk or file system makes shorter, as it does with zeros.
fn noise(octets: usize, seed: u16) -> Block {
    let mut block = Block::new(octets);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ u64::from(seed);
    for word in block.bytes_mut().chunks_exact_mut(8) {
        // xorshift64 (Marsaglia 2003).
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        word.copy_from_slice(&state.to_le_bytes());
    }
    block
}

fn measure(folder: &Folder, octets: u32, length: Duration) -> Result<u64, ArchiveError> {
    let area = AREA_OCTETS.min(folder.free_octets() / 2) / u64::from(octets) * u64::from(octets);
    if area == 0 {
        return Err(ArchiveError::NoRoom { folder: folder.name(), needed: octets.into(), free: folder.free_octets() });
    }
    let refused = |cause| ArchiveError::File { what: "cannot write to", path: folder.name(), cause };
    let file = folder.nameless()?;
    // Where the file system cannot, the trial finds room as it goes.
    let _ = fallocate(&file, FallocateFlags::empty(), 0, area);
    let mut file = DirectFile::new(file, DEPTH).map_err(|error| ArchiveError::Refused(Box::new(error)))?;
    let mut blocks: Vec<Block> = (0..DEPTH).map(|seed| noise(octets as usize, seed)).collect();
    let (begun, mut offset, mut done) = (Instant::now(), 0, 0_u64);
    while begun.elapsed() < length {
        while let Some(block) = blocks.pop() {
            blocks.extend(file.write(0, block, octets, offset).err());
            offset = (offset + u64::from(octets)) % area;
        }
        file.wait(length);
        while let Some(landed) = file.landed() {
            landed.outcome.map_err(refused)?;
            done += u64::from(octets);
            blocks.push(landed.bytes);
        }
    }
    Ok((u128::from(done) * 1_000_000_000 / begun.elapsed().as_nanos().max(1)) as u64)
}
