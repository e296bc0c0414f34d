//! What only kernel sockets do on transmit: back-pressure, refusals of the kernel, marks, and saying why not.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;

use super::*;
use crate::OwnedBytes;

type Tx = KernelTx<OwnedBytes>;

fn queue(max_gso_segments: u16) -> Tx {
    KernelTx::new(KernelTxConfig { max_gso_segments, ..KernelTxConfig::default() })
}

fn receiver() -> (UdpSocket, Path) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
    let path = Path::to(socket.local_addr().unwrap());
    (socket, path)
}

/// A burst of packets whose first octet is their number, with payloads of `octets`, and the watch on their lease.
fn burst(tx: &mut Tx, path: PathId, count: u8, octets: u32) -> (Burst<KernelTxBuf<OwnedBytes>>, crate::LeaseWatch) {
    let lease = OwnedBytes::new(vec![0xa5; octets as usize]);
    let watch = lease.watch();
    let payload = tx.attach(lease, u32::from(count)).unwrap();
    let mut burst = Burst::new();
    for n in 0..count {
        burst.push(tx.gather(path, &[n; 12], &payload, 0..octets).unwrap()).unwrap();
    }
    (burst, watch)
}

fn received(socket: &UdpSocket, count: usize) -> Vec<u8> {
    let mut octets = [0; 65_536];
    (0..count).map(|_| socket.recv(&mut octets).map(|_| octets[0]).unwrap()).collect()
}

/// Nothing on a loopback ever pushes back; a Unix socket in the place of the path's own does.
#[test]
fn what_the_kernel_does_not_take_stays_in_order() {
    let mut tx = queue(1);
    let (_unused, path) = receiver();
    let path = tx.open_path(&path).unwrap();
    let (near, far) = UnixDatagram::pair().unwrap();
    let near = Socket::from(OwnedFd::from(near));
    near.set_send_buffer_size(8 * 1024).unwrap();
    tx.paths.at_mut(path).unwrap().socket = near;
    far.set_nonblocking(true).unwrap();
    let (mut seen, mut octets) = (Vec::new(), [0; 2048]);
    let (mut waiting, watch) = burst(&mut tx, path, 32, 1000);
    for _ in 0..100 {
        let before = waiting.len();
        let taken = tx.tx_burst(&mut waiting);
        assert_eq!(taken + waiting.len(), before);
        if waiting.is_empty() {
            break;
        }
        tx.reap();
        assert!(watch.is_held(), "packets still wait");
        while far.recv(&mut octets).is_ok() {
            seen.push(octets[0]);
        }
    }
    while far.recv(&mut octets).is_ok() {
        seen.push(octets[0]);
    }
    assert_eq!(seen, (0..32).collect::<Vec<u8>>());
    let counters = tx.counters();
    assert!(counters.would_block > 0, "the socket never pushed back: the test shows nothing");
    assert_eq!((counters.packets, counters.errors), (32, 0));
    tx.reap();
    assert!(!watch.is_held());
}

#[test]
fn a_packet_that_cannot_be_sent_is_counted_and_the_others_go() {
    let mut tx = queue(8);
    let (socket, path) = receiver();
    let path = tx.open_path(&path).unwrap();
    let lease = OwnedBytes::new(vec![1; 70_000]);
    let watch = lease.watch();
    let payload = tx.attach(lease, 3).unwrap();
    let mut burst = Burst::new();
    for (n, octets) in [(0u8, 100), (1, 65_508), (2, 100)] {
        burst.push(tx.gather(path, &[n; 12], &payload, 0..octets).unwrap()).unwrap();
    }
    drop(payload);
    assert_eq!(tx.tx_burst(&mut burst), 3);
    assert_eq!(received(&socket, 2), [0, 2]);
    assert_eq!((tx.counters().packets, tx.counters().errors), (2, 1));
    tx.reap();
    assert!(!watch.is_held());
}

#[test]
fn a_refusal_to_segment_turns_merging_off() {
    let mut tx = queue(8);
    let (socket, path) = receiver();
    let path = tx.open_path(&path).unwrap();
    // Without checksums the kernel does not segment: EINVAL.
    crate::kernel::socket::set_int(&tx.paths.at(path).unwrap().socket, libc::SOL_SOCKET, libc::SO_NO_CHECK, 1).unwrap();
    for round in 1..3 {
        let (mut burst, _) = burst(&mut tx, path, 10, 500);
        assert_eq!(tx.tx_burst(&mut burst), 10);
        assert_eq!(received(&socket, 10), (0..10).collect::<Vec<u8>>());
        let counters = tx.counters();
        assert_eq!((counters.gso_refused, counters.errors, counters.packets), (1, 0, 10 * round));
    }
}

