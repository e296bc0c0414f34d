//! Datagrams for sockets of the kernel's own, which are nobody's media: they go by the port's TAP. Without one they end at the
//! port, as [`crate::coming`] sees.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use hwtests::gateway_bench::{GatewayBench, port_counter};
use hwtests::{eventually, take_turn};

use crate::{PORT_V6, STUDIO_V6, answers, can_run, port, port_v4, set_up, studio_v4};

#[test]
fn datagrams_reach_a_socket_of_the_rack_by_the_port() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let bench = set_up();
    let gateway = bench.start(&port("exception = \"tap\"")).unwrap();
    for (of_port, of_studio) in [(IpAddr::from(port_v4()), studio_v4().into()), (PORT_V6.into(), STUDIO_V6.into())] {
        eventually("the kernel answers pings", || answers(&bench, of_port, 56));
        comes_back(&bench, of_studio, SocketAddr::new(of_port, 8_555));
    }
    assert_eq!(port_counter(&gateway.statistics().unwrap(), "rx_unwanted_packets"), 0);
    gateway.stop().unwrap();
}

/// A datagram from the studio to a socket in the rack, and its answer.
fn comes_back(bench: &GatewayBench, from: IpAddr, to: SocketAddr) {
    let bound = |socket: UdpSocket| socket.set_read_timeout(Some(Duration::from_secs(1))).map(|()| socket).unwrap();
    let rack = bound(bench.rack.within(|| UdpSocket::bind(to)).unwrap().unwrap());
    let studio = bound(bench.studio.within(|| UdpSocket::bind((from, 0))).unwrap().unwrap());
    let mut received = [0; 64];
    eventually(&format!("a datagram comes to {to}"), || {
        studio.send_to(b"a word to the kernel", to).unwrap();
        rack.recv_from(&mut received).is_ok_and(|(octets, sender)| {
            assert_eq!((&received[..octets], sender), (&b"a word to the kernel"[..], studio.local_addr().unwrap()));
            rack.send_to(b"its answer", sender).unwrap();
            true
        })
    });
    let octets = studio.recv(&mut received).unwrap();
    assert_eq!(&received[..octets], b"its answer");
}
