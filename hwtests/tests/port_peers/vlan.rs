//! A port in a VLAN.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use hwtests::frames::{ARP, BROADCAST, IPV4, arp, ethernet, tagged, udp};
use hwtests::gateway_bench::{Camera, GatewayBench, LIMIT, MEDIA, PERIOD, SCREEN, format, port_counter, receiver};
use hwtests::{Gateway, Wire, eventually, rfc4175, take_turn};

use crate::marks::{check_marks, marked, received};
use crate::{GROUP_V4, GROUP_V6, VLAN, can_run, port, port_v4};

/// Not every kernel knows VLANs: the studio's frames are made by hand.
#[test]
fn in_a_vlan_everything_is_tagged_and_nothing_else_is_heard() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let bench = GatewayBench::set_up().unwrap();
    let out = (SocketAddr::new(GROUP_V4.into(), SCREEN), (34, 3));
    let out_v6 = (SocketAddr::new(GROUP_V6.into(), SCREEN), (34, 3));
    let senders = marked("v4", out.0, out.1) + &marked("v6", out_v6.0, out_v6.1);
    let mut gateway = bench.start(&(port(&format!("vlan = {VLAN}")) + &receiver() + &senders)).unwrap();
    let (mac, mut wire) = (bench.near().mac().unwrap(), Wire::open(bench.far()).unwrap());
    let (asker, address) = ([2, 0, 0, 0, 0, 9], Ipv4Addr::new(10, 77, 0, 9));
    let question = ethernet(asker, BROADCAST, ARP, &arp(1, (asker, address), ([0; 6], port_v4())));
    let answer = ethernet(mac, asker, ARP, &arp(2, (mac, port_v4()), (asker, address)));
    eventually("the port answers in its VLAN", || {
        wire.send(&tagged(&question, VLAN)).unwrap();
        wire.receive(Duration::from_millis(500), |frame| frame == tagged(&answer, VLAN)).is_ok()
    });
    let foreign = |gateway: &Gateway| port_counter(&gateway.statistics().unwrap(), "rx_bad_foreign_vlan_frames");
    let before = foreign(&gateway);
    for frame in
        [question.clone(), tagged(&question, VLAN + 1), tagged(&question, 0), tagged(&tagged(&question, VLAN), VLAN)]
    {
        wire.send(&frame).unwrap();
    }
    // The studio's own kernel speaks untagged, too.
    eventually("the others are counted", || foreign(&gateway) >= before + 4);

    let pictures = rfc4175::noise(&format(), 4, 7);
    let mut recv = bench.recv(&mut gateway, "cam", pictures.len()).unwrap();
    let extras = rfc4175::Extras::default();
    let mut stream = rfc4175::Stream { format: format(), ssrc: 77, sequence: 0, extras };
    let [from, to] =
        [(address, 7_000), (port_v4(), MEDIA)].map(|(address, port)| SocketAddr::new(address.into(), port));
    for (frame, timestamp) in pictures.iter().zip((0..).step_by(1_800)) {
        for datagram in stream.datagrams(frame, timestamp, &Camera::packets()) {
            wire.send(&tagged(&ethernet(asker, mac, IPV4, &udp(from, to, &datagram)), VLAN)).unwrap();
        }
        std::thread::sleep(PERIOD);
    }
    recv.finish(LIMIT).unwrap();
    assert!(std::fs::read(bench.file("cam.raw")).unwrap() == pictures.concat(), "what the reader took");
    eventually("everything is sent", || {
        let now = gateway.statistics().unwrap();
        ["v4", "v6"].iter().all(|name| now.of("sender", name, "grains_sent").unwrap() == pictures.len() as u64)
    });
    let seen = received(&wire);
    check_marks(&bench, &seen, "v4", Some(VLAN), out);
    check_marks(&bench, &seen, "v6", Some(VLAN), out_v6);
    assert!(seen.iter().all(|frame| *frame != answer), "answered outside of the VLAN");
    assert!(seen.iter().filter(|frame| frame[6..12] == mac).all(|frame| frame[12..16] == [0x81, 0, 0, VLAN as u8]));
    gateway.stop().unwrap();
}
