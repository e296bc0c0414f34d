//! Linux finds the port: pings of every size, and who has which address.

use std::net::{IpAddr, Ipv4Addr};

use hwtests::frames::{ARP, BROADCAST, arp, ethernet};
use hwtests::gateway_bench::{LIMIT, PORT};
use hwtests::{Wire, eventually, take_turn};

use crate::{PORT_V6, answers, can_run, ip, port, port_v4, set_up};

#[test]
fn linux_pings_the_port_and_knows_it() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let bench = set_up();
    let gateway = bench.start(&port("")).unwrap();
    // 1,500 octets with the headers of IPv4 and of IPv6.
    for (address, largest) in [(port_v4().into(), 1472), (IpAddr::from(PORT_V6), 1452)] {
        eventually("the port answers pings", || answers(&bench, address, 0));
        for octets in [1, 56, largest - 1, largest] {
            assert!(answers(&bench, address, octets), "{octets} octets to {address}");
        }
    }
    let mac = bench.near().mac().unwrap();
    let known = ip(&bench, "neigh show dev far");
    let shown = mac.map(|octet| format!("{octet:02x}")).join(":");
    for address in [PORT.to_owned(), PORT_V6.to_string()] {
        let line = known.lines().find(|line| line.split(' ').next() == Some(&address));
        assert!(line.is_some_and(|line| line.contains(&shown)), "{address} is at {shown}: {known}");
    }
    // As `arping` asks: from an address that nobody has.
    let (asker, mut wire) = ([2, 0, 0, 0, 0, 9], Wire::open(bench.far()).unwrap());
    let question = arp(1, (asker, Ipv4Addr::new(10, 77, 0, 9)), ([0; 6], port_v4()));
    wire.send(&ethernet(asker, BROADCAST, ARP, &question)).unwrap();
    let answer = wire.receive(LIMIT, |frame| frame[..6] == asker && frame[12..14] == ARP.to_be_bytes()).unwrap();
    assert_eq!(answer, ethernet(mac, asker, ARP, &arp(2, (mac, port_v4()), (asker, Ipv4Addr::new(10, 77, 0, 9)))));
    gateway.stop().unwrap();
}
