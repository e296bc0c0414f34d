//! The broker's socket in the file system: one instance at a path, stale sockets replaced, live ones left alone.
//!
//! The instance is who holds the lock on the file `<socket>.lock` beside the socket. A socket whose lock is free but
//! which still answers belongs to somebody else and is left alone too.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{CWD, FlockOperation, Mode, OFlags, flock, fstat, openat};
use rustix::io::Errno;
use rustix::net::{SocketAddrUnix, SocketFlags, accept_with, bind, listen};

use super::BrokerError;
use crate::access::SocketAccess;
use crate::passing;
use crate::seqpacket::SeqPacket;

const BACKLOG: i32 = 64;
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// A listening socket, which dropping removes, and the lock that makes it the only one.
#[derive(Debug)]
pub(super) struct Listener {
    fd: OwnedFd,
    path: PathBuf,
    /// Device and inode of the socket as bound: what else stands at the path later is not ours to remove.
    bound: (u64, u64),
}

/// The lock file, locked: dropping it lets the next instance begin, so it is the last that goes.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    _file: OwnedFd,
}

impl Listener {
    /// Takes the lock, replaces a stale socket, and listens.
    pub(super) fn open(path: &Path, access: &SocketAccess) -> Result<(Self, Lock), BrokerError> {
        let lock = Lock::take(path)?;
        clear_stale(path)?;
        let failed = |step| move |errno| BrokerError::Socket { path: path.to_owned(), step, source: errno };
        let address = SocketAddrUnix::new(path).map_err(failed("name"))?;
        let fd = SeqPacket::unbound(SocketFlags::NONBLOCK).map_err(failed("create"))?;
        bind(&fd, &address).map_err(failed("bind"))?;
        passing::refuse(&fd);
        let bound = identity(path).map_err(failed("look at"))?;
        let listener = Self { fd, path: path.to_owned(), bound };
        access.apply(path).map_err(failed("set the mode and group of"))?;
        listen(&listener.fd, BACKLOG).map_err(failed("listen on"))?;
        Ok((listener, lock))
    }

    /// The next connection, or none when nobody waits.
    pub(super) fn accept(&self) -> Result<Option<OwnedFd>, Errno> {
        loop {
            match accept_with(&self.fd, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(fd) => return Ok(Some(fd)),
                Err(Errno::AGAIN) => return Ok(None),
                // The peer went away while it waited.
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl std::os::fd::AsFd for Listener {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if identity(&self.path) == Ok(self.bound) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Lock {
    fn take(socket: &Path) -> Result<Self, BrokerError> {
        let mut name = socket.as_os_str().to_owned();
        name.push(".lock");
        let path = PathBuf::from(name);
        let failed = |errno| BrokerError::Lock { path: path.clone(), source: errno };
        loop {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            let file = openat(CWD, &path, flags, Mode::RUSR | Mode::WUSR).map_err(failed)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::AGAIN) => return Err(BrokerError::AlreadyRunning { path: socket.to_owned() }),
                Err(errno) => return Err(failed(errno)),
            }
            let locked = fstat(&file).map_err(failed)?;
            // An instance that stopped just now removed this very file: lock its successor instead.
            if identity(&path) == Ok((locked.st_dev, locked.st_ino)) {
                return Ok(Self { path, _file: file });
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Still locked: whoever opened this file before the removal finds it gone when the lock comes free.
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes what a killed instance left at `path`; refuses what is alive or no socket.
fn clear_stale(path: &Path) -> Result<(), BrokerError> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    if !found.file_type().is_socket() {
        return Err(BrokerError::NotASocket { path: path.to_owned() });
    }
    match SeqPacket::connect(path, PROBE_TIMEOUT) {
        Err(Errno::CONNREFUSED | Errno::NOENT) => {}
        // It answers, or its backlog is full, or it is a socket of another type.
        _ => return Err(BrokerError::AlreadyRunning { path: path.to_owned() }),
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            let source = Errno::from_io_error(&error).unwrap_or(Errno::IO);
            Err(BrokerError::Socket { path: path.to_owned(), step: "remove the stale", source })
        }
        _ => Ok(()),
    }
}

fn identity(path: &Path) -> Result<(u64, u64), Errno> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino())),
        Err(error) => Err(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
    }
}
