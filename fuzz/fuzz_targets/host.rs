//! A port's host: any frames at any times. Input: steps of tenths of a
//! second to wait (1; the highest bit: make the frame's checksums right), octets of the frame (2), frame.
#![no_main]

use ip::frame::{self, Check, Checks, Rules};
use ip::{Host, HostConfig, MacAddr, Network, checksum};
use libfuzzer_sys::fuzz_target;
use media::Tai;

const MAC: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 0x0b]);
const TENTH_NS: i64 = 100_000_000;
/// Frames and polls that one step may cost: the tables' sizes, not the input's.
const STEP_MAX: usize = 2_000;

fuzz_target!(|input: &[u8]| {
    let mut now = Tai::from_nanos(0);
    let mut host = host(now);
    let mut rest = input;
    while let [wait, high, low, after @ ..] = rest {
        let octets = usize::from(u16::from_be_bytes([*high, *low])).min(after.len());
        let (frame, next) = after.split_at(octets);
        let mut frame = frame.to_vec();
        if wait & 0x80 != 0 {
            complete(&mut frame);
        }
        host.receive(&frame, now);
        settle(&mut host, &mut now, i64::from(wait & 0x7f) * TENTH_NS);
        rest = next;
    }
});

fn host(now: Tai) -> Host {
    let addresses = ["192.0.2.2/24", "2001:db8::2/64"].map(|text| text.parse().expect("an address")).to_vec();
    let network = Network::new(addresses, None, None).expect("a network");
    let config = HostConfig { mac: MAC, network, vlan: None, mtu: 1_500, probe_interval_ns: TENTH_NS };
    let mut host = Host::new(config, now);
    for neighbour in ["192.0.2.1", "2001:db8::1"] {
        host.resolve(neighbour.parse().expect("an address"), now);
    }
    for (group, source) in [("239.1.2.3", "192.0.2.1"), ("ff3e::8000:2", "2001:db8::1")] {
        let source = source.parse().expect("an address");
        host.join(group.parse().expect("a group"), &[source], now).expect("room for two groups");
    }
    host
}

/// Lets time pass; deadlines must move on, and every frame must be one that a station can read.
fn settle(host: &mut Host, now: &mut Tai, nanos: i64) {
    let end = now.plus_nanos(nanos);
    let (mut spent, mut frame) = (0, Vec::new());
    loop {
        while host.transmit(&mut frame) {
            spent += 1;
            assert!(frame.len() <= 1_518 && frame[6..12] == MAC.octets());
            let mut checks = Checks::VERIFY;
            checks.udp = Check::Trusted;
            let reader = MacAddr::new([frame[0], frame[1], frame[2], frame[3], frame[4], frame[5]]);
            let verdict = frame::parse(&frame, frame.len(), &Rules { mac: reader, vlan: None, checks });
            assert!(matches!(verdict, frame::Verdict::Other(_)), "{verdict:?}");
        }
        while host.event().is_some() {}
        let Some(at) = host.next_deadline().filter(|at| *at <= end) else { break };
        *now = at.max(*now);
        host.poll(*now);
        spent += 1;
        assert!(spent < STEP_MAX);
    }
    *now = end;
}

/// Makes the checksums of IPv4 and of what it carries right, or those of ICMPv6 directly behind IPv6.
fn complete(frame: &mut [u8]) {
    match frame.get(12..14) {
        Some([0x08, 0x00]) if frame.len() >= 34 => {
            let end = (14 + usize::from(frame[14] & 0x0f) * 4).clamp(34, frame.len());
            put(&mut frame[14..end], 10, None);
            put(&mut frame[end..], 2, None);
        }
        Some([0x86, 0xdd]) if frame.len() >= 58 => {
            let hop_by_hop = if frame[20] == 0 { (usize::from(frame[55]) + 1) * 8 } else { 0 };
            let at = (54 + hop_by_hop).min(frame.len());
            let address = |at: usize| <[u8; 16]>::try_from(&frame[at..at + 16]).expect("16 octets").into();
            let octets = (frame.len() - at) as u16;
            let pseudo = checksum::pseudo_v6(address(22), address(38), 58, octets);
            put(&mut frame[at..], 2, Some(pseudo));
        }
        _ => {}
    }
}

fn put(octets: &mut [u8], at: usize, pseudo: Option<checksum::Sum>) {
    if octets.len() >= at + 2 {
        octets[at..at + 2].fill(0);
        let sum = pseudo.unwrap_or_default().octets(octets).checksum();
        octets[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    }
}
