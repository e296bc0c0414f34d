//! The socket that the API is served on.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::Endpoint;

/// A bound socket. Dropping it removes the socket file it made.
#[derive(Debug)]
pub struct Listener {
    pub(crate) socket: Socket,
    file: Option<SocketFile>,
}

#[derive(Debug)]
pub(crate) enum Socket {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// Why nothing can be served there.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody answers at that path.
    #[error("another gateway is serving at {path}; stop it, or give this one another control socket")]
    InUse {
        /// The path.
        path: PathBuf,
    },
    /// Something that is no socket lies there.
    #[error("{path} is there and is no socket; remove it, or choose another path")]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot listen at {endpoint}: {cause}; {}", remedy(.cause))]
    System {
        /// Where.
        endpoint: Endpoint,
        /// What the system said.
        cause: io::Error,
    },
}

fn remedy(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::NotFound => "make its directory first",
        io::ErrorKind::PermissionDenied => "choose a path that this user may write to, or run as a user who may",
        io::ErrorKind::AddrInUse => "choose another port, or stop what listens there",
        io::ErrorKind::AddrNotAvailable => "use an address of this machine",
        _ => "choose another endpoint",
    }
}

impl Listener {
    /// Listens at `endpoint`. A Unix socket gets the permissions `mode` (such as `0o660`) before anyone can
    /// connect; one that a killed gateway left behind is replaced.
    ///
    /// # Errors
    /// [`ListenError`].
    pub fn bind(endpoint: &Endpoint, mode: u32) -> Result<Self, ListenError> {
        let system = |cause| ListenError::System { endpoint: endpoint.clone(), cause };
        match endpoint {
            Endpoint::Unix(path) => {
                clear_stale(path)?;
                let socket = bind_unix(path, mode).map_err(system)?;
                Ok(Self { socket: Socket::Unix(socket), file: Some(SocketFile(path.clone())) })
            }
            Endpoint::Http(authority) => Self::tcp(TcpListener::bind(authority.as_str()).map_err(system)?),
        }
    }

    /// Listens at a TCP socket that is bound already. Whoever reaches it may do everything.
    ///
    /// # Errors
    /// When the socket cannot be made non-blocking.
    pub fn tcp(socket: TcpListener) -> Result<Self, ListenError> {
        let prepared = socket.set_nonblocking(true).and_then(|()| socket.local_addr());
        let endpoint = Endpoint::Http(prepared.as_ref().map(SocketAddr::to_string).unwrap_or_default());
        prepared.map_err(|cause| ListenError::System { endpoint, cause })?;
        Ok(Self { socket: Socket::Tcp(socket), file: None })
    }

    pub(crate) fn into_parts(self) -> (Socket, Option<SocketFile>) {
        (self.socket, self.file)
    }
}

/// A socket file of ours, removed with this value.
#[derive(Debug)]
pub(crate) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Nothing to be done if it is gone already.
        let _ = fs::remove_file(&self.0);
    }
}

/// Removes a socket on which nobody answers any more.
fn clear_stale(path: &Path) -> Result<(), ListenError> {
    let system = |cause| ListenError::System { endpoint: Endpoint::Unix(path.into()), cause };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(system(error)),
        Ok(found) if !found.file_type().is_socket() => return Err(ListenError::NotASocket { path: path.into() }),
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(system),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(system(error)),
        Ok(_) => Err(ListenError::InUse { path: path.into() }),
    }
}

fn bind_unix(path: &Path, mode: u32) -> io::Result<UnixListener> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // bind() gives the file the socket's own mode: closed to others until chmod opens it as asked.
    rustix::fs::fchmod(&socket, Mode::from_raw_mode(0o600))?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    let made = SocketFile(path.into());
    rustix::fs::chmod(path, Mode::from_raw_mode(mode))?;
    rustix::net::listen(&socket, 128)?;
    std::mem::forget(made);
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn endpoint(folder: &tempfile::TempDir) -> (Endpoint, PathBuf) {
        let path = folder.path().join("control.sock");
        (Endpoint::Unix(path.clone()), path)
    }

    #[test]
    fn the_socket_has_its_mode_and_goes_with_the_listener() {
        let folder = tempfile::tempdir().unwrap();
        let (endpoint, path) = endpoint(&folder);
        for mode in [0o600, 0o660, 0o666] {
            let listener = Listener::bind(&endpoint, mode).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
            drop(listener);
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_second_gateway_is_refused_and_a_dead_ones_socket_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (endpoint, path) = endpoint(&folder);
        let first = Listener::bind(&endpoint, 0o600).unwrap();
        assert!(matches!(Listener::bind(&endpoint, 0o600), Err(ListenError::InUse { .. })));
        let (socket, file) = first.into_parts();
        std::mem::forget(file);
        drop(socket);
        assert!(path.exists(), "as after kill -9");
        assert!(Listener::bind(&endpoint, 0o600).is_ok());
    }

    #[test]
    fn other_files_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (endpoint, path) = endpoint(&folder);
        fs::write(&path, "precious").unwrap();
        assert!(matches!(Listener::bind(&endpoint, 0o600), Err(ListenError::NotASocket { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn refusals_of_the_system_say_what_would_work() {
        let missing = Endpoint::Unix("/nonexistent-flypack/control.sock".into());
        let message = Listener::bind(&missing, 0o600).unwrap_err().to_string();
        assert!(message.contains("make its directory"), "{message}");
        let long = Endpoint::Unix(format!("/tmp/{}", "x".repeat(200)).into());
        assert!(Listener::bind(&long, 0o600).is_err());
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = Endpoint::Http(taken.local_addr().unwrap().to_string());
        let message = Listener::bind(&endpoint, 0).unwrap_err().to_string();
        assert!(message.contains("another port"), "{message}");
    }
}
