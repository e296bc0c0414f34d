//! The end that sends.

use std::net::{SocketAddr, TcpStream};

use anyhow::{Context as _, Result, bail};
use netio::{RxQueue, TxQueue};
use serde::Serialize;
use shm::GrainLease;

use super::control::{Answer, Control, Heard, Offer, Sent};
use crate::arguments::Client;
use crate::desk::Desk;
use crate::device::DeviceName;
use crate::plan::Plan;
use crate::plane::ends::Ends;
use crate::plane::live::{Here, Live};
use crate::plane::{Interval, Outcome, udp};
use crate::producer::Content;
use crate::{Machine, Verdict};

/// What both ends found.
#[derive(Debug, Serialize)]
struct Report {
    command: String,
    plan: Plan,
    device: String,
    machine: Machine,
    sender: Outcome,
    /// Where the server runs.
    server: serde_json::Value,
    receiver: Outcome,
}

/// Sends, and prints what both ends found.
///
/// # Errors
/// When the server cannot be reached or refuses, or nothing can be sent.
pub fn call(arguments: &Client) -> Result<Verdict> {
    let stream = TcpStream::connect(arguments.server);
    let stream =
        stream.with_context(|| format!("no server at {}: start `flypack bench server` there", arguments.server))?;
    let mut control = Control::new(stream)?;
    control.tell(&Offer { version: env!("CARGO_PKG_VERSION").to_owned(), traffic: arguments.traffic.clone() })?;
    let destinations = match control.hear()? {
        Answer::Ready(destinations) => destinations,
        Answer::Refused(why) => bail!("the server refuses: {why}"),
    };
    match &arguments.device {
        DeviceName::Udp => talk(control, udp::open_to(destinations, arguments.interface.clone()), arguments),
        DeviceName::Dpdk(_) => over_a_port(control, destinations, arguments),
    }
}

#[cfg(feature = "dpdk")]
fn over_a_port(control: Control, destinations: Vec<Vec<SocketAddr>>, arguments: &Client) -> Result<Verdict> {
    use crate::plane::port;

    // The port's own stack is the gateway's, which is not here: nobody would ask for a neighbour's address.
    anyhow::ensure!(
        destinations.iter().flatten().all(|destination| destination.ip().is_multicast()),
        "the server receives at {destinations:?}, and a port here sends to groups only: start the server with --device too, \
         or the client with --device udp"
    );
    let eal = port::start(&[&arguments.device], arguments.traffic.pages)?;
    let mut ends = port::open(&eal, &[&arguments.device], &arguments.traffic)?;
    ends.around.destinations = destinations;
    talk(control, ends, arguments)
}

#[cfg(not(feature = "dpdk"))]
fn over_a_port(_: Control, _: Vec<Vec<SocketAddr>>, arguments: &Client) -> Result<Verdict> {
    bail!("{} needs DPDK, which this program was built without", arguments.device)
}

fn talk<R, T>(mut control: Control, ends: Ends<R, T>, arguments: &Client) -> Result<Verdict>
where
    R: RxQueue + 'static,
    T: TxQueue<Lease = GrainLease, Received = R::Buf> + 'static,
    Desk<R, T>: Send,
{
    let live = Live::begin(ends, &arguments.traffic, Here::Sender(Content::EachAnew))?;
    let tell = |second, interval: &Interval| {
        let line = format!("{second:>4} s  {}", interval.text());
        if arguments.json {
            eprintln!("{line}");
        } else {
            println!("{line}");
        }
        Ok(())
    };
    let seen = live.watch(tell, |second| second >= arguments.traffic.seconds)?;
    let sender = live.end(seen)?;
    control.tell(&Sent { packets: sender.total.tx_packets, grains: sender.total.grains_sent })?;
    let Heard { machine: server, outcome: receiver } = control.hear()?;
    let words: Vec<String> = std::env::args().skip(1).collect();
    let report = Report {
        command: format!("flypack bench {}", words.join(" ")),
        plan: Plan::of(&arguments.traffic)?,
        device: arguments.device.to_string(),
        machine: Machine::look(),
        sender,
        server,
        receiver,
    };
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", report.text());
    }
    Ok(report.verdict())
}

impl Report {
    fn verdict(&self) -> Verdict {
        if self.sender.is_whole() && self.receiver.is_whole() { Verdict::Whole } else { Verdict::Lossy }
    }

    fn text(&self) -> String {
        format!(
            "\n{}\n{}; by {}\nsender, {}receiver, {}",
            self.machine.text(),
            self.plan.text(),
            self.device,
            self.sender.text(),
            self.receiver.text()
        )
    }
}
