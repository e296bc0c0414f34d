//! Records on disk: one file for each ring that a pod produces, in a folder of the broker's own.
//!
//! A record is written before its flow exists and removed with it; a broker that ends leaves those of the flows that
//! are, for the next one ([`super::adopting`]). What is in the folder and is no record, or not this user's alone, is
//! left where it is, ignored and counted.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::BrokerError;
use crate::protocol::{MAX_MESSAGE_OCTETS, RingRecord};

/// Most files that are looked at; more are some mistake of somebody else.
const FILES_MAX: usize = 4096;
const SUFFIX: &str = ".ring";

/// See the module.
#[derive(Debug)]
pub(super) struct Records {
    folder: PathBuf,
}

impl Records {
    /// The folder, made if it is missing, with the records that an earlier broker left, by epoch, and the number of
    /// files that are none.
    pub(super) fn open(folder: &Path) -> Result<(Self, HashMap<u128, RingRecord>, u64), BrokerError> {
        let failed = |source| BrokerError::Records { path: folder.to_owned(), source };
        match fs::DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => {}
        }
        let found = fs::symlink_metadata(folder).map_err(failed)?;
        if !found.is_dir() || !is_ours(&found) {
            return Err(BrokerError::RecordsNotOurs { path: folder.to_owned() });
        }
        let (mut left, mut ignored) = (HashMap::new(), 0);
        for entry in fs::read_dir(folder).map_err(failed)?.take(FILES_MAX) {
            match entry.ok().and_then(|entry| read(&entry.path())) {
                Some(record) => drop(left.insert(record.geometry.epoch, record)),
                None => ignored += 1,
            }
        }
        Ok((Self { folder: folder.to_owned() }, left, ignored))
    }

    /// Writes a record down: all of it or none.
    pub(super) fn write(&self, record: &RingRecord) -> io::Result<()> {
        let path = self.path(record.geometry.epoch);
        let new = path.with_extension("new");
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&record.encode())?;
        fs::rename(&new, &path)
    }

    /// Removes the record of an epoch.
    pub(super) fn remove(&self, epoch: u128) {
        // One that is left behind names memory that is gone: nobody can bring it.
        let _ = fs::remove_file(self.path(epoch));
    }

    /// Removes the folder where nothing is left for the next broker.
    pub(super) fn put_away(&self) {
        // One that is not empty stays.
        let _ = fs::remove_dir(&self.folder);
    }

    fn path(&self, epoch: u128) -> PathBuf {
        self.folder.join(format!("{epoch:032x}{SUFFIX}"))
    }
}

/// The record in a file, if it is one of ours: a file of this user's that only it may write, with the name that belongs
/// to it.
fn read(path: &Path) -> Option<RingRecord> {
    let mut open = fs::OpenOptions::new();
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let file = open.read(true).custom_flags(flags.bits() as i32).open(path).ok()?;
    let found = file.metadata().ok()?;
    if !found.is_file() || !is_ours(&found) {
        return None;
    }
    let mut octets = Vec::new();
    file.take(MAX_MESSAGE_OCTETS as u64 + 1).read_to_end(&mut octets).ok()?;
    let record = RingRecord::decode(&octets).ok()?;
    let named = format!("{:032x}{SUFFIX}", record.geometry.epoch);
    (path.file_name().and_then(|name| name.to_str()) == Some(named.as_str())).then_some(record)
}

/// Whether nobody else may have written it.
fn is_ours(found: &fs::Metadata) -> bool {
    found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o022 == 0
}
