//! The files of a recording: grains go to the disk as they lie in the ring, and into the index once they are there.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use control::{ArchiveError, ArchiveState};
use media::recording::{Entry, Header};
use rustix::fs::{FallocateFlags, fallocate, fdatasync, fstatvfs, ftruncate};
use rustix::io::Errno;
use shm::SlotLease;

use super::ending::Ending;
use super::folder::{Files, Folder};
use super::index_file::IndexWriter;
use super::progress::Progress;
use crate::uring::DirectFile;

/// How far ahead room is taken on the disk while nobody says how long it goes on, octets.
const STEP_OCTETS: u64 = 1 << 30;
/// How long the end of a recording waits for a disk that does not answer.
const LAST_WAIT: Duration = Duration::from_secs(30);

/// See the module.
pub(super) struct Tape {
    disk: DirectFile<SlotLease>,
    index: IndexWriter,
    header: Header,
    /// Grains that were handed to the disk and are not in the index, by number.
    pending: VecDeque<Pending>,
    begun: u32,
    /// Octets of the file that have room on the disk; all there is where the file system does not say.
    room_octets: u64,
}

struct Pending {
    entry: Entry,
    begun: Instant,
    is_written: bool,
}

impl Tape {
    /// Both files, with room for `grains` grains on the disk.
    ///
    /// # Errors
    /// [`ArchiveError::NoRoom`], or what the system refuses.
    pub(super) fn new(
        folder: &Folder,
        files: Files,
        header: Header,
        depth: u16,
        grains: Option<u32>,
    ) -> Result<Self, ArchiveError> {
        let refused = |cause| ArchiveError::File { what: "cannot write to", path: folder.name(), cause };
        let index = IndexWriter::new(files.index, header.clone()).map_err(refused)?;
        let disk = DirectFile::new(files.grains, depth).map_err(|error| ArchiveError::Refused(Box::new(error)))?;
        let mut tape = Self { disk, index, header, pending: VecDeque::new(), begun: 0, room_octets: 0 };
        let needed = tape.offset_of(grains.unwrap_or(1));
        match tape.take_room(needed) {
            Ok(()) => Ok(tape),
            Err(Errno::NOSPC | Errno::FBIG | Errno::DQUOT) => {
                Err(ArchiveError::NoRoom { folder: folder.name(), needed, free: folder.free_octets() })
            }
            Err(errno) => Err(refused(errno.into())),
        }
    }

    /// Grains that were handed to the disk.
    pub(super) fn begun(&self) -> u32 {
        self.begun
    }

    /// Whether another grain may be handed to the disk.
    pub(super) fn has_room(&self) -> bool {
        self.disk.has_room()
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.disk.flying() == 0
    }

    /// Hands a whole grain to the disk, which has room for it.
    pub(super) fn begin(&mut self, slot: SlotLease, lost: Vec<u16>) -> Result<(), Ending> {
        let (number, stride) = (self.begun, self.header.grain_stride());
        let offset = self.offset_of(number);
        if offset + stride > self.room_octets {
            self.take_room(offset + self.step(stride)).or_else(|errno| match errno {
                // So much is not there; perhaps one more grain.
                Errno::NOSPC | Errno::DQUOT => {
                    self.take_room(offset + stride).map_err(|errno| Ending::refused_by_disk(&errno.into()))
                }
                errno => Err(Ending::refused_by_disk(&errno.into())),
            })?;
        }
        let (index, stamp) = (slot.grain().index(), slot.grain().stamp());
        let octets = self.header.format.frame_octets();
        let entry = Entry { number, index, tai: stamp.tai, rtp: stamp.rtp, offset, octets, lost };
        // A stride is below 2³², as the octets of a frame are far below it.
        if self.disk.write(number.into(), slot, stride as u32, offset).is_ok() {
            self.pending.push_back(Pending { entry, begun: Instant::now(), is_written: false });
            self.begun += 1;
        }
        Ok(())
    }

    /// Waits for the disk, at most for `limit`.
    pub(super) fn wait(&mut self, limit: Duration) {
        self.disk.wait(limit);
    }

    /// Takes what is on the disk into the index, in order, and gives its slots back.
    pub(super) fn settle(&mut self, progress: &Progress) -> Result<(), Ending> {
        let period = Duration::from_nanos(self.header.format.rate().period_nanos().unsigned_abs());
        while let Some(landed) = self.disk.landed() {
            landed.outcome.map_err(|cause| Ending::refused_by_disk(&cause))?;
            let written = self.pending.iter_mut().find(|pending| u64::from(pending.entry.number) == landed.tag);
            written.into_iter().for_each(|pending| {
                pending.is_written = true;
                progress.count_write(pending.begun.elapsed(), period);
            });
        }
        while self.pending.front().is_some_and(|pending| pending.is_written) {
            let Some(Pending { entry, .. }) = self.pending.pop_front() else { break };
            self.index.append(&entry).map_err(|cause| Ending::refused_by_disk(&cause))?;
            progress.count_grain(entry.lost.len());
        }
        Ok(())
    }

    /// Waits for what is under way, and leaves both files whole: up to the last grain before the first that failed.
    pub(super) fn finish(mut self, progress: &Progress) -> Result<(), Ending> {
        let deadline = Instant::now() + LAST_WAIT;
        let mut outcome = self.settle(progress);
        while !self.is_idle() && Instant::now() < deadline {
            self.disk.wait(deadline.saturating_duration_since(Instant::now()));
            outcome = outcome.and(self.settle(progress));
        }
        outcome = outcome.and(self.cut(progress.grains()));
        let synced = fdatasync(self.disk.file()).map_err(io::Error::from);
        outcome.and(synced.and_then(|()| self.index.sync()).map_err(|cause| Ending::refused_by_disk(&cause)))
    }

    /// Has the file end with its last grain.
    fn cut(&self, grains: u32) -> Result<(), Ending> {
        if !self.is_idle() {
            // A write that is still under way would make it longer again.
            let trouble = format!("the disk has not answered for {} s; the index is right", LAST_WAIT.as_secs());
            return Err(Ending::because(ArchiveState::Failed, trouble));
        }
        ftruncate(self.disk.file(), self.offset_of(grains)).map_err(|errno| Ending::refused_by_disk(&errno.into()))
    }

    /// How much room is taken at a time, octets. Never all that is left: a file system that finds out halfway that it has not
    /// so much keeps what it took, and has no block left in which to note what is written.
    fn step(&self, stride: u64) -> u64 {
        let free = fstatvfs(self.disk.file()).map_or(0, |stat| stat.f_bavail.saturating_mul(stat.f_frsize));
        (free / 2).clamp(stride, stride.max(STEP_OCTETS))
    }

    fn offset_of(&self, number: u32) -> u64 {
        u64::from(number) * self.header.grain_stride()
    }

    /// Has the file grow to `octets`, with room for them on the disk.
    fn take_room(&mut self, octets: u64) -> Result<(), Errno> {
        match fallocate(self.disk.file(), FallocateFlags::empty(), 0, octets) {
            Ok(()) => self.room_octets = octets,
            // It finds room as it goes.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.room_octets = u64::MAX,
            Err(errno) => return Err(errno),
        }
        Ok(())
    }
}
