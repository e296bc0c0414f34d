//! A sender and a receiver of the gateway on the two ports: who paces, and who says when packets arrived.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::path::Path;

use hwtests::gateway_bench::{LIMIT, MEDIA, format};
use hwtests::{Gateway, Launch, PortPair, Scratch, Statistics, peer, rfc4175};

/// Frames that must come whole.
const FRAMES: u64 = 100;

/// The gateway takes what the cards have, and says so; each that it takes is looked at.
pub(crate) fn through_the_gateway(hardware: &PortPair) {
    let scratch = Scratch::create().unwrap();
    let file = |name: &str| scratch.path().join(name);
    let destination = (hardware.address_b, MEDIA).into();
    std::fs::write(file("clip.sdp"), peer::sdp(&format(), destination)).unwrap();
    std::fs::write(file("clip.raw"), rfc4175::noise(&format(), 6, 7).concat()).unwrap();
    let objects = configuration(hardware, &file("clip.sdp"));
    let gateway = Gateway::start(scratch.path(), &objects, None, &file("flypackd.log")).unwrap();
    let words = format!(
        "send --name clip --loop --sdp {} --input {} --broker {}",
        file("clip.sdp").display(),
        file("clip.raw").display(),
        gateway.broker.display()
    );
    let clip = Launch::new(&gateway.flypack, &file("send.log")).words(&words).start().unwrap();
    let of = |statistics: &Statistics, kind: &str, name: &str, counter: &str| {
        statistics.of(kind, name, counter).unwrap_or_else(|error| panic!("{error:#}"))
    };
    gateway.settle(LIMIT, |now| of(now, "receiver", "in", "grains_complete") >= FRAMES).unwrap();
    // What is counted while packets come does not belong together.
    drop(clip);
    let packets = |now: &Statistics| (of(now, "sender", "out", "packets"), of(now, "receiver", "in", "packets"));
    let is_still = |now: &Statistics| {
        let (sent, received) = packets(now);
        sent == received && packets(&gateway.statistics().unwrap()) == (sent, received)
    };
    let seen = gateway.settle(LIMIT, is_still).unwrap();
    let whole = of(&seen, "receiver", "in", "grains_complete");
    assert!(whole >= FRAMES, "{whole} of {FRAMES} frames are whole");
    let ports = gateway.ask("ports").unwrap();
    let can = |at: usize, words: &str| {
        ports["ports"][at]["capabilities"].as_array().unwrap().iter().any(|can| can.as_str().unwrap().contains(words))
    };
    let (paces, tells) = (can(0, "paced by the device"), can(1, "times of arrival are the device's"));
    let timed = ["tx_launch_timed", "tx_launch_untimed"].map(|counter| of(&seen, "port", "a", counter));
    println!("launch times {timed:?}, sender {:?}", seen.all("sender", "out"));
    assert_eq!(of(&seen, "sender", "out", "paced_by_port"), u64::from(paces));
    assert_eq!((timed[0] > 0, timed[1]), (paces, 0), "packets without a time");
    assert_eq!(of(&seen, "sender", "out", "packets_over_c_max"), 0);
    let receiver = |counter| of(&seen, "receiver", "in", counter);
    println!("receiver {:?}", seen.all("receiver", "in"));
    assert_eq!(receiver("packets_lost"), 0);
    let by_card = if tells { receiver("packets") } else { 0 };
    assert_eq!(receiver("packets_timed_by_nic"), by_card, "of {}", receiver("packets"));
    let timed_by = gateway.ask("receivers").unwrap()["receivers"][0]["timed_by"].take();
    assert_eq!(timed_by == "nic", tells, "{timed_by}");
    gateway.stop().unwrap();
    if !(paces && tells) {
        eprintln!("SKIPPED: this card cannot show it: it paces: {paces}, it tells times of arrival: {tells}");
    }
}

/// Both ports, the receiver on the one and the sender on the other.
fn configuration(hardware: &PortPair, sdp: &Path) -> String {
    let PortPair { a, b, address_a, address_b, vlan, .. } = hardware;
    let memory = if hardware.is_hardware() { "" } else { "[dpdk]\nmemory = \"no-huge\"\n" };
    let port = |name: &str, device: &str, address: std::net::Ipv4Addr| {
        format!(
            "[[port]]\nname = \"{name}\"\ndevice = \"{device}\"\naddresses = [\"{address}/24\"]\nvlan = {}\n\
             packets_per_second = 20000\nhold_ms = 20\n",
            vlan.unwrap_or(0)
        )
    };
    format!(
        "{memory}{}{}[[receiver]]\nname = \"in\"\ninterface = \"b\"\nsdp = \"{}\"\n\
         [[sender]]\nname = \"out\"\ninterface = \"a\"\ndestination = \"{address_b}:{MEDIA}\"\ntype = \"N\"\nlateness_frames = 10\n\
         [[crosspoint]]\ndestination = \"out\"\nsource = \"clip\"\n",
        port("a", a, *address_a),
        port("b", b, *address_b),
        sdp.display()
    )
}
