//! Senders that are taken to relays, and those that are refused them.

use std::net::SocketAddr;

use control::{HeardLegSpec, LegSpec, RelaySpec};
use st2110::RtpSdp;

use super::*;
use crate::engine::Stands;

/// A plane whose sender "far" and relay "wild" are on the port "red", and whose worker writes the flow "cam".
fn plane() -> Plane {
    let plane = Plane::with_camera_and_sender();
    plane.gateway.remove_sender(&name("out")).unwrap();
    plane.gateway.add_sender(&SenderSpec::new(name("far"), "192.0.2.9:5004".parse().unwrap())).unwrap();
    plane.gateway.add_relay(&relay("wild", "192.0.2.1:5006")).unwrap();
    plane.red.told();
    plane
}

fn relay(relay: &str, listen: &str) -> RelaySpec {
    RelaySpec::new(name(relay), listen.parse().unwrap())
}

fn take(plane: &Plane, source: &str) -> Result<(), DataplaneError> {
    let entries = vec![(name("far"), name(source))];
    plane.gateway.apply(&CrosspointTable { version: 1, entries })
}

/// The names of the calls, but for who is meant.
fn told(plane: &Plane) -> Vec<&'static str> {
    let word = |told: &Told| match told {
        Told::Connect { has_source: true, .. } => "connect",
        Told::Connect { has_source: false, .. } => "disconnect",
        Told::Forward { relay: Some(_), .. } => "forward",
        Told::Forward { relay: None, .. } => "home",
        _ => "else",
    };
    plane.red.told().iter().map(word).collect()
}

#[test]
fn a_take_that_is_refused_leaves_the_ring_that_is_sent() {
    let plane = plane();
    take(&plane, "cam").unwrap();
    assert_eq!(told(&plane), ["connect"]);
    plane.red.break_off(Some(Stands::AsBefore));
    take(&plane, "wild").unwrap_err();
    assert_eq!(told(&plane), ["forward"], "what is on air is not touched");
    assert_eq!(plane.gateway.entries().table.source(&name("far")), Some(&name("cam")));
    assert!(matches!(plane.state(), SenderState::Waiting), "{:?}", plane.state());
    assert_eq!(plane.gateway.flows()[0].consumers.len(), 1);
}

#[test]
fn a_sender_that_a_refused_take_left_apart_is_given_its_ring_again() {
    let plane = plane();
    take(&plane, "cam").unwrap();
    plane.red.break_off(Some(Stands::Apart));
    plane.red.told();
    take(&plane, "wild").unwrap_err();
    // The ring has room for one, and hears of the reader that is gone when its broker does.
    let mut later = Instant::now();
    while matches!(plane.state(), SenderState::Refused { .. }) {
        later += IN_AN_HOUR;
        plane.gateway.tick(later);
    }
    assert_eq!(told(&plane), ["forward", "connect"]);
    assert_eq!(plane.gateway.entries().table.source(&name("far")), Some(&name("cam")));
}

#[test]
fn a_take_back_to_the_relay_before_is_told_to_the_engine_again() {
    let plane = plane();
    plane.gateway.add_relay(&relay("wild-2", "192.0.2.1:5008")).unwrap();
    take(&plane, "wild").unwrap();
    plane.red.break_off(Some(Stands::Apart));
    take(&plane, "wild-2").unwrap_err();
    assert_eq!(told(&plane), ["forward", "forward"]);
    plane.red.break_off(None);
    take(&plane, "wild-2").unwrap();
    take(&plane, "cam").unwrap();
    assert_eq!(told(&plane), ["forward", "home", "connect"]);
}

#[test]
fn a_relay_that_comes_and_is_refused_is_tried_again_after_a_pause() {
    let plane = plane();
    take(&plane, "late").unwrap();
    plane.red.break_off(Some(Stands::AsBefore));
    plane.gateway.add_relay(&relay("late", "192.0.2.1:5008")).unwrap();
    assert!(matches!(plane.state(), SenderState::Refused { .. }), "{:?}", plane.state());
    plane.gateway.reconcile();
    assert_eq!(told(&plane), ["forward"], "one try a pause");
    plane.red.break_off(None);
    plane.gateway.tick(Instant::now() + IN_AN_HOUR);
    assert_eq!(told(&plane), ["forward"]);
    assert!(matches!(plane.state(), SenderState::Waiting), "{:?}", plane.state());
}

