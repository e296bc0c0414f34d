//! The port joins and leaves groups; tshark reads what it says.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::Command;

use hwtests::gateway_bench::{LIMIT, PORT, flypack};
use hwtests::wire::Direction;
use hwtests::{Wire, eventually, take_turn};

use crate::{GROUP_V4, GROUP_V6, PORT_V6, STUDIO_V6, answers, can_run, group_sdp, port, port_v4, said, set_up};

/// Frames that the port has sent, as tshark reads them: these fields of each that `filter` passes.
fn tshark(folder: &Path, frames: &[Vec<u8>], filter: &str, fields: &[&str]) -> Vec<String> {
    let file = folder.join("seen.pcap");
    // libpcap's file format: magic, version 2.4, zone, accuracy, longest packet, link type Ethernet.
    let mut pcap = [0xa1b2_c3d4_u32, 0x0002_0004, 0, 0, 65_536, 1].map(u32::to_be_bytes).concat();
    for frame in frames {
        pcap.extend([0, 0, frame.len() as u32, frame.len() as u32].map(u32::to_be_bytes).concat());
        pcap.extend(frame);
    }
    std::fs::write(&file, pcap).unwrap();
    let mut command = Command::new("tshark");
    command.args(["-n", "-T", "fields", "-r"]).arg(&file).args(["-Y", filter]);
    command.args(fields.iter().flat_map(|field| ["-e", field]));
    said(&mut command).lines().map(str::to_owned).collect()
}

/// What the port has sent until one of its frames is `wanted`.
fn sent_until(wire: &Wire, mac: [u8; 6], what: &str, wanted: impl Fn(&[u8]) -> bool) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while let Some(seen) = wire.next(LIMIT).unwrap() {
        if seen.direction == Direction::In && seen.octets[6..12] == mac {
            frames.push(seen.octets);
            if wanted(frames.last().unwrap()) {
                return frames;
            }
        }
    }
    panic!("the port has sent no {what}, but {} other frames", frames.len());
}

/// Whether a frame holds an IGMPv3 or MLDv2 report whose first record says `kind` of `group`.
// RFC 3376 §4.2, RFC 3810 §5.2: behind the router alert, in IPv4's header or in one of its own.
fn reports(frame: &[u8], kind: u8, group: IpAddr) -> bool {
    let (report, octets) = match group {
        IpAddr::V4(group) => ((38, 0x22), group.octets().to_vec()),
        IpAddr::V6(group) => ((62, 143), group.octets().to_vec()),
    };
    let (at, message) = report;
    frame.get(at) == Some(&message) && frame.get(at + 8) == Some(&kind) && frame[at + 12..].starts_with(&octets)
}

#[test]
fn groups_are_joined_and_left_as_the_rfcs_say() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let bench = set_up();
    let gateway = bench.start(&port("")).unwrap();
    eventually("the port answers pings", || answers(&bench, port_v4().into(), 0) && answers(&bench, PORT_V6.into(), 0));
    let (mac, wire) = (bench.near().mac().unwrap(), Wire::open(bench.far()).unwrap());
    let sources_v4 = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 9)].map(IpAddr::from);
    let source_v6 = IpAddr::from(STUDIO_V6);
    for (name, group, sources) in
        [("v4", GROUP_V4.into(), &sources_v4[..]), ("v6", IpAddr::from(GROUP_V6), &[source_v6])]
    {
        let sdp = bench.file(&format!("{name}.sdp"));
        std::fs::write(&sdp, group_sdp(group, sources)).unwrap();
        let add = format!("receivers add {name} --sdp {} --interface media --slots 4", sdp.display());
        flypack(&gateway, &add).unwrap();
        // Allow new sources, and later: block old sources.
        let joined = sent_until(&wire, mac, "join", |frame| reports(frame, 5, group));
        flypack(&gateway, &format!("receivers del {name}")).unwrap();
        let left = sent_until(&wire, mac, "leave", |frame| reports(frame, 6, group));
        if !has_tshark() {
            eprintln!("PARTLY SKIPPED: no tshark here to read the reports");
            continue;
        }
        let (filter, fields) = match group {
            IpAddr::V4(_) => (
                "igmp.type == 0x22 && igmp.checksum.status == 1 && ip.checksum.status != 0",
                ["igmp.record_type", "igmp.maddr", "igmp.saddr", "ip.src", "ip.dst", "ip.ttl", "ip.opt.ra"],
            ),
            IpAddr::V6(_) => (
                "icmpv6.type == 143 && icmpv6.checksum.status == 1",
                [
                    "icmpv6.mldr.mar.record_type",
                    "icmpv6.mldr.mar.multicast_address",
                    "icmpv6.mldr.mar.source_address",
                    "ipv6.src",
                    "ipv6.dst",
                    "ipv6.hlim",
                    "ipv6.opt.router_alert",
                ],
            ),
        };
        let sources = sources.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        for (frames, kind) in [(&joined, 5), (&left, 6)] {
            let lines = tshark(bench.scratch.path(), frames, filter, &fields);
            let from = if group.is_ipv4() { PORT.to_owned() } else { "fe80::".to_owned() };
            let to = if group.is_ipv4() { "224.0.0.22" } else { "ff02::16" };
            let found = lines.iter().any(|line| {
                let words: Vec<&str> = line.split('\t').collect();
                words[..3] == [&kind.to_string(), &group.to_string(), &sources]
                    && words[3].starts_with(&from)
                    && words[4..] == [to, "1", "0"]
            });
            assert!(found, "{kind} {group} {sources}: {lines:#?}");
        }
    }
    gateway.stop().unwrap();
}

fn has_tshark() -> bool {
    Command::new("tshark").arg("-v").output().is_ok_and(|output| output.status.success())
}