#[test]
fn an_answer_to_an_earlier_packet_loses_no_later_one() {
    let mut tx = queue(4);
    let (socket, path) = receiver();
    let port = socket.local_addr().unwrap();
    let id = tx.open_path(&path).unwrap();
    drop(socket);
    let (mut first, _) = burst(&mut tx, id, 1, 10);
    assert_eq!(tx.tx_burst(&mut first), 1);
    // "Port unreachable" is waiting in the socket now; the receiver comes back before the next packets.
    let Ok(socket) = UdpSocket::bind(port) else {
        eprintln!("SKIPPED: another program took the port meanwhile");
        return;
    };
    let (mut rest, watch) = burst(&mut tx, id, 6, 10);
    assert_eq!(tx.tx_burst(&mut rest), 6);
    socket.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
    assert_eq!(received(&socket, 6), [0, 1, 2, 3, 4, 5]);
    let counters = tx.counters();
    assert_eq!((counters.packets, counters.errors, counters.peer_errors), (7, 0, 1));
    tx.reap();
    assert!(!watch.is_held());
}

#[test]
fn packets_of_several_destinations_go_to_their_own() {
    let mut tx = queue(8);
    let ((one, to_one), (two, to_two)) = (receiver(), receiver());
    let paths = [tx.open_path(&to_one).unwrap(), tx.open_path(&to_two).unwrap()];
    let payload = tx.attach(OwnedBytes::new(vec![3; 64]), 12).unwrap();
    let mut burst = Burst::new();
    for n in 0..12u8 {
        burst.push(tx.gather(paths[usize::from(n / 3) % 2], &[n; 12], &payload, 0..64).unwrap()).unwrap();
    }
    assert_eq!(tx.tx_burst(&mut burst), 12);
    assert_eq!(received(&one, 6), [0, 1, 2, 6, 7, 8]);
    assert_eq!(received(&two, 6), [3, 4, 5, 9, 10, 11]);
}

#[test]
fn marks_are_on_the_socket() {
    let mut tx = queue(1);
    let (_socket, path) = receiver();
    let id = tx.open_path(&Path { dscp: 34, ttl: 7, ..path }).unwrap();
    let socket = &tx.paths.at(id).unwrap().socket;
    assert_eq!((socket.tos_v4().unwrap(), socket.ttl_v4().unwrap()), (34 << 2, 7));
    let group = Path { dscp: 46, ttl: 9, multicast_loop: false, interface: Some("lo".into()), ..Path::to(group()) };
    let id = tx.open_path(&group).unwrap();
    let socket = &tx.paths.at(id).unwrap().socket;
    assert_eq!((socket.tos_v4().unwrap(), socket.multicast_ttl_v4().unwrap()), (46 << 2, 9));
    assert!(!socket.multicast_loop_v4().unwrap());
    assert!(tx.send_buffer(id).unwrap().granted_octets > 0);
}

fn group() -> SocketAddr {
    "239.255.77.9:5004".parse().unwrap()
}

#[test]
fn paths_that_this_host_cannot_open_say_what_would_work() {
    let mut tx = queue(1);
    let (_socket, good) = receiver();
    let mut refused = |path: Path| tx.open_path(&path).unwrap_err();
    let error = refused(Path { interface: Some("nosuch0".into()), ..good.clone() });
    assert!(matches!(&error, PathError::NoInterface { .. }) && error.to_string().contains("lo"), "{error}");
    let error = refused(Path { vlan: Some(7), interface: Some("eth9".into()), ..good.clone() });
    assert!(error.to_string().contains("ip link add link eth9 name eth9.7 type vlan id 7"), "{error}");
    let foreign = Some("203.0.113.77:0".parse().unwrap());
    let error = refused(Path { source: foreign, ..good.clone() });
    assert!(matches!(&error, PathError::NoSuchSource { .. }) && error.to_string().contains("127.0.0.1"), "{error}");
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let error = refused(Path { source: Some(taken.local_addr().unwrap()), ..good.clone() });
    assert!(matches!(error, PathError::SourceInUse { .. }), "{error}");
    // The loopback leads nowhere else.
    let outside = Path { interface: Some("lo".into()), ..Path::to("[2001:db8::1]:5004".parse().unwrap()) };
    let error = refused(outside);
    assert!(matches!(error, PathError::Unreachable { .. }), "{error}");
    // And the table is bounded.
    let mut small: Tx = KernelTx::new(KernelTxConfig { paths: 1, ..KernelTxConfig::default() });
    let id = small.open_path(&good).unwrap();
    assert!(matches!(small.open_path(&good), Err(PathError::Full { limit: 1 })));
    small.close_path(id);
    assert!(small.open_path(&good).is_ok());
}

#[test]
fn the_source_address_is_the_one_that_packets_have() {
    let (socket, path) = receiver();
    assert_eq!(source_address(&path).unwrap(), socket.local_addr().unwrap().ip());
    // The whole of 127/8 is ours, and the routes would choose another one.
    let from: SocketAddr = "127.0.0.9:0".parse().unwrap();
    assert_eq!(source_address(&Path { source: Some(from), ..path.clone() }).unwrap(), from.ip());
    let nowhere = Path { interface: Some("nosuch0".to_owned()), ..path };
    assert!(matches!(source_address(&nowhere), Err(PathError::NoInterface { .. })));
}
