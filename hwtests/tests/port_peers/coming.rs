//! Flows come and go beside others.

use std::net::SocketAddr;

use hwtests::gateway_bench::{Camera, MEDIA, SCREEN, STUDIO, Screen, flypack, format, port_counter, receiver, sender};
use hwtests::{eventually, peer, rfc4175, take_turn};

use crate::{answers, can_run, port, port_v4, set_up};

#[test]
fn flows_come_and_go_beside_others_on_one_port() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let bench = set_up();
    let objects = port("") + &receiver() + &sender("out", &format!("{STUDIO}:{SCREEN}"));
    let gateway = bench.start(&objects).unwrap();
    eventually("the screen is found", || port_counter(&gateway.statistics().unwrap(), "neighbours_found") > 0);
    eventually("the port answers pings", || answers(&bench, port_v4().into(), 0));
    let pictures = rfc4175::noise(&format(), 25, 7);
    let screen = Screen::new(&bench.studio, format!("{STUDIO}:{SCREEN}").parse().unwrap()).unwrap();
    let screen = screen.keep_watching(pictures.clone()).unwrap();
    let playing = Camera::new(&bench.studio).unwrap().keep_playing(pictures.clone());
    eventually("the stream is seen", || screen.whole() > 0);

    let second = format!("{STUDIO}:{}", SCREEN + 2);
    let stranger = rfc4175::socket_in(&bench.studio, format!("{STUDIO}:0").parse().unwrap()).unwrap();
    for round in 0..5_u64 {
        let sdp = bench.file("guest.sdp");
        let guest_port = MEDIA + 10;
        std::fs::write(&sdp, peer::sdp(&format(), SocketAddr::new(port_v4().into(), guest_port))).unwrap();
        flypack(&gateway, &format!("receivers add guest --sdp {} --slots 8", sdp.display())).unwrap();
        flypack(&gateway, &format!("senders add echo --to {second}")).unwrap();
        flypack(&gateway, "take echo guest").unwrap();
        let mut second_screen = Screen::new(&bench.studio, second.parse().unwrap()).unwrap();
        let frame = &rfc4175::noise(&format(), 1, 100 + round)[0];
        let to = SocketAddr::new(port_v4().into(), guest_port);
        let extras = rfc4175::Extras::default();
        let mut stream = rfc4175::Stream { format: format(), ssrc: 77, sequence: 0, extras };
        // One after the other until one has come through: a sender begins with the first grain after its take.
        let datagrams = stream.datagrams(frame, 1_800, &Camera::packets());
        for datagram in &datagrams {
            stranger.send_to(datagram, to).unwrap();
        }
        assert!(second_screen.watch(1).into_iter().eq([frame]), "round {round}");
        flypack(&gateway, "senders del echo").unwrap();
        flypack(&gateway, "receivers del guest").unwrap();
        // What still comes to it is nobody's: counted by the port, and no harm.
        for datagram in &datagrams {
            stranger.send_to(datagram, to).unwrap();
        }
        let unwanted = (round + 1) * datagrams.len() as u64;
        eventually("what comes too late is counted", || {
            port_counter(&gateway.statistics().unwrap(), "rx_unwanted_packets") == unwanted
        });
    }
    let played = playing.stop();
    eventually("the screen has seen every frame", || screen.whole() == played);
    assert_eq!(screen.damaged(), 0);
    let now = gateway.statistics().unwrap();
    assert_eq!(now.of("receiver", "cam", "packets_lost").unwrap(), 0);
    assert_eq!(port_counter(&now, "rx_unsteered_packets"), 0);
    gateway.stop().unwrap();
}
