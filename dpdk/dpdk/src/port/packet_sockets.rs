//! The sockets of net_af_packet, which its driver keeps to itself.
//!
//! Where its ring is full the driver asks the kernel to wake it (`poll`, without a limit) when the socket is writable,
//! which is when less than half of its send buffer is on the way. While a peer does not drain that never comes, and the
//! thread that sends would wait for good, with all its ports. A send buffer of which the whole ring is less than half
//! is writable at any time: the driver then looks once, and says that the ring is full.

use std::io;
use std::os::fd::{BorrowedFd, RawFd};

use rustix::io::Errno;
use rustix::net::AddressFamily;
use rustix::net::sockopt::{set_socket_send_buffer_size_force, socket_domain};

/// Octets; the kernel doubles it, which is as much as it counts to. It bounds, and allocates nothing: rings have at most
/// half of it.
const SEND_BUFFER_OCTETS: usize = i32::MAX as usize / 2;

/// Makes every packet socket of this process writable at any time: each is one of this driver's.
///
/// # Errors
/// Without CAP_NET_ADMIN, or without `/proc`.
pub(super) fn never_wait() -> io::Result<()> {
    let numbers =
        std::fs::read_dir("/proc/self/fd")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    for number in numbers.collect::<Vec<RawFd>>() {
        // SAFETY: what is borrowed is asked for its kind, and its buffer set where it is a packet socket. Those are opened
        // and closed by the driver, and on this thread (EAL's), so they stay open here. A number that another thread
        // closes meanwhile, or opens anew, is refused by the kernel or told to be of another kind: nothing is done to it.
        let file = unsafe { BorrowedFd::borrow_raw(number) };
        if socket_domain(file) == Ok(AddressFamily::PACKET) {
            set_socket_send_buffer_size_force(file, SEND_BUFFER_OCTETS)?;
        }
    }
    Ok(())
}

/// The positive number of an error of the kernel's.
pub(super) fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(Errno::IO.raw_os_error())
}