#[test]
fn what_forwards_a_described_relay_has_its_description_with_its_own_addresses() {
    let plane = plane();
    let text = "v=0\r\no=- 1 1 IN IP4 10.0.0.5\r\ns=mic\r\nt=0 0\r\nm=audio 5004 RTP/AVP 98\r\nc=IN IP4 239.1.1.1/32\r\n\
                a=rtpmap:98 L24/48000/2\r\na=ptime:0.125\r\na=ssrc:9 cname:mic\r\n";
    let listen = Some("192.0.2.1:5012".parse().unwrap());
    plane.gateway.add_relay(&RelaySpec::described(name("mic"), listen, RtpSdp::parse(text).unwrap())).unwrap();
    take(&plane, "mic").unwrap();
    let sdp = plane.gateway.senders().remove(0).sdp.unwrap();
    for line in [
        "c=IN IP4 192.0.2.9\r\n",
        "m=audio 5004 RTP/AVP 98\r\n",
        "a=rtpmap:98 L24/48000/2\r\na=ptime:0.125\r\na=ts-refclk:localmac=02-00-00-00-00-07\r\na=mediaclk:sender\r\n",
        "IN IP4 192.0.2.1\r\ns=far\r\n",
    ] {
        assert!(sdp.contains(line), "{line}{sdp}");
    }
    assert!(!sdp.contains("a=ssrc:9") && sdp.contains("cname:flypack"), "{sdp}");
    take(&plane, "wild").unwrap();
    assert_eq!(plane.gateway.senders().remove(0).sdp, None, "nobody said what this one is");
}

#[test]
fn a_relay_tells_what_its_socket_has_counted() {
    let plane = plane();
    let camera = UdpSocket::bind("127.0.0.1:0").unwrap();
    let listen = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    plane.gateway.add_relay(&relay("near", &listen.to_string())).unwrap();
    camera.send_to(&[0x80; 100], listen).unwrap();
    let count = |counter: &str| {
        let relays = plane.gateway.relays();
        let near = relays.iter().find(|relay| relay.name == name("near")).unwrap();
        near.counters.iter().find(|(name, _)| *name == counter).unwrap_or_else(|| panic!("no {counter}")).1
    };
    while count("octets_copied_by_kernel") < 100 {
        std::thread::yield_now();
    }
    for none in ["socket_drops", "packets_without_buffer", "datagrams_truncated", "queue_errors"] {
        assert_eq!(count(none), 0, "{none}");
    }
}

/// The RTP packet of this number.
fn rtp(number: u8) -> [u8; 15] {
    [0x80, 96, 0, number, 0, 0, 0, 9, 0, 0, 0, 7, 1, 2, 3]
}

#[test]
fn a_relay_on_sockets_says_of_each_leg_where_it_lost_packets() {
    let plane = plane();
    let unused = |address: &str| UdpSocket::bind((address, 0)).unwrap().local_addr().unwrap();
    let ways = [unused("127.0.0.1"), unused("127.0.0.2")];
    let second = Some(HeardLegSpec { destination: ways[1], sources: Vec::new(), interface: None });
    plane.gateway.add_relay(&RelaySpec { second, ..relay("near", &ways[0].to_string()) }).unwrap();
    let near = || plane.gateway.relays().into_iter().find(|relay| relay.name == name("near")).unwrap();
    let count = |counter: &str| near().counters.into_iter().find(|(name, _)| *name == counter).unwrap().1;
    let camera = UdpSocket::bind("127.0.0.1:0").unwrap();
    let send = |to: SocketAddr, number: u8| camera.send_to(&rtp(number), to).unwrap();
    for number in 0..100 {
        // 10 to 12 come by the second way only, 20 by the first, and 50 by none.
        let _ = (![10, 11, 12, 50].contains(&number)).then(|| send(ways[0], number));
        let _ = (![20, 50].contains(&number)).then(|| send(ways[1], number));
    }
    let missing = || near().legs.iter().map(|leg| leg.packets_lost).collect::<Vec<_>>();
    while near().legs.iter().map(|leg| leg.packets).sum::<u64>() < 96 + 98 || missing() != [4, 2] {
        std::thread::yield_now();
    }
    let now = Instant::now();
    (0..3).for_each(|seconds| plane.gateway.tick(now + Duration::from_secs(seconds)));
    let lost = near().legs.into_iter().map(|leg| leg.lost.map(|(_, packets)| packets)).collect::<Vec<_>>();
    // Wire, queue, late worker, no buffer.
    assert_eq!(lost, [[4, 0, 0, 0], [2, 0, 0, 0]]);
    assert_eq!([count("packets_lost"), count("lost_wire_packets")], [1, 1], "one of the legs brought the others");
}

#[test]
fn what_cannot_be_forwarded_is_refused_with_what_works() {
    let plane = plane();
    let kernel = RelaySpec { interface: Some("lo".to_owned()), ..relay("near", "127.0.0.1:0") };
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    plane.gateway.add_relay(&RelaySpec { listen: port, ..kernel }).unwrap();
    let refused = take(&plane, "near").unwrap_err().to_string();
    assert!(refused.contains("from the kernel's sockets by port red"), "{refused}");
    let leg = LegSpec { destination: "192.0.2.10:5004".parse().unwrap(), source: None, interface: None };
    let two = SenderSpec::new(name("two"), "192.0.2.9:5010".parse().unwrap());
    plane.gateway.add_sender(&SenderSpec { second: Some(leg), ..two }).unwrap();
    let entries = vec![(name("two"), name("wild"))];
    let refused = plane.gateway.apply(&CrosspointTable { version: 2, entries }).unwrap_err().to_string();
    assert!(refused.contains("two legs of sender two") && refused.contains("a sender of its own"), "{refused}");
    assert_eq!(told(&plane), ["else"], "only the second sender was made");
}
