//! One `sendmmsg` of packets of one path, gathered from headers and leases, equal sizes merged (`UDP_SEGMENT`).

use std::io;
use std::mem;
use std::os::fd::RawFd;

use crate::BURST;
use crate::kernel::tx::buf::KernelTxBuf;

/// Largest UDP payload over IPv4 (RFC 791, RFC 768), for a merged message too. IPv6 would take 20 octets more.
pub(crate) const MESSAGE_OCTETS_MAX: usize = 65_507;

/// Control message that carries the segment size.
const CONTROL_OCTETS: usize = size_of::<libc::cmsghdr>() + size_of::<u64>();

#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct SegmentControl([u8; CONTROL_OCTETS]);

/// What the kernel took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) packets: usize,
    pub(crate) octets: u64,
}

/// How many packets from the front of `sizes` make one message: up to `segments` of equal size, the last perhaps shorter.
pub(crate) fn merged(sizes: impl Iterator<Item = usize>, segments: usize) -> usize {
    let mut sizes = sizes.take(segments.max(1));
    let Some(first) = sizes.next() else { return 0 };
    let (mut count, mut total) = (1, first);
    for size in sizes {
        total += size;
        if size > first || size == 0 || total > MESSAGE_OCTETS_MAX {
            break;
        }
        count += 1;
        if size < first {
            break;
        }
    }
    count
}

/// Sends from the front of `packets` without waiting; returns what the kernel took, at least one packet.
pub(crate) fn send<L>(socket: RawFd, packets: &[KernelTxBuf<L>], segments: usize) -> io::Result<Taken> {
    let packets = &packets[..packets.len().min(BURST)];
    // SAFETY: all of these C structs may be zero.
    let mut iovecs: [libc::iovec; 2 * BURST] = unsafe { mem::zeroed() };
    // SAFETY: as above.
    let mut headers: [libc::mmsghdr; BURST] = unsafe { mem::zeroed() };
    let mut controls = [SegmentControl([0; CONTROL_OCTETS]); BURST];
    for (pair, packet) in iovecs.chunks_exact_mut(2).zip(packets) {
        let (header, payload) = (packet.header(), packet.payload());
        pair[0] = libc::iovec { iov_base: header.as_ptr().cast_mut().cast(), iov_len: header.len() };
        pair[1] = libc::iovec { iov_base: payload.as_ptr().cast_mut().cast(), iov_len: payload.octets() };
    }
    let (mut first, mut messages) = (0, 0);
    while first < packets.len() {
        let count = merged(packets[first..].iter().map(KernelTxBuf::octets), segments);
        let message = &mut headers[messages].msg_hdr;
        message.msg_iov = &raw mut iovecs[2 * first];
        message.msg_iovlen = 2 * count;
        if count > 1 {
            controls[messages].write(packets[first].octets() as u16);
            message.msg_control = (&raw mut controls[messages]).cast();
            message.msg_controllen = CONTROL_OCTETS;
        }
        first += count;
        messages += 1;
    }
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the first `messages` headers point at iovecs and controls on this stack, with their true counts and sizes; the
    // iovecs point at headers inside of `packets` and at lease memory that `packets` keep readable (`PayloadRange`).
    // The kernel only reads them.
    let sent = unsafe { libc::sendmmsg(socket, headers.as_mut_ptr(), messages as u32, flags) };
    let sent = usize::try_from(sent).map_err(|_| io::Error::last_os_error())?;
    let count = headers[..sent].iter().map(|header| header.msg_hdr.msg_iovlen / 2).sum();
    let octets = packets[..count].iter().map(|packet| packet.octets() as u64).sum();
    Ok(Taken { packets: count, octets })
}

impl SegmentControl {
    /// udp(7): `UDP_SEGMENT` takes the segment size as a u16.
    fn write(&mut self, octets: u16) {
        const WORD: usize = size_of::<usize>();
        let len = size_of::<libc::cmsghdr>() + size_of::<u16>();
        self.0[..WORD].copy_from_slice(&len.to_ne_bytes());
        self.0[WORD..WORD + 4].copy_from_slice(&libc::SOL_UDP.to_ne_bytes());
        self.0[WORD + 4..WORD + 8].copy_from_slice(&libc::UDP_SEGMENT.to_ne_bytes());
        self.0[WORD + 8..WORD + 10].copy_from_slice(&octets.to_ne_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merge(sizes: &[usize], segments: usize) -> usize {
        merged(sizes.iter().copied(), segments)
    }

    #[test]
    fn equal_sizes_merge_and_a_shorter_one_ends_the_message() {
        assert_eq!(merge(&[100, 100, 100], 8), 3);
        assert_eq!(merge(&[100, 100, 60, 100], 8), 3);
        assert_eq!(merge(&[100, 101], 8), 1);
        assert_eq!(merge(&[60, 100], 8), 1);
        assert_eq!(merge(&[], 8), 0);
    }

    #[test]
    fn a_message_is_bounded_by_segments_and_by_octets() {
        assert_eq!(merge(&[100; 9], 4), 4);
        assert_eq!(merge(&[100; 9], 1), 1);
        assert_eq!(merge(&[100; 9], 0), 1);
        assert_eq!(merge(&[8960; 32], 32), 7);
        assert_eq!(merge(&[70_000], 32), 1);
    }

    #[test]
    fn an_empty_packet_is_never_a_segment() {
        assert_eq!(merge(&[100, 0, 100], 8), 1);
        assert_eq!(merge(&[0, 0], 8), 1);
    }
}
