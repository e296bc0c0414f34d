//! Rows over a veth pair between two namespaces: a server in one, a client in the other.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use hwtests::namespace::{self, Link};
use hwtests::netdev::{self, Netdev};
use hwtests::{Launch, Namespace, Process, gateway};

use crate::place::Place;
use crate::report::Report;
use crate::row::{Found, Row};

const SERVER: &str = "10.77.0.2";
/// Where client and server speak to each other, on a wire of its own where a port has the other.
const CONTROL: &str = "10.78.0.2";
const START_LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn rows() -> [Row; 3] {
    let row = |name, what, target, measure| Row { name, what, target, measure };
    [
        row("veth-port", "1080p25 over veth, net_af_packet at both ends", "nothing lost by sequence number", veth_port),
        row("veth-limit", "the same: the rate of the first loss", "reported", veth_limit),
        row("veth-udp", "1080p59.94 by the kernel's UDP across veth, two cores", "60 s without loss", veth_udp),
    ]
}

/// Two namespaces with two wires between them: `near` and `far` are the media's.
struct Wires {
    client: Namespace,
    server: Namespace,
}

impl Wires {
    /// The media's ends are the kernel's, with addresses, or left to ports.
    fn set_up(of_ports: bool) -> Result<Self> {
        if let Some(reason) = namespace::unavailable() {
            bail!("network namespaces: {reason}");
        }
        let (client, server) = (Namespace::create("client")?, Namespace::create("server")?);
        let link = |namespace, interface, addresses| Link { namespace, interface, addresses };
        if of_ports {
            netdev::wire(Netdev { namespace: &server, name: "near" }, link(&client, "far", &[]), 1_500)?;
            namespace::join(
                link(&client, "c-far", &["10.78.0.1/24"]),
                link(&server, "c-near", &["10.78.0.2/24"]),
                1_500,
            )?;
        } else {
            let near = link(&server, "near", &["10.77.0.2/24"]);
            namespace::join(link(&client, "far", &["10.77.0.1/24"]), near, 1_500)?;
        }
        Ok(Self { client, server })
    }

    fn server(&self, place: &Place, words: &str) -> Result<Process> {
        let log = place.file("server.log");
        let launch = Launch::new(gateway::program("flypack-bench")?, &log).words("server").words(words);
        let mut server = launch.inside(Some(&self.server)).start()?;
        server.until(START_LIMIT, "it listened", |_| {
            std::fs::read_to_string(&log).is_ok_and(|said| said.contains("listening at"))
        })?;
        Ok(server)
    }

    fn client(&self, words: &str) -> Result<Report> {
        let program = gateway::program("flypack-bench")?;
        let mut command: Command = self.client.command(&program.to_string_lossy());
        Report::of(command.arg("client").args(words.split_whitespace()).arg("--json"))
    }
}

fn veth_port(place: &Place) -> Result<Found> {
    let wires = Wires::set_up(true)?;
    let _server = wires.server(place, "--listen 10.78.0.2:5210 --device net_af_packet:near --clients 1")?;
    let seconds = place.seconds(30);
    let words = format!(
        "{CONTROL}:5210 --device net_af_packet:far --format 1080p25 --seconds {seconds} --lateness-ms 100 --cores 0"
    );
    let report = wires.client(&words)?;
    Ok(Found::met(report.is_whole, ends(&report, seconds)?, report.without_seconds()))
}

fn veth_limit(place: &Place) -> Result<Found> {
    let wires = Wires::set_up(true)?;
    let _server = wires.server(place, "--listen 10.78.0.2:5210 --device net_af_packet:near")?;
    let seconds = place.seconds(4);
    let words = format!(
        "{CONTROL}:5210 --device net_af_packet:far --format 1080p25 --seconds {seconds} --lateness-ms 100 --cores 0 --search"
    );
    let report = wires.client(&words)?;
    let of = |which: &str| match report.number(&format!("/{which}/packets_per_second")) {
        Ok(packets) => format!("{packets:.0} packets/s"),
        Err(_) => "none that was tried".to_owned(),
    };
    let measured = format!("highest without loss {}, lowest with {}", of("whole"), of("lossy"));
    Ok(Found { measured, is_met: None, details: report.json })
}

/// W first, which the kernel sends in the longest segments, for the whole minute; N and NL for a shorter time.
fn veth_udp(place: &Place) -> Result<Found> {
    let wires = Wires::set_up(false)?;
    let mut words = Vec::new();
    let (mut is_met, mut details) = (false, Vec::new());
    for (sender_type, seconds) in [("N", 60), ("NL", 20), ("W", 20)] {
        // Once one type had its minute, the others are only looked at.
        let seconds = place.seconds(if is_met || sender_type == "N" { seconds } else { 60 });
        let server = wires.server(place, &format!("--listen {SERVER}:5210 --clients 1"))?;
        let report = wires.client(&format!(
            "{SERVER}:5210 --format 1080p59.94 --type {sender_type} --seconds {seconds} --lateness-ms 100 --cores 0"
        ))?;
        drop(server);
        words.push(format!("{sender_type} {}", ends(&report, seconds)?));
        is_met |= report.is_whole && seconds >= place.seconds(60);
        details.push(report.without_seconds());
    }
    Ok(Found::met(is_met, words.join("; "), details.into()))
}

/// What both ends say.
fn ends(report: &Report, seconds: u32) -> Result<String> {
    let amiss = [report.amiss("/sender")?, report.amiss("/receiver")?];
    let word = match amiss {
        [sender, receiver] if sender.is_empty() && receiver.is_empty() => "whole".to_owned(),
        [sender, receiver] => format!("NOT WHOLE (sender {sender}; receiver {receiver})"),
    };
    let of = |what: &str| report.number(&format!("/receiver/{what}"));
    Ok(format!("{seconds} s {word}, {} packets, {} frames", of("total/rx_packets")?, of("total/grains_complete")?))
}
