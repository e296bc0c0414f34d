//! The kernel's own view of a process's UDP sockets: `/proc/PID/net/udp`, which shows its namespace.

use std::fs;

/// Whether a UDP socket is bound to `port` in the network namespace of the process `pid`.
#[must_use]
pub fn is_bound(pid: u32, port: u16) -> bool {
    sockets(pid).any(|socket| socket.port == port)
}

/// Datagrams dropped for want of room by the sockets bound to `port` in the namespace of the process `pid`.
/// Ask while the socket is open: its count goes with it.
#[must_use]
pub fn drops(pid: u32, port: u16) -> u64 {
    sockets(pid).filter(|socket| socket.port == port).map(|socket| socket.drops).sum()
}

/// Octets, with the kernel's own overhead, that wait in the sockets bound to `port`.
#[must_use]
pub fn queued_octets(pid: u32, port: u16) -> u64 {
    sockets(pid).filter(|socket| socket.port == port).map(|socket| socket.queued_octets).sum()
}

#[derive(Debug, PartialEq, Eq)]
struct Socket {
    port: u16,
    queued_octets: u64,
    drops: u64,
}

fn sockets(pid: u32) -> impl Iterator<Item = Socket> {
    ["udp", "udp6"].into_iter().flat_map(move |table| {
        // A process that has ended has no sockets.
        let text = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        text.lines().skip(1).filter_map(parse).collect::<Vec<_>>()
    })
}

/// `sl local_address rem_address st tx_queue:rx_queue ... drops`: all but the last in hexadecimal.
fn parse(line: &str) -> Option<Socket> {
    let mut columns = line.split_whitespace();
    let (_, port) = columns.nth(1)?.rsplit_once(':')?;
    let (_, queued) = columns.nth(2)?.rsplit_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let queued_octets = u64::from_str_radix(queued, 16).ok()?;
    Some(Socket { port, queued_octets, drops: columns.last()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_socket_is_seen_until_it_closes() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        assert!(is_bound(std::process::id(), port));
        assert_eq!(drops(std::process::id(), port), 0);
        drop(socket);
        assert!(!is_bound(std::process::id(), port));
    }

    #[test]
    fn a_line_of_the_table_is_read_by_its_columns() {
        let line = " 104: 0100007F:138C 00000000:0000 07 00000000:000001FF 00:00000000 00000000     0        0 311 2 0000000000000000 17";
        assert_eq!(parse(line), Some(Socket { port: 5004, queued_octets: 511, drops: 17 }));
        assert_eq!(parse("nonsense"), None);
    }
}
