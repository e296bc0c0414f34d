//! Records on disk: one file for each ring that a pod produces, in a folder of the broker's own.
//!
//! A record is written before its flow exists and removed with it; a broker that ends leaves those of the flows that
//! are, for the next one ([`super::adopting`]). What is in the folder and is no record, or not this user's alone, is
//! left where it is, ignored and counted.
//!
//! The folder is opened once, checked, and reached by its descriptor from then on: what somebody puts in its place, in a
//! parent that others may write, is never looked at.

use std::collections::HashMap;
use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::BrokerError;
use crate::protocol::{MAX_MESSAGE_OCTETS, RingRecord};

/// Most files that are looked at; more are some mistake of somebody else.
const FILES_MAX: usize = 4096;
const SUFFIX: &str = ".ring";
/// Of a record that is being written.
const NEW: &str = ".new";

/// See the module.
#[derive(Debug)]
pub(super) struct Records {
    folder: OwnedFd,
    path: PathBuf,
}

impl Records {
    /// The folder, made if it is missing, with the records that an earlier broker left, by epoch, and the number of
    /// files that are none.
    pub(super) fn open(path: &Path) -> Result<(Self, HashMap<u128, RingRecord>, u64), BrokerError> {
        let failed = |source: Errno| BrokerError::Records { path: path.to_owned(), source: source.into() };
        match rustix::fs::mkdirat(CWD, path, Mode::RWXU) {
            Err(Errno::EXIST) | Ok(()) => {}
            Err(errno) => return Err(failed(errno)),
        }
        let folder = open_folder(path)?;
        let (mut left, mut ignored) = (HashMap::new(), 0);
        let files = Dir::read_from(&folder).map_err(failed)?.filter_map(Result::ok);
        let files = files.filter(|file| ![c".", c".."].contains(&file.file_name()));
        for file in files.take(FILES_MAX) {
            match read(&folder, file.file_name()) {
                Some(record) => drop(left.insert(record.geometry.epoch, record)),
                // A broker that was killed while it wrote.
                None if is_half_written(&folder, file.file_name()) => remove(&folder, file.file_name()),
                None => ignored += 1,
            }
        }
        Ok((Self { folder, path: path.to_owned() }, left, ignored))
    }

    /// Writes a record down: all of it or none.
    pub(super) fn write(&self, record: &RingRecord) -> io::Result<()> {
        let name = name_of(record.geometry.epoch);
        let new = format!("{name}{NEW}");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.folder, &new, flags, Mode::RUSR | Mode::WUSR)?;
        let written = File::from(file).write_all(&record.encode());
        let written = written.and_then(|()| Ok(rustix::fs::renameat(&self.folder, &new, &self.folder, &name)?));
        written.inspect_err(|_| remove(&self.folder, &new))
    }

    /// Removes the record of an epoch.
    pub(super) fn remove(&self, epoch: u128) {
        remove(&self.folder, name_of(epoch));
    }

    /// Removes the folder where nothing is left for the next broker.
    pub(super) fn put_away(&self) {
        // One that is not empty stays.
        let _ = rustix::fs::rmdir(&self.path);
    }
}

/// The folder, if only this user may write it.
fn open_folder(path: &Path) -> Result<OwnedFd, BrokerError> {
    let failed = |source: Errno| BrokerError::Records { path: path.to_owned(), source: source.into() };
    let not_ours =
        |found: Stat| BrokerError::RecordsNotOurs { path: path.to_owned(), uid: found.st_uid, mode: found.st_mode };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(folder) => folder,
        // No folder, or a link.
        Err(Errno::NOTDIR | Errno::LOOP) => {
            return Err(rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).map_or_else(failed, not_ours));
        }
        Err(errno) => return Err(failed(errno)),
    };
    let found = rustix::fs::fstat(&folder).map_err(failed)?;
    if is_ours(&found) { Ok(folder) } else { Err(not_ours(found)) }
}

fn name_of(epoch: u128) -> String {
    format!("{epoch:032x}{SUFFIX}")
}

/// The record in a file, if it is one of ours: a file of this user's that only it may write, with the name that belongs
/// to it.
fn read(folder: &OwnedFd, name: &CStr) -> Option<RingRecord> {
    let file = open_file(folder, name)?;
    let mut octets = Vec::new();
    file.take(MAX_MESSAGE_OCTETS as u64 + 1).read_to_end(&mut octets).ok()?;
    let record = RingRecord::decode(&octets).ok()?;
    (name.to_bytes() == name_of(record.geometry.epoch).as_bytes()).then_some(record)
}

/// Whether it is what a broker was writing when it ended.
fn is_half_written(folder: &OwnedFd, name: &CStr) -> bool {
    let of_record = |name: &str| name.strip_suffix(NEW)?.strip_suffix(SUFFIX).map(str::to_owned);
    let epoch = name.to_str().ok().and_then(of_record).and_then(|digits| u128::from_str_radix(&digits, 16).ok());
    epoch.is_some_and(|epoch| name.to_bytes() == format!("{}{NEW}", name_of(epoch)).as_bytes())
        && open_file(folder, name).is_some()
}

/// A file of this user's that only it may write.
fn open_file(folder: &OwnedFd, name: &CStr) -> Option<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(folder, name, flags, Mode::empty()).ok()?;
    let found = rustix::fs::fstat(&file).ok()?;
    (FileType::from_raw_mode(found.st_mode).is_file() && is_ours(&found)).then(|| File::from(file))
}

fn remove(folder: impl AsFd, name: impl rustix::path::Arg) {
    // One that is left behind names memory that is gone: nobody can bring it.
    let _ = rustix::fs::unlinkat(folder, name, AtFlags::empty());
}

/// Whether nobody else may have written it.
fn is_ours(found: &Stat) -> bool {
    found.st_uid == rustix::process::geteuid().as_raw() && found.st_mode & 0o022 == 0
}
