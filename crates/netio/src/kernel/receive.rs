//! One `recvmmsg` into free buffers of the pool.

use std::io;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::{mem, ptr};

use crate::BURST;
use crate::kernel::control::{self, Control};
use crate::kernel::pool::Pool;
use crate::kernel::socket::from_kernel;

/// Room for the control messages of one datagram: drops, destination, time and segment size need 120 octets.
const CONTROL_OCTETS: usize = 128;

#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct ControlRoom([u8; CONTROL_OCTETS]);

/// A datagram, or several coalesced ones, as the kernel delivered it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Datagram {
    /// Its buffer in the pool.
    pub(crate) buffer: usize,
    /// Octets in the buffer.
    pub(crate) octets: usize,
    /// Whether the buffer or the control room was too small.
    pub(crate) is_truncated: bool,
    /// Who sent it.
    pub(crate) source: Option<SocketAddr>,
    /// What was told beside it.
    pub(crate) control: Control,
}

/// What `recvmmsg` needs besides the buffers. Reused, so that a poll clears nothing.
pub(crate) struct Receiver {
    headers: [libc::mmsghdr; BURST],
    iovecs: [libc::iovec; BURST],
    names: [libc::sockaddr_in6; BURST],
    controls: [ControlRoom; BURST],
    buffers: [usize; BURST],
}

// SAFETY: the addresses inside are written before each call and never used outside of it.
unsafe impl Send for Receiver {}

impl Receiver {
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self {
            // SAFETY: all of these C structs may be zero.
            headers: unsafe { mem::zeroed() },
            // SAFETY: as above.
            iovecs: unsafe { mem::zeroed() },
            // SAFETY: as above.
            names: unsafe { mem::zeroed() },
            controls: [ControlRoom([0; CONTROL_OCTETS]); BURST],
            buffers: [0; BURST],
        })
    }

    /// Prepares up to [`BURST`] free buffers of the pool; returns how many there are.
    pub(crate) fn prepare(&mut self, pool: &mut Pool) -> usize {
        let mut count = 0;
        for index in 0..pool.len() {
            if count == BURST {
                break;
            }
            let Some(buffer) = pool.writable(index) else { continue };
            self.iovecs[count] = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
            self.buffers[count] = index;
            count += 1;
        }
        count
    }

    /// Receives into the first `count` prepared buffers without waiting; returns how many were filled.
    ///
    /// # Safety
    /// [`Self::prepare`] returned at least `count` for a pool that still exists, and since then nobody has shared or
    /// written the buffers that it prepared.
    pub(crate) unsafe fn receive(&mut self, socket: RawFd, count: usize) -> io::Result<usize> {
        for at in 0..count.min(BURST) {
            let header = &mut self.headers[at].msg_hdr;
            header.msg_name = (&raw mut self.names[at]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
            header.msg_iov = &raw mut self.iovecs[at];
            header.msg_iovlen = 1;
            header.msg_control = (&raw mut self.controls[at]).cast();
            header.msg_controllen = CONTROL_OCTETS;
            header.msg_flags = 0;
        }
        let (headers, count) = (self.headers.as_mut_ptr(), count.min(BURST) as u32);
        // SAFETY: the first `count` headers were just pointed at names, control rooms and iovecs of `self`, each with its
        // true size, and the iovecs at buffers that only we may write (caller). No time-out is given.
        let received = unsafe { libc::recvmmsg(socket, headers, count, libc::MSG_DONTWAIT, ptr::null_mut()) };
        usize::try_from(received).map_err(|_| io::Error::last_os_error())
    }

    /// The datagram that the last call put into prepared buffer `at`.
    pub(crate) fn datagram(&self, at: usize) -> Datagram {
        let header = &self.headers[at].msg_hdr;
        let told = header.msg_controllen.min(CONTROL_OCTETS);
        Datagram {
            buffer: self.buffers[at],
            octets: self.headers[at].msg_len as usize,
            is_truncated: header.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0,
            source: (header.msg_namelen > 0).then(|| from_kernel(&self.names[at])).flatten(),
            control: control::parse(&self.controls[at].0[..told]),
        }
    }
}
