//! One ICMP echo, asked by the kernel of a namespace. Needs no program, but root.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, ipproto, recv, sendto, socket, sockopt};

use crate::frames;
use crate::namespace::Namespace;

// RFC 792, RFC 4443 §4: type, code, checksum, identifier, sequence number.
const HEAD: [u8; 8] = [0, 0, 0, 0, 0x46, 0x50, 0, 1];
const REQUEST_V4: u8 = 8;
const REPLY_V4: u8 = 0;
const REQUEST_V6: u8 = 128;
const REPLY_V6: u8 = 129;

/// Whether `to` answers within `limit`.
///
/// # Errors
/// Without CAP_NET_RAW, or where there is no way to `to`.
pub fn ping(from: &Namespace, to: Ipv4Addr, limit: Duration) -> Result<bool> {
    echo(from, to.into(), 0, limit)
}

/// Whether `to` gives `octets` of payload back within `limit`, every one of them right.
///
/// # Errors
/// As [`ping`].
pub fn echo(from: &Namespace, to: IpAddr, octets: usize, limit: Duration) -> Result<bool> {
    from.within(|| echo_from_here(to, octets, limit))?
}

fn echo_from_here(to: IpAddr, octets: usize, limit: Duration) -> Result<bool> {
    let (family, protocol) = match to {
        IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP),
        IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6),
    };
    let socket = socket(family, SocketType::RAW, Some(protocol)).context("no ICMP socket")?;
    let request = request(to, octets);
    match sendto(&socket, &request, SendFlags::empty(), &SocketAddr::from((to, 0))) {
        // The kernel's word on an earlier attempt, or an address that is still being checked for duplicates.
        Err(Errno::HOSTUNREACH | Errno::ADDRNOTAVAIL) => return Ok(false),
        sent => sent.context("no ICMP echo can be sent")?,
    };
    let deadline = Instant::now() + limit;
    let mut packet = vec![0; octets + 256];
    while let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(left)).context("no time-out")?;
        match recv(&socket, &mut packet, RecvFlags::empty()) {
            Ok((octets, _)) if is_reply(&packet[..octets], to, &request) => return Ok(true),
            Ok(_) | Err(Errno::INTR) => {}
            // Time has passed, or the kernel has found no such neighbour.
            Err(Errno::AGAIN | Errno::HOSTUNREACH) => return Ok(false),
            Err(error) => return Err(error).context("no ICMP is received"),
        }
    }
    Ok(false)
}

/// The kernel completes the checksum of ICMPv6 itself.
fn request(to: IpAddr, octets: usize) -> Vec<u8> {
    let mut message = HEAD.to_vec();
    message.extend((0..octets).map(|place| place as u8));
    if to.is_ipv6() {
        message[0] = REQUEST_V6;
        return message;
    }
    message[0] = REQUEST_V4;
    let sum = frames::checksum(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// Whether a packet is the answer of `from` to the request. Raw sockets of IPv4 show the IP header, those of IPv6 do not.
fn is_reply(packet: &[u8], from: IpAddr, request: &[u8]) -> bool {
    let (message, reply) = match from {
        IpAddr::V6(_) => (packet, REPLY_V6),
        IpAddr::V4(from) => {
            let Some((first, source)) = packet.first().zip(packet.get(12..16)) else { return false };
            if source != from.octets() {
                return false;
            }
            (packet.get(usize::from(first & 0x0f) * 4..).unwrap_or_default(), REPLY_V4)
        }
    };
    message.first() == Some(&reply) && message.get(4..) == Some(&request[4..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_answer_is_one() {
        let address = Ipv4Addr::new(192, 0, 2, 1);
        let asked = request(address.into(), 5);
        assert_eq!(frames::checksum(&asked), 0, "a message with its checksum sums up to nothing");
        let mut packet = [vec![0x45; 12], address.octets().to_vec(), vec![0; 4], asked.clone()].concat();
        assert!(!is_reply(&packet, address.into(), &asked), "a request");
        packet[20] = REPLY_V4;
        assert!(is_reply(&packet, address.into(), &asked));
        assert!(!is_reply(&packet, Ipv4Addr::LOCALHOST.into(), &asked), "of somebody else");
        assert!((0..packet.len()).all(|octets| !is_reply(&packet[..octets], address.into(), &asked)));
    }
}
