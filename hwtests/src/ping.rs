//! One ICMP echo, asked by the kernel of a namespace. Needs no program, but root.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, ipproto, recv, sendto, socket, sockopt};

use crate::namespace::Namespace;

// RFC 792: type, code, checksum, identifier, sequence number.
const REQUEST: [u8; 8] = [8, 0, 0, 0, 0x46, 0x50, 0, 1];
const REPLY: u8 = 0;

/// Whether `to` answers within `limit`.
///
/// # Errors
/// Without CAP_NET_RAW, or where there is no way to `to`.
pub fn ping(from: &Namespace, to: Ipv4Addr, limit: Duration) -> Result<bool> {
    from.within(|| ping_from_here(to, limit))?
}

fn ping_from_here(to: Ipv4Addr, limit: Duration) -> Result<bool> {
    let socket = socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::ICMP)).context("no ICMP socket")?;
    let request = with_checksum(REQUEST);
    sendto(&socket, &request, SendFlags::empty(), &SocketAddr::from((to, 0))).context("no ICMP echo can be sent")?;
    let deadline = Instant::now() + limit;
    let mut packet = [0; 256];
    while let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(left)).context("no time-out")?;
        match recv(&socket, &mut packet, RecvFlags::empty()) {
            Ok((octets, _)) if is_reply(&packet[..octets], to) => return Ok(true),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(false),
            // The kernel has found no such neighbour.
            Err(Errno::HOSTUNREACH) => return Ok(false),
            Err(error) => return Err(error).context("no ICMP is received"),
        }
    }
    Ok(false)
}

// RFC 1071
fn with_checksum(mut message: [u8; 8]) -> [u8; 8] {
    let sum: u32 = message.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    message[2..4].copy_from_slice(&(!(folded as u16)).to_be_bytes());
    message
}

/// Whether a packet, its IP header in front, is the answer of `from` to the request.
fn is_reply(packet: &[u8], from: Ipv4Addr) -> bool {
    let Some((first, source)) = packet.first().zip(packet.get(12..16)) else { return false };
    let message = packet.get(usize::from(first & 0x0f) * 4..).unwrap_or_default();
    source == from.octets() && message.first() == Some(&REPLY) && message.get(4..8) == Some(&REQUEST[4..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_sums_up_to_nothing() {
        let message = with_checksum(REQUEST);
        let sum: u32 = message.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
    }

    #[test]
    fn only_the_answer_is_one() {
        let address = Ipv4Addr::new(192, 0, 2, 1);
        let mut packet = [vec![0x45; 12], address.octets().to_vec(), vec![0; 4], REQUEST.to_vec()].concat();
        assert!(!is_reply(&packet, address), "a request");
        packet[20] = REPLY;
        assert!(is_reply(&packet, address));
        assert!(!is_reply(&packet, Ipv4Addr::LOCALHOST), "of somebody else");
        assert!((0..packet.len()).all(|octets| !is_reply(&packet[..octets], address)));
    }
}
