//! Opening a receive socket: buffer, options, bind, joins.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};

use crate::kernel::rx::KernelRxConfig;
use crate::kernel::socket::{join, set_int, size_receive_buffer};
use crate::kernel::{OpenError, SocketBuffer, interface};
use crate::path::needs_scope;

pub(super) struct Opened {
    pub(super) socket: Socket,
    pub(super) local: SocketAddr,
    pub(super) receive_buffer: SocketBuffer,
    pub(super) is_coalescing: bool,
}

pub(super) fn open(config: &KernelRxConfig) -> Result<Opened, OpenError> {
    let destination = config.destination;
    let interface = check(config)?;
    let system = |doing, error| system(destination, doing, error);
    let socket = Socket::new(Domain::for_address(destination), Type::DGRAM.nonblocking(), Some(Protocol::UDP))
        .map_err(|error| system("make a socket", error))?;
    let receive_buffer = size_receive_buffer(&socket, config.receive_buffer_octets)
        .map_err(|error| system("size the receive buffer", error))?;
    let is_coalescing = set_options(&socket, destination).map_err(|error| system("set the socket's options", error))?;
    if let (Some(name), false) = (&config.interface, destination.ip().is_multicast()) {
        socket.bind_device(Some(name.as_bytes())).map_err(|error| system("receive by that interface only", error))?;
    }
    socket.bind(&scoped(destination, interface).into()).map_err(|error| bind_error(destination, error))?;
    join_all(config, &socket, interface)?;
    let local = socket.local_addr().and_then(|local| local.as_socket().ok_or(io::ErrorKind::Unsupported.into()));
    let local = local.map_err(|error| system("read the socket's address", error))?;
    Ok(Opened { socket, local, receive_buffer, is_coalescing })
}

/// Checks what needs no socket; returns the index of the interface, 0 for none.
fn check(config: &KernelRxConfig) -> Result<u32, OpenError> {
    let destination = config.destination;
    if let Some(&from) = config.sources.iter().find(|from| from.is_ipv4() != destination.is_ipv4()) {
        return Err(OpenError::Family { destination, from });
    }
    let Some(name) = &config.interface else {
        let has_scope = matches!(destination, SocketAddr::V6(v6) if v6.scope_id() != 0);
        let is_vague = needs_scope(destination.ip()) && !has_scope;
        return if is_vague { Err(OpenError::LinkLocal { destination }) } else { Ok(0) };
    };
    let none = || OpenError::NoInterface { destination, name: name.clone(), present: interface::names() };
    interface::index(name).map(u32::from).ok_or_else(none)
}

/// Options before the bind; returns whether the kernel coalesces.
fn set_options(socket: &Socket, destination: SocketAddr) -> io::Result<bool> {
    match destination {
        SocketAddr::V4(_) => {
            set_int(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
            // Without this a socket hears the groups that any other socket of the host has joined: ip(7).
            set_int(socket, libc::IPPROTO_IP, libc::IP_MULTICAST_ALL, 0)?;
        }
        SocketAddr::V6(_) => {
            socket.set_only_v6(true)?;
            set_int(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
            set_int(socket, libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_ALL, 0)?;
        }
    }
    set_int(socket, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1)?;
    // Where it is refused, a packet arrives with its burst.
    let _ = set_int(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1);
    if destination.ip().is_multicast() {
        // Receivers of one group share its port; each gets its copy.
        socket.set_reuse_address(true)?;
    }
    Ok(set_int(socket, libc::SOL_UDP, libc::UDP_GRO, 1).is_ok())
}

fn join_all(config: &KernelRxConfig, socket: &Socket, interface: u32) -> Result<(), OpenError> {
    let destination = config.destination;
    let group = destination.ip();
    if !group.is_multicast() {
        return Ok(());
    }
    let interface = match destination {
        SocketAddr::V6(v6) if interface == 0 => v6.scope_id(),
        _ => interface,
    };
    let failed = |error: io::Error| match error.raw_os_error() {
        Some(libc::ENODEV | libc::EADDRNOTAVAIL) => OpenError::NoMulticast { destination },
        Some(libc::ENOBUFS | libc::ENOMEM) => OpenError::TooManyGroups { destination },
        _ => system(destination, "join the group", error),
    };
    if config.sources.is_empty() {
        return join(socket, group, interface, None).map_err(failed);
    }
    config.sources.iter().try_for_each(|&source| join(socket, group, interface, Some(source)).map_err(failed))
}

/// A link-local address takes its scope from the interface.
fn scoped(mut address: SocketAddr, interface: u32) -> SocketAddr {
    if let SocketAddr::V6(v6) = &mut address
        && interface != 0
        && needs_scope((*v6.ip()).into())
    {
        v6.set_scope_id(interface);
    }
    address
}

fn bind_error(destination: SocketAddr, error: io::Error) -> OpenError {
    match error.raw_os_error() {
        Some(libc::EADDRNOTAVAIL) => OpenError::NoSuchAddress { destination, present: interface::addresses() },
        Some(libc::EADDRINUSE) => OpenError::InUse { destination },
        _ => system(destination, "bind", error),
    }
}

fn system(destination: SocketAddr, doing: &'static str, error: io::Error) -> OpenError {
    match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => OpenError::Permission { doing, destination },
        _ => OpenError::System { doing, destination, error },
    }
}
