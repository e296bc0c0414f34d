//! A card that kernel and DPDK share: who gets what.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use arrayvec::ArrayVec;
use dpdk::flow::Datagrams;
use dpdk::mbuf::{BURST, Mbuf};
use dpdk::port::Features;
use hwtests::PortPair;

use crate::pair::{Pair, packet, receive, until};
use crate::{DATAGRAMS, MEDIA};

const ARP: [u8; 2] = [0x08, 0x06];
const IPV4: [u8; 2] = [0x08, 0x00];

/// Media to DPDK by a rule; ARP and ping to the kernel, which answers on its own device.
pub(crate) fn kernel_and_media(hardware: &PortPair) {
    let (Some(netdev), Some(address)) = (&hardware.netdev_b, hardware.kernel_address_b) else {
        eprintln!("SKIPPED: the file names no netdev_b and kernel_address_b: no card is shared with the kernel");
        return;
    };
    let features = Features { is_isolated: true, ..Features::default() };
    let Some(mut pair) = Pair::open(hardware, Features::default(), features) else { return };
    let _registered = pair.eal.register_thread().unwrap();
    let media = Datagrams { destination: (hardware.address_b, MEDIA).into(), vlan: hardware.vlan };
    let _rule = pair.b.port.steer(media, 0).unwrap();

    let arp = arp_request(&pair, hardware, address.octets());
    let mac: [u8; 6] = asked(&mut pair, hardware, &arp, |reply| {
        let is_reply = reply[..2] == ARP && reply.get(8..10)? == [0, 2] && reply.get(16..20)? == address.octets();
        is_reply.then(|| reply[10..16].try_into().unwrap())
    });
    println!("the kernel has {address} at {mac:02x?} on {netdev}");
    let ping = echo_request(&pair, hardware, mac, address.octets());
    let packets: Vec<_> = (0..DATAGRAMS).map(|number| pair.numbered(hardware, MEDIA, number)).collect();
    pair.send(packets);
    // Type 0 is an echo's reply (RFC 792), from the address that was asked.
    asked(&mut pair, hardware, &ping, |reply| {
        let is_icmp = reply[..2] == IPV4 && reply.get(11) == Some(&1);
        (is_icmp && reply.get(14..18)? == address.octets() && reply.get(22) == Some(&0)).then_some(())
    });
    let mut numbers = receive(hardware, &mut pair.b.queues.rx, |seen| seen.len() >= DATAGRAMS as usize);
    numbers.sort_by_key(|(_, number, _)| *number);
    assert!(numbers.iter().map(|(udp_port, number, _)| (*udp_port, *number)).eq((0..DATAGRAMS).map(|n| (MEDIA, n))));
    let mut more = ArrayVec::<Mbuf, BURST>::new();
    pair.b.queues.rx.burst(&mut more);
    assert!(more.is_empty(), "DPDK has the kernel's packets: {more:?}");
}

/// Sends `request` from A until `answer` finds something in what A receives, from the EtherType on.
fn asked<T>(pair: &mut Pair, hardware: &PortPair, request: &[u8], answer: impl Fn(&[u8]) -> Option<T>) -> T {
    let (mut found, mut turns) = (None, 0_u32);
    let ethertype = 12 + if hardware.vlan.is_some() { 4 } else { 0 };
    until("the kernel has answered", || {
        if turns.is_multiple_of(100_000) {
            let request = packet(&pair.pool, request);
            pair.send([request]);
        }
        turns += 1;
        let mut burst = ArrayVec::<Mbuf, BURST>::new();
        pair.a.queues.rx.burst(&mut burst);
        let heads = burst.iter().filter_map(|packet| packet.head().get(ethertype..));
        found = heads.filter(|head| head.len() >= 2).find_map(&answer);
        found.is_some()
    });
    found.unwrap()
}

fn ethernet(pair: &Pair, hardware: &PortPair, destination: [u8; 6], ethertype: [u8; 2]) -> Vec<u8> {
    let mut frame = [destination, pair.a.port.mac().octets()].concat();
    if let Some(vlan) = hardware.vlan {
        frame.extend([0x81, 0x00]);
        frame.extend(vlan.to_be_bytes());
    }
    frame.extend(ethertype);
    frame
}

/// RFC 826: Ethernet, IPv4, six and four octets, a request.
fn arp_request(pair: &Pair, hardware: &PortPair, target: [u8; 4]) -> Vec<u8> {
    let mut frame = ethernet(pair, hardware, [0xFF; 6], ARP);
    frame.extend([0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(pair.a.port.mac().octets());
    frame.extend(hardware.address_a.octets());
    frame.extend([0; 6]);
    frame.extend(target);
    frame.resize(60, 0);
    frame
}

/// RFC 792: an echo, in an IPv4 header without options.
fn echo_request(pair: &Pair, hardware: &PortPair, mac: [u8; 6], target: [u8; 4]) -> Vec<u8> {
    let mut echo = [8, 0, 0, 0, 0x46, 0x50, 0, 1].to_vec();
    echo.extend([0x5A; 32]);
    let sum = ip::checksum::of(&echo).to_be_bytes();
    echo[2..4].copy_from_slice(&sum);
    let mut header = [0x45, 0, 0, 60, 0, 0, 0x40, 0, 64, 1, 0, 0].to_vec();
    header.extend(hardware.address_a.octets());
    header.extend(target);
    let sum = ip::checksum::of(&header).to_be_bytes();
    header[10..12].copy_from_slice(&sum);
    [ethernet(pair, hardware, mac, IPV4), header, echo].concat()
}
