//! The kernel's own protocols go by the port's TAP, while media flows.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};

use hwtests::gateway_bench::{
    Camera, GatewayBench, LIMIT, SCREEN, STUDIO, Screen, format, port_counter, receiver, sender,
};
use hwtests::{eventually, rfc4175, take_turn};

use crate::{GROUP_V4, PORT_V6, answers, can_run, group_sdp, port, port_v4, said, set_up};

#[test]
fn tcp_reaches_the_rack_by_the_port_while_media_flows() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let bench = set_up();
    let group = group_sdp(GROUP_V4.into(), &[STUDIO.parse().unwrap()]);
    let group =
        format!("[[receiver]]\nname = \"group\"\nslots = 4\ninterface = \"media\"\nsdp_text = \"\"\"\n{group}\"\"\"\n");
    let objects = port("exception = \"tap\"\ntap_name = \"tap0\"") + &receiver() + &group;
    let objects = objects + &sender("out", &format!("{STUDIO}:{SCREEN}"));
    // Or Linux, which has the port's addresses on the TAP, would answer the camera on the netdev too.
    said(bench.rack.command("sysctl").args(["-w", "net.ipv4.conf.near.rp_filter=1"]));
    let mut gateway = bench.start(&objects).unwrap();
    eventually("the kernel answers pings", || {
        answers(&bench, port_v4().into(), 1472) && answers(&bench, PORT_V6.into(), 1452)
    });
    eventually("the kernel has found the screen", || {
        port_counter(&gateway.statistics().unwrap(), "neighbours_found") > 0
    });
    let joined = said(bench.rack.command("ip").args(["maddr", "show", "dev", "tap0"]));
    assert!(joined.contains(&GROUP_V4.to_string()), "{joined}");
    let neighbours = said(bench.rack.command("ip").args(["neigh", "show", "dev", "tap0"]));
    assert!(neighbours.contains(STUDIO), "{neighbours}");

    let pictures = rfc4175::noise(&format(), 25, 7);
    let screen = Screen::new(&bench.studio, format!("{STUDIO}:{SCREEN}").parse().unwrap()).unwrap();
    let screen = screen.keep_watching(pictures.clone()).unwrap();
    let mut recv = bench.recv(&mut gateway, "cam", 2 * pictures.len()).unwrap();
    let playing = Camera::new(&bench.studio).unwrap().keep_playing(pictures.clone());
    for address in [IpAddr::from(port_v4()), PORT_V6.into()] {
        talk(&bench, SocketAddr::new(address, 8_554), 1 << 20);
    }
    recv.finish(LIMIT).unwrap();
    let taken = std::fs::read(bench.file("cam.raw")).unwrap();
    assert!(taken == [pictures.concat(), pictures.concat()].concat(), "what the reader took");
    let played = playing.stop();
    eventually("the screen has seen every frame", || screen.whole() == played);
    assert_eq!(screen.damaged(), 0);
    let now = gateway.statistics().unwrap();
    assert_eq!(port_counter(&now, "rx_media_packets"), played * Camera::packets().len() as u64);
    assert_eq!(now.of("receiver", "cam", "packets_lost").unwrap(), 0);
    assert!(port_counter(&now, "tap_sent_frames") > 1_000, "TCP has come by the TAP");
    gateway.stop().unwrap();
}

/// A connection from the studio that brings `octets` to the rack, and gets them back.
fn talk(bench: &GatewayBench, to: SocketAddr, octets: usize) {
    let listener = bench.rack.within(|| TcpListener::bind(to)).unwrap().unwrap();
    let mut connection = bench.studio.within(|| TcpStream::connect_timeout(&to, LIMIT)).unwrap().unwrap();
    let sent: Vec<u8> = (0..octets).map(|place| (place * 7) as u8).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut connection, _) = listener.accept().unwrap();
            connection.set_read_timeout(Some(LIMIT)).unwrap();
            let mut received = vec![0; octets];
            connection.read_exact(&mut received).unwrap();
            connection.write_all(&received).unwrap();
        });
        connection.set_read_timeout(Some(LIMIT)).unwrap();
        connection.write_all(&sent).unwrap();
        let mut received = vec![0; octets];
        connection.read_exact(&mut received).unwrap();
        assert!(received == sent, "{to}");
    });
}
