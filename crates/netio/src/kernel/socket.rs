//! Socket options that differ between IPv4 and IPv6, or that no library names.

use std::ffi::{c_int, c_void};
use std::fmt;
use std::io;
use std::mem::{self, MaybeUninit};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};

use socket2::Socket;

/// The size that a socket's buffer was asked to have, and the one that the kernel gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketBuffer {
    /// Octets that were asked for.
    pub asked_octets: usize,
    /// Octets that the kernel gave.
    pub granted_octets: usize,
    /// The system control that limits it for programs without `CAP_NET_ADMIN`.
    pub sysctl: &'static str,
}

impl SocketBuffer {
    /// Whether the kernel gave less than was asked.
    #[must_use]
    pub const fn is_short(&self) -> bool {
        self.granted_octets < self.asked_octets
    }
}

impl fmt::Display for SocketBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked_octets, granted_octets, sysctl } = self;
        write!(f, "{granted_octets} octets")?;
        if self.is_short() {
            write!(f, " instead of {asked_octets}: set {sysctl}={asked_octets}, or give CAP_NET_ADMIN")?;
        }
        Ok(())
    }
}

/// Sizes the receive buffer, beyond the system's limit where that is permitted.
pub(crate) fn size_receive_buffer(socket: &Socket, asked: usize) -> io::Result<SocketBuffer> {
    force(socket, asked, libc::SO_RCVBUFFORCE, libc::SO_RCVBUF)?;
    Ok(SocketBuffer {
        asked_octets: asked,
        granted_octets: socket.recv_buffer_size()? / 2,
        sysctl: "net.core.rmem_max",
    })
}

/// Sizes the send buffer, beyond the system's limit where that is permitted.
pub(crate) fn size_send_buffer(socket: &Socket, asked: usize) -> io::Result<SocketBuffer> {
    force(socket, asked, libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)?;
    Ok(SocketBuffer {
        asked_octets: asked,
        granted_octets: socket.send_buffer_size()? / 2,
        sysctl: "net.core.wmem_max",
    })
}

/// socket(7): the kernel doubles what it is given, for its own bookkeeping, and reports the double.
fn force(socket: &Socket, asked: usize, forced: c_int, plain: c_int) -> io::Result<()> {
    let octets = c_int::try_from(asked).unwrap_or(c_int::MAX).min(c_int::MAX / 2);
    set_int(socket, libc::SOL_SOCKET, forced, octets).or_else(|_| set_int(socket, libc::SOL_SOCKET, plain, octets))
}

/// Sets an option whose value is an int.
pub(crate) fn set_int(socket: &Socket, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    set(socket.as_raw_fd(), level, name, &value)
}

/// Sets an option whose value is plain data of the C type that belongs to it.
fn set<T: Copy>(fd: RawFd, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    let octets = size_of::<T>() as libc::socklen_t;
    // SAFETY: the kernel reads `octets` octets from a value that lives through the call, and writes nothing.
    let failed = unsafe { libc::setsockopt(fd, level, name, (&raw const *value).cast::<c_void>(), octets) };
    if failed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Datagrams that the socket has dropped since it was made, modulo 2³².
pub(crate) fn drops(socket: &Socket) -> Option<u32> {
    let mut info = [0u32; libc::SK_MEMINFO_DROPS as usize + 1];
    let mut octets = size_of_val(&info) as libc::socklen_t;
    // SAFETY: the kernel writes at most `octets` octets into the array, which is as large, and the length that it wrote.
    let failed = unsafe {
        let at = (&raw mut info).cast::<c_void>();
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_MEMINFO, at, &raw mut octets)
    };
    (failed == 0 && octets as usize == size_of_val(&info)).then_some(info[libc::SK_MEMINFO_DROPS as usize])
}

/// `struct group_req` of linux/in.h.
#[derive(Clone, Copy)]
#[repr(C)]
struct GroupReq {
    interface: u32,
    group: libc::sockaddr_storage,
}

/// `struct group_source_req` of linux/in.h.
#[derive(Clone, Copy)]
#[repr(C)]
struct GroupSourceReq {
    interface: u32,
    group: libc::sockaddr_storage,
    source: libc::sockaddr_storage,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<GroupReq>() == 136 && size_of::<GroupSourceReq>() == 264);

