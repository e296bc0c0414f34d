//! What a capture leaves free on the disk: half of what it found. Recordings write there too, and whatever else the machine
//! keeps on it; a capture may be of gigabytes a minute, and nobody said how long it is to be.

use control::ArchiveState;

use super::ending::Ending;
use super::folder::Folder;

/// The disk is looked at each time when so much has been written.
const LOOK_OCTETS: u64 = 64 << 10;

/// See the module.
#[derive(Debug)]
pub(super) struct Reserve {
    folder: Folder,
    octets: u64,
    /// Written since the last look.
    written: u64,
}

impl Reserve {
    /// Half of what is free now. Several that begin together leave that once, not each half of the rest.
    pub(super) fn half(folder: &Folder) -> Self {
        Self { folder: folder.clone(), octets: folder.free_octets() / 2, written: 0 }
    }

    /// So much more was written; how the capture ends, where less than the reserve is left now.
    pub(super) fn spend(&mut self, octets: u64) -> Option<Ending> {
        self.written += octets;
        if self.written < LOOK_OCTETS {
            return None;
        }
        self.written = 0;
        (self.folder.free_octets() < self.octets).then(|| {
            let trouble = format!(
                "the disk is full but for the {} MB that a capture leaves to others, half of what was free: make room, or \
                 capture less (--snap, --sample, --packets)",
                self.octets / 1_000_000
            );
            Ending::because(ArchiveState::DiskFull, trouble)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_ends_where_its_reserve_begins() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open_or_make(place.path()).unwrap();
        let mut half = Reserve::half(&folder);
        assert!(half.octets > 0 && half.spend(LOOK_OCTETS).is_none(), "{half:?}");
        let mut all = Reserve { octets: u64::MAX, ..half };
        assert!(all.spend(LOOK_OCTETS - 1).is_none(), "it is not asked after each packet");
        let ending = all.spend(1).unwrap();
        assert_eq!(ending.state, ArchiveState::DiskFull);
        assert!(ending.trouble.unwrap().contains("leaves to others"));
    }
}
