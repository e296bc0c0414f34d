//! Opening a path: a connected socket with its marks.

use std::ffi::c_int;
use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

use crate::kernel::socket::{multicast_by, set_int, size_send_buffer};
use crate::kernel::{SocketBuffer, interface};
use crate::path::needs_scope;
use crate::{Path, PathError};

/// Octets for what peers send back, which nobody reads.
const RECEIVE_BUFFER_OCTETS: usize = 0;

/// A nonblocking socket connected along `path`.
pub(super) fn open(path: &Path, send_buffer_octets: usize) -> Result<(Socket, SocketBuffer), PathError> {
    path.check()?;
    if let Some(vlan) = path.vlan {
        return Err(PathError::Vlan { vlan, interface: path.interface.clone() });
    }
    let index = interface_index(path)?;
    let system = |doing, error| system(path, doing, error);
    let domain = Domain::for_address(path.destination);
    let socket = Socket::new(domain, Type::DGRAM.nonblocking(), Some(Protocol::UDP))
        .map_err(|error| system("make a socket", error))?;
    let buffer =
        size_send_buffer(&socket, send_buffer_octets).map_err(|error| system("size the send buffer", error))?;
    set_options(&socket, path).map_err(|error| system("set the socket's options", error))?;
    leave_by(&socket, path, index).map_err(|error| system("send by that interface", error))?;
    bind_source(&socket, path, index)?;
    socket.connect(&scoped(path.destination, index).into()).map_err(|error| match error.raw_os_error() {
        Some(libc::ENETUNREACH | libc::EHOSTUNREACH | libc::ENETDOWN | libc::EADDRNOTAVAIL) => {
            PathError::Unreachable { destination: path.destination, interface: path.interface.clone() }
        }
        _ => system("connect", error),
    })?;
    Ok((socket, buffer))
}

/// The address that packets along `path` carry as their source; nothing is sent.
///
/// # Errors
/// [`PathError`]: packets cannot go that way either.
pub fn source_address(path: &Path) -> Result<IpAddr, PathError> {
    let (socket, _) = open(path, 0)?;
    let local = socket.local_addr().and_then(|local| local.as_socket().ok_or(io::ErrorKind::Unsupported.into()));
    local.map(|local| local.ip()).map_err(|error| system(path, "read the source address", error))
}

/// The index of the named interface, 0 for none.
fn interface_index(path: &Path) -> Result<u32, PathError> {
    let Some(name) = &path.interface else { return Ok(0) };
    let none = || PathError::NoInterface { name: name.clone(), present: interface::names() };
    interface::index(name).map(u32::from).ok_or_else(none)
}

fn set_options(socket: &Socket, path: &Path) -> io::Result<()> {
    // RFC 2474 §3: the DSCP is the upper six bits of the octet.
    let class = c_int::from(path.dscp) << 2;
    let (ttl, looped) = (c_int::from(path.ttl), c_int::from(path.multicast_loop));
    let is_multicast = path.destination.ip().is_multicast();
    match path.destination {
        SocketAddr::V4(_) => {
            set_int(socket, libc::IPPROTO_IP, libc::IP_TOS, class)?;
            set_int(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DO)?;
            if is_multicast {
                set_int(socket, libc::IPPROTO_IP, libc::IP_MULTICAST_TTL, ttl)?;
                set_int(socket, libc::IPPROTO_IP, libc::IP_MULTICAST_LOOP, looped)?;
            } else {
                set_int(socket, libc::IPPROTO_IP, libc::IP_TTL, ttl)?;
            }
        }
        SocketAddr::V6(_) => {
            socket.set_only_v6(true)?;
            set_int(socket, libc::IPPROTO_IPV6, libc::IPV6_TCLASS, class)?;
            set_int(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DO)?;
            if is_multicast {
                set_int(socket, libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_HOPS, ttl)?;
                set_int(socket, libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_LOOP, looped)?;
            } else {
                set_int(socket, libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS, ttl)?;
            }
        }
    }
    socket.set_recv_buffer_size(RECEIVE_BUFFER_OCTETS)
}

fn leave_by(socket: &Socket, path: &Path, index: u32) -> io::Result<()> {
    match &path.interface {
        None => Ok(()),
        Some(_) if path.destination.ip().is_multicast() => multicast_by(socket, index, path.destination),
        Some(name) => socket.bind_device(Some(name.as_bytes())),
    }
}

fn bind_source(socket: &Socket, path: &Path, index: u32) -> Result<(), PathError> {
    let Some(asked) = path.source else { return Ok(()) };
    if asked.port() != 0 {
        // Paths of one sender may share its port; each is connected elsewhere.
        socket.set_reuse_address(true).map_err(|error| system(path, "share the source port", error))?;
    }
    socket.bind(&scoped(asked, index).into()).map_err(|error| match error.raw_os_error() {
        Some(libc::EADDRNOTAVAIL) => PathError::NoSuchSource { asked: asked.ip(), present: interface::addresses() },
        Some(libc::EADDRINUSE) => PathError::SourceInUse { asked },
        _ => system(path, "bind to the source", error),
    })
}

/// A link-local address takes its scope from the interface.
fn scoped(mut address: SocketAddr, index: u32) -> SocketAddr {
    if let SocketAddr::V6(v6) = &mut address
        && index != 0
        && needs_scope(IpAddr::V6(*v6.ip()))
    {
        v6.set_scope_id(index);
    }
    address
}

fn system(path: &Path, doing: &'static str, error: io::Error) -> PathError {
    let destination = path.destination;
    match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => PathError::Permission { doing, destination },
        _ => PathError::System { doing, destination, error },
    }
}