/// Joins a group on an interface (0: as the routes say), from any source or from one (RFC 3678 §5.1).
pub(crate) fn join(socket: &Socket, group: IpAddr, interface: u32, source: Option<IpAddr>) -> io::Result<()> {
    let level = if group.is_ipv4() { libc::IPPROTO_IP } else { libc::IPPROTO_IPV6 };
    let (fd, group) = (socket.as_raw_fd(), storage(group));
    match source.map(storage) {
        None => set(fd, level, libc::MCAST_JOIN_GROUP, &GroupReq { interface, group }),
        Some(source) => set(fd, level, libc::MCAST_JOIN_SOURCE_GROUP, &GroupSourceReq { interface, group, source }),
    }
}

/// The interface that multicast leaves by, with the address it leaves from for IPv4.
pub(crate) fn multicast_by(socket: &Socket, interface: u32, destination: SocketAddr) -> io::Result<()> {
    let index = interface.cast_signed();
    match destination {
        SocketAddr::V4(_) => {
            let none = libc::in_addr { s_addr: 0 };
            let by = libc::ip_mreqn { imr_multiaddr: none, imr_address: none, imr_ifindex: index };
            set(socket.as_raw_fd(), libc::IPPROTO_IP, libc::IP_MULTICAST_IF, &by)
        }
        SocketAddr::V6(_) => set_int(socket, libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_IF, index),
    }
}

fn storage(address: IpAddr) -> libc::sockaddr_storage {
    let mut out = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    match address {
        IpAddr::V4(v4) => {
            let s_addr = u32::from(v4).to_be();
            // SAFETY: all of a sockaddr_in may be zero.
            let mut socket: libc::sockaddr_in = unsafe { mem::zeroed() };
            socket.sin_family = libc::AF_INET as libc::sa_family_t;
            socket.sin_addr = libc::in_addr { s_addr };
            // SAFETY: a sockaddr_storage is at least as large and as aligned as every socket address.
            unsafe { out.as_mut_ptr().cast::<libc::sockaddr_in>().write(socket) };
        }
        IpAddr::V6(v6) => {
            // SAFETY: all of a sockaddr_in6 may be zero.
            let mut socket: libc::sockaddr_in6 = unsafe { mem::zeroed() };
            socket.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            socket.sin6_addr = libc::in6_addr { s6_addr: v6.octets() };
            // SAFETY: as above.
            unsafe { out.as_mut_ptr().cast::<libc::sockaddr_in6>().write(socket) };
        }
    }
    // SAFETY: zeroed at first, so every octet is initialised, and zeros are a legal sockaddr_storage.
    unsafe { out.assume_init() }
}

/// A socket address that the kernel wrote.
pub(crate) fn from_kernel(name: &libc::sockaddr_in6) -> Option<SocketAddr> {
    match i32::from(name.sin6_family) {
        libc::AF_INET => {
            // SAFETY: a sockaddr_in is smaller and no more aligned than a sockaddr_in6, all octets of which are
            // initialised, and every value of them is legal.
            let v4 = unsafe { (&raw const *name).cast::<libc::sockaddr_in>().read() };
            let address = u32::from_be(v4.sin_addr.s_addr);
            Some(SocketAddr::new(IpAddr::V4(address.into()), u16::from_be(v4.sin_port)))
        }
        libc::AF_INET6 => {
            let address = name.sin6_addr.s6_addr.into();
            let port = u16::from_be(name.sin6_port);
            Some(SocketAddr::V6(std::net::SocketAddrV6::new(address, port, 0, name.sin6_scope_id)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_buffer_says_what_to_set() {
        let short = SocketBuffer { asked_octets: 64, granted_octets: 32, sysctl: "net.core.rmem_max" };
        assert_eq!(short.to_string(), "32 octets instead of 64: set net.core.rmem_max=64, or give CAP_NET_ADMIN");
        assert_eq!(SocketBuffer { granted_octets: 64, ..short }.to_string(), "64 octets");
    }

    #[test]
    fn an_address_survives_the_kernels_form() {
        for address in ["192.0.2.7", "2001:db8::7"] {
            let address: IpAddr = address.parse().unwrap();
            let stored = storage(address);
            // SAFETY: a sockaddr_storage is larger than a sockaddr_in6 and wholly initialised.
            let name = unsafe { (&raw const stored).cast::<libc::sockaddr_in6>().read() };
            assert_eq!(from_kernel(&name), Some(SocketAddr::new(address, 0)));
        }
    }
}
