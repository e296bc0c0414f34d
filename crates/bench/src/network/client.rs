//! The end that sends.

#[cfg(feature = "dpdk")]
use std::net::SocketAddr;
use std::net::TcpStream;

use anyhow::{Context as _, Result, bail};
use netio::{RxQueue, TxQueue};
use shm::GrainLease;

use super::control::{Answer, Control, Heard, Offer, Sent};
use super::report::Report;
use super::search;
use crate::arguments::Client;
use crate::desk::Desk;
use crate::device::DeviceName;
use crate::plan::Plan;
use crate::plane::ends::Ends;
use crate::plane::live::{Here, Live};
use crate::plane::{Interval, udp};
use crate::traffic::Traffic;
use crate::{Machine, Verdict};

/// Sends, and prints what both ends found.
///
/// # Errors
/// When the server cannot be reached or refuses, or nothing can be sent.
pub fn call(arguments: &Client) -> Result<Verdict> {
    let device = Device::start(arguments)?;
    if arguments.search {
        return search::run(arguments, |traffic| send(arguments, &device, traffic));
    }
    let report = send(arguments, &device, &arguments.traffic)?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", report.text());
    }
    Ok(report.verdict())
}

/// What it sends by; DPDK starts once.
enum Device {
    Udp,
    #[cfg(feature = "dpdk")]
    Dpdk(dpdk::eal::Eal),
}

impl Device {
    fn start(arguments: &Client) -> Result<Self> {
        match &arguments.device {
            DeviceName::Udp => Ok(Self::Udp),
            #[cfg(feature = "dpdk")]
            DeviceName::Dpdk(_) => Ok(Self::Dpdk(crate::plane::port::start(
                &super::ports(&arguments.device, arguments.second_device.as_ref()),
                arguments.traffic.pages,
            )?)),
            #[cfg(not(feature = "dpdk"))]
            DeviceName::Dpdk(name) => bail!("{name} needs DPDK, which this program was built without"),
        }
    }
}

/// Asks the server, and sends.
fn send(arguments: &Client, device: &Device, traffic: &Traffic) -> Result<Report> {
    let stream = TcpStream::connect(arguments.server);
    let stream =
        stream.with_context(|| format!("no server at {}: start `flypack bench server` there", arguments.server))?;
    let mut control = Control::new(stream)?;
    control.tell(&Offer { version: env!("CARGO_PKG_VERSION").to_owned(), traffic: traffic.clone() })?;
    let destinations = match control.hear()? {
        Answer::Ready(destinations) => destinations,
        Answer::Refused(why) => bail!("the server refuses: {why}"),
    };
    match device {
        Device::Udp => talk(control, udp::open_to(destinations, arguments.interface.clone()), arguments, traffic),
        #[cfg(feature = "dpdk")]
        Device::Dpdk(eal) => over_ports(control, eal, destinations, arguments, traffic),
    }
}

#[cfg(feature = "dpdk")]
fn over_ports(
    control: Control,
    eal: &dpdk::eal::Eal,
    destinations: Vec<Vec<SocketAddr>>,
    arguments: &Client,
    traffic: &Traffic,
) -> Result<Report> {
    // Without an address of its own the port is nobody's neighbour.
    anyhow::ensure!(
        !arguments.addresses.is_empty()
            || destinations.iter().flatten().all(|destination| destination.ip().is_multicast()),
        "the server receives at {destinations:?}, and a port without an address sends to groups only: give the client's one on the \
         same network by --address, or start the server with --device and without --address"
    );
    let ports = super::ports(&arguments.device, arguments.second_device.as_ref());
    super::check_legs(traffic.legs, &ports)?;
    let mut ends = crate::plane::port::open(eal, &ports[..traffic.legs.into()], &arguments.addresses, traffic)?;
    ends.around.destinations = destinations;
    talk(control, ends, arguments, traffic)
}

fn talk<R, T>(mut control: Control, ends: Ends<R, T>, arguments: &Client, traffic: &Traffic) -> Result<Report>
where
    R: RxQueue + Send + 'static,
    T: TxQueue<Lease = GrainLease, Received = R::Buf> + 'static,
    Desk<R, T>: Send,
{
    let live = Live::begin(ends, traffic, Here::Client)?;
    let tell = |second, interval: &Interval| {
        let line = format!("{second:>4} s  {}", interval.text());
        if arguments.json {
            eprintln!("{line}");
        } else {
            println!("{line}");
        }
        Ok(())
    };
    let seen = live.watch(tell, |second| second >= traffic.seconds)?;
    let sender = live.end(seen)?;
    control.tell(&Sent { packets: sender.total.tx_packets, grains: sender.total.grains_sent })?;
    let Heard { machine: server, outcome: receiver } = control.hear()?;
    let words: Vec<String> = std::env::args().skip(1).collect();
    Ok(Report {
        command: format!("flypack bench {}", words.join(" ")),
        plan: Plan::of(traffic)?,
        device: arguments.device.to_string(),
        machine: Machine::look(),
        sender,
        server,
        receiver,
    })
}
