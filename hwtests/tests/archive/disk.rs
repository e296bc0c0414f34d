//! A small disk: a file system of its own in a file.

use std::path::{Path, PathBuf};
use std::process::Command;

use hwtests::{Scratch, Undo};

/// Mounted until it drops.
pub(crate) struct SmallDisk {
    folder: PathBuf,
    _mounted: Undo,
}

impl SmallDisk {
    /// A disk of 16 MiB; none where the machine has no loop devices.
    pub(crate) fn make(scratch: &Scratch) -> Option<Self> {
        let (image, folder) = (scratch.path().join("disk.img"), scratch.folder_for_all("disk").unwrap());
        std::fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
        let ran = |program: &str, words: &[&str]| {
            Command::new(program).args(words).status().is_ok_and(|status| status.success())
        };
        let (image, path) = (image.to_str().unwrap(), folder.to_str().unwrap());
        assert!(ran("mkfs.ext4", &["-q", "-F", "-O", "^has_journal", "-m", "0", image]), "mkfs.ext4");
        // Before it is mounted: whatever happens, it is not mounted for longer than this.
        let undo = Undo::push(&format!("umount '{path}' 2>/dev/null || umount -l '{path}'")).unwrap();
        ran("mount", &["-o", "loop", image, path]).then_some(Self { folder, _mounted: undo })
    }

    /// Where it is mounted.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Octets that may be written.
    pub(crate) fn free_octets(&self) -> u64 {
        let stat = rustix::fs::statvfs(&self.folder).unwrap();
        stat.f_bavail * stat.f_frsize
    }

    /// Writes a file that leaves so many octets, about.
    pub(crate) fn fill_up_to(&self, left: u64) -> PathBuf {
        let filler = self.folder.join("filler");
        std::fs::write(&filler, vec![0x55; (self.free_octets() - left) as usize]).unwrap();
        filler
    }
}
