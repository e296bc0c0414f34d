//! Whether the peer of a socket may pass descriptors through it.
//!
//! Who lets go of the last reference to a file closes it, and that may wait: for a socket that lingers as long as its
//! maker pleases. A descriptor that is passed is let go of by whoever receives it, drops it unreceived, or closes the
//! socket in which it waits. So where nothing but octets is expected, descriptors are refused at the sender. Linux 6.16
//! and later can do that; before, a thread that must not wait looks first ([`crate::seqpacket`]).

use std::os::fd::{AsFd, AsRawFd};

/// `SO_PASSRIGHTS` of asm-generic/socket.h, Linux 6.16, which libc does not name yet.
const SO_PASSRIGHTS: libc::c_int = 83;

/// From now on descriptors are refused at their sender, with EPERM; what waits in the socket already stays. Sockets
/// that a listening one accepts are as it is. An older kernel leaves it as it was.
pub(crate) fn refuse(socket: &impl AsFd) {
    set(socket, 0);
}

/// Descriptors may be passed again.
pub(crate) fn allow(socket: &impl AsFd) {
    set(socket, 1);
}

/// Whether descriptors may be passed; an older kernel does not say, and they may.
pub(crate) fn is_possible(socket: &impl AsFd) -> bool {
    let mut on: libc::c_int = 1;
    let mut octets = size_of_val(&on) as libc::socklen_t;
    // SAFETY: the descriptor is open for as long as `socket` is borrowed; the pointers are to an int and to its size,
    // both live and writable for the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            SO_PASSRIGHTS,
            (&raw mut on).cast(),
            &raw mut octets,
        )
    };
    result != 0 || on != 0
}

fn set(socket: &impl AsFd, on: libc::c_int) {
    // SAFETY: the descriptor is open for as long as `socket` is borrowed, and the pointer is to a live int of the size
    // that is given. Older kernels answer ENOPROTOOPT.
    unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            SO_PASSRIGHTS,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        );
    }
}
