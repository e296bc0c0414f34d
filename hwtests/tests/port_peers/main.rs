//! Strangers at a port of `flypackd`: Linux pings it, finds it and is found, sees it join and leave groups, receives what it
//! sends; with a TAP, TCP and UDP reach the rack's kernel by it; flows come and go beside others. Needs root, and a
//! flypackd with its feature `dpdk`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

mod coming;
mod groups;
mod marks;
mod neighbour;
mod tcp;
mod udp;
mod vlan;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use hwtests::gateway_bench::{GatewayBench, MEDIA, PORT, STUDIO, format};
use hwtests::{namespace, peer, ping, wire};

/// As [`PORT`] and [`STUDIO`].
pub(crate) const PORT_V6: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 2);
pub(crate) const STUDIO_V6: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1);
pub(crate) const GROUP_V4: Ipv4Addr = Ipv4Addr::new(232, 77, 0, 1);
pub(crate) const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff3e, 0, 0, 0, 0, 0, 0x8000, 0x77);
pub(crate) const VLAN: u16 = 77;

pub(crate) fn port_v4() -> Ipv4Addr {
    PORT.parse().unwrap()
}

pub(crate) fn studio_v4() -> Ipv4Addr {
    STUDIO.parse().unwrap()
}

pub(crate) fn can_run() -> bool {
    let reason = namespace::unavailable().or_else(wire::unavailable);
    if let Some(reason) = &reason {
        eprintln!("SKIPPED: no namespaces or no packet sockets here: {reason}");
    }
    reason.is_none()
}

/// A studio with an IPv6 address too.
pub(crate) fn set_up() -> GatewayBench {
    let bench = GatewayBench::set_up().unwrap();
    ip(&bench, &format!("addr add {STUDIO_V6}/64 dev far nodad"));
    bench
}

/// `ip` in the studio; what it says.
pub(crate) fn ip(bench: &GatewayBench, words: &str) -> String {
    said(bench.studio.command("ip").args(words.split(' ')))
}

pub(crate) fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The port of both families.
pub(crate) fn port(more: &str) -> String {
    format!(
        "[dpdk]\nmemory = \"no-huge\"\n[[port]]\nname = \"media\"\ndevice = \"net_af_packet:near\"\n\
         addresses = [\"{PORT}/24\", \"{PORT_V6}/64\"]\npackets_per_second = 20000\nhold_ms = 20\n{more}\n"
    )
}

/// The SDP of a stream to a group from these sources.
pub(crate) fn group_sdp(group: IpAddr, sources: &[IpAddr]) -> String {
    let sdp = peer::sdp(&format(), SocketAddr::new(group, MEDIA)).replace('\r', "");
    let family = if group.is_ipv4() { "IP4" } else { "IP6" };
    let sources: Vec<String> = sources.iter().map(ToString::to_string).collect();
    let filter = format!("a=source-filter: incl IN {family} {group} {}\n", sources.join(" "));
    sdp + if sources.is_empty() { "" } else { &filter }
}

pub(crate) fn answers(bench: &GatewayBench, to: IpAddr, octets: usize) -> bool {
    ping::echo(&bench.studio, to, octets, Duration::from_secs(1)).unwrap()
}
