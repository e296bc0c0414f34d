//! What was captured is received again: the same pictures, as far apart.

use hwtests::gateway_bench::{Camera, GatewayBench, LIMIT, MEDIA, flypack, format};
use hwtests::{rfc4175, take_turn};

use crate::capture::tshark;
use crate::{can_run, gateway};

const FRAMES: usize = 20;
/// A worker may be kept from its core for longer than a test should ask about.
const SLACK_NANOS: u128 = 500_000_000;

#[test]
fn a_capture_is_received_again_at_its_times() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let bench = GatewayBench::set_up().unwrap();
    let folder = bench.file("tapes");
    let first = gateway(&bench, &folder);
    let pictures = rfc4175::noise(&format(), 10, 7);
    let playing = Camera::new(&bench.studio).unwrap().keep_playing(pictures.clone());
    first.ask("capture media take.pcap --packets 4000 --snap 9216").unwrap();
    playing.stop();
    first.stop().unwrap();
    let came = |file: &str| {
        let mut packets = tshark(&folder.join(file));
        packets.retain(|packet| packet.udp_port == MEDIA);
        packets
    };
    let original = came("take.pcap");

    // Another gateway, to which these packets are new. Nobody plays now: what is received is injected.
    let mut gateway = gateway(&bench, &folder);
    let mut recv = bench.recv(&mut gateway, "cam", FRAMES).unwrap();
    let injection = gateway.ask("inject media take.pcap --detach").unwrap();
    assert_eq!(injection["state"], "running");
    let (said, went_well) = flypack(&gateway, "inject media take.pcap").unwrap();
    assert!(!went_well && said.contains("being injected"), "{said}");
    let again = gateway.ask("capture media again.pcap --packets 1000 --snap 9216").unwrap();
    assert_eq!(again["state"], "done");
    recv.finish(LIMIT).unwrap();
    let ended = gateway.ask("inject media --stop").unwrap();
    assert_eq!(ended["packets_dropped"], 0);
    let received = std::fs::read(bench.file("cam.raw")).unwrap();
    let place = |frame: &[u8]| pictures.iter().position(|picture| picture == frame);
    // The first may be the end of a frame whose beginning was not captured.
    let places: Vec<Option<usize>> =
        received.chunks(pictures[0].len()).map(place).skip_while(Option::is_none).collect();
    assert!(places.len() > FRAMES / 2 && places.iter().all(Option::is_some), "{places:?}");
    let follows = |pair: &[Option<usize>]| pair[1].unwrap() == (pair[0].unwrap() + 1) % pictures.len();
    assert!(places.windows(2).all(follows), "{places:?}");

    let again = came("again.pcap");
    let span = |packets: &[crate::capture::Packet], count: usize| packets[count - 1].nanos - packets[0].nanos;
    // The second capture was begun a moment after the injection: its first packet is one of the first file's.
    let skipped = original.iter().position(|packet| packet.sequence == again[0].sequence).expect("the same packets");
    let count = again.len().min(original.len() - skipped);
    assert!(count > 100, "{count} of {} were captured", original.len());
    let (wanted, took) = (span(&original[skipped..], count), span(&again, count));
    let late = u128::from(ended["longest_late_us"].as_u64().unwrap()) * 1_000;
    assert!(wanted.abs_diff(took) < late + SLACK_NANOS, "{took} ns instead of {wanted} ns, none later than {late} ns");

    std::fs::write(folder.join("notes.txt"), "this is no capture, and long enough to be one").unwrap();
    let (said, went_well) = flypack(&gateway, "inject media notes.txt").unwrap();
    assert!(!went_well && said.contains("editcap"), "{said}");
    // At once, and round and round.
    gateway.ask("inject media take.pcap --loop --pace unpaced --detach").unwrap();
    let complete = || gateway.statistics().unwrap().of("receiver", "cam", "packets").unwrap();
    let before = complete();
    hwtests::eventually("it goes round", || complete() > before + 3 * original.len() as u64);
    let ended = gateway.ask("inject media --stop").unwrap();
    assert!(ended["state"] == "stopped" && ended["rounds"].as_u64() >= Some(2), "{ended}");
    gateway.stop().unwrap();
}
