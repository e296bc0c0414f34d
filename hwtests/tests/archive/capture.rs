//! What passes a port, as tshark and tcpdump read it.

use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use hwtests::gateway_bench::{Camera, GatewayBench, MEDIA, PORT, SCREEN, format};
use hwtests::{rfc4175, take_turn};

use crate::{can_run, gateway};

const PACKETS: usize = 400;
/// Octets of the end of a payload that are looked for: more than chance brings.
const TAIL: usize = 64;

/// A packet as tshark understands it.
pub(super) struct Packet {
    pub(super) nanos: u128,
    is_whole: bool,
    source: String,
    pub(super) udp_port: u16,
    pub(super) sequence: u16,
    payload: Vec<u8>,
}

fn nanos(text: &str) -> u128 {
    let (seconds, nanos) = text.split_once('.').unwrap();
    assert_eq!(nanos.len(), 9, "nanoseconds: {text}");
    seconds.parse::<u128>().unwrap() * 1_000_000_000 + nanos.parse::<u128>().unwrap()
}

pub(super) fn tshark(file: &Path) -> Vec<Packet> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args(["-T", "fields", "-Y", "rtp && !icmp && ip.checksum.status == 1"]);
    command.args(["-o", "ip.check_checksum:TRUE"]);
    [MEDIA, SCREEN].iter().for_each(|port| _ = command.args(["-d", &format!("udp.port=={port},rtp")]));
    for field in ["frame.time_epoch", "frame.len", "frame.cap_len", "ip.src", "udp.dstport", "rtp.seq", "udp.payload"] {
        command.args(["-e", field]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(packet).collect()
}

fn packet(line: &str) -> Packet {
    let fields: Vec<&str> = line.split('\t').collect();
    let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    Packet {
        nanos: nanos(fields[0]),
        is_whole: fields[1] == fields[2],
        source: fields[3].to_owned(),
        udp_port: fields[4].parse().unwrap(),
        sequence: fields[5].parse().unwrap(),
        payload: fields[6].as_bytes().chunks(2).map(octet).collect(),
    }
}

/// One way of a port: nothing is missing, times rise, and the pictures are those of the camera.
fn is_complete(way: &[&Packet], pictures: &[Vec<u8>]) {
    for pair in way.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1), "every packet is there");
        assert!(pair[1].nanos >= pair[0].nanos, "in order");
    }
    for packet in way {
        let tail = &packet.payload[packet.payload.len() - TAIL..];
        assert!(packet.is_whole && pictures.iter().any(|picture| picture.windows(TAIL).any(|own| own == tail)));
    }
}

#[test]
fn a_capture_is_what_passed_to_tshark_and_tcpdump() {
    if !can_run() {
        return;
    }
    for program in ["tshark", "tcpdump"] {
        if Command::new(program).arg("--version").output().is_err() {
            eprintln!("SKIPPED: no {program} here");
            return;
        }
    }
    let _turn = take_turn();
    let bench = GatewayBench::set_up().unwrap();
    let folder = bench.file("tapes");
    let gateway = gateway(&bench, &folder);
    let pictures = rfc4175::noise(&format(), 10, 7);
    let playing = Camera::new(&bench.studio).unwrap().keep_playing(pictures.clone());
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let before = now();
    // Twice: a port that was captured is captured again.
    for file in ["one.pcap", "two.pcap"] {
        let capture = gateway.ask(&format!("capture media {file} --packets {PACKETS} --snap 9216")).unwrap();
        assert_eq!(
            (&capture["state"], &capture["packets"], &capture["packets_dropped"]),
            (&"done".into(), &400.into(), &0.into())
        );
        let packets = tshark(&folder.join(file));
        assert!(packets.iter().all(|packet| (before..now()).contains(&packet.nanos)), "Unix time, to the nanosecond");
        let way = |udp_port| packets.iter().filter(|packet| packet.udp_port == udp_port).collect::<Vec<_>>();
        let (came, went) = (way(MEDIA), way(SCREEN));
        assert!(came.len() > 40 && went.len() > 40, "{} and {}", came.len(), went.len());
        assert!(went.iter().all(|packet| packet.source == PORT) && came.iter().all(|packet| packet.source != PORT));
        is_complete(&came, &pictures);
        is_complete(&went, &pictures);
        let tcpdump = Command::new("tcpdump").args(["-nn", "-r"]).arg(folder.join(file)).output().unwrap();
        assert_eq!(String::from_utf8(tcpdump.stdout).unwrap().lines().count(), PACKETS);
    }
    // One of ten, and of it the headers alone.
    let capture = gateway.ask("capture media three.pcap --packets 20 --sample 10 --snap 62").unwrap();
    assert!(capture["packets"] == 20 && capture["packets_seen"].as_u64() >= Some(100), "{capture}");
    assert_eq!(std::fs::metadata(folder.join("three.pcap")).unwrap().len(), 24 + 20 * (16 + 62));
    playing.stop();
    gateway.stop().unwrap();
}
