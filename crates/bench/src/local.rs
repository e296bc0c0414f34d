//! `flypack bench local`: the data plane of a gateway without a network, on the real worker, rings and queues.

#[cfg(feature = "dpdk")]
mod bare;
#[cfg(feature = "dpdk")]
mod rx;
mod summary;
#[cfg(feature = "dpdk")]
mod testpmd;

use std::net::Ipv4Addr;

use anyhow::{Result, bail, ensure};
use netio::{RxQueue, TxQueue};
use shm::GrainLease;

use crate::arguments::{Kind, Local, Rival};
use crate::desk::Desk;
use crate::device::DeviceName;
use crate::plane::ends::Ends;
use crate::plane::live::{Here, Live};
use crate::plane::{Outcome, udp};
use crate::producer::Content;
use crate::{Machine, Verdict};
pub use summary::Summary;

/// Measures and prints.
///
/// # Errors
/// What could not be measured.
pub fn run(arguments: &Local) -> Result<Verdict> {
    check(arguments)?;
    if arguments.kind == Kind::Rx {
        receive(arguments)?;
        return Ok(Verdict::Whole);
    }
    let mut summary = Summary::new(Machine::look(), arguments)?;
    match (&arguments.device, arguments.kind) {
        (DeviceName::Udp, Kind::Copy) => bail!("copy runs on net_ring: leave --device out"),
        (DeviceName::Udp, Kind::Relay) => bail!("relay runs on a port of DPDK's: leave --device out"),
        (DeviceName::Udp, _) => over_sockets(arguments, &mut summary)?,
        (DeviceName::Dpdk(_), _) => over_ports(arguments, &mut summary)?,
    }
    summary.finish();
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&summary)?);
    } else {
        print!("{}", summary.text());
    }
    Ok(summary.verdict())
}

fn check(arguments: &Local) -> Result<()> {
    match arguments.against {
        Some(Rival::Testpmd) => {
            ensure!(arguments.kind == Kind::Tx, "testpmd only sends: compare `tx` with it, and `loop` with bare");
            #[cfg(feature = "dpdk")]
            testpmd::check()?;
            Ok(())
        }
        Some(Rival::Bare) => {
            ensure!(arguments.kind == Kind::Loop, "bare packets are sent and received: compare `loop` with them");
            ensure!(arguments.device != DeviceName::Udp, "bare packets go over net_ring, not sockets");
            Ok(())
        }
        None => Ok(()),
    }
}

#[cfg(feature = "dpdk")]
use rx::run as receive;

#[cfg(not(feature = "dpdk"))]
fn receive(_: &Local) -> Result<()> {
    bail!("rx needs DPDK, which this program was built without: make build-bench")
}

fn over_sockets(arguments: &Local, summary: &mut Summary) -> Result<()> {
    for _ in 0..arguments.rounds {
        let ends = udp::open(Ipv4Addr::LOCALHOST.into(), arguments.traffic.streams, arguments.traffic.legs)?;
        summary.rounds.push(round(ends, arguments)?);
    }
    Ok(())
}

#[cfg(feature = "dpdk")]
fn over_ports(arguments: &Local, summary: &mut Summary) -> Result<()> {
    use crate::plane::port;

    let (device, traffic) = (&arguments.device, &arguments.traffic);
    let second = arguments.second_device.as_ref().unwrap_or(device);
    let feed = DeviceName::Dpdk("net_ring".to_owned());
    let devices = match (arguments.kind, traffic.legs) {
        (Kind::Relay, _) => vec![&feed, device],
        (_, 1) => vec![device],
        _ => vec![device, second],
    };
    let eal = port::start(&devices, traffic.pages)?;
    summary.dpdk = Some(eal.version());
    for _ in 0..arguments.rounds {
        if arguments.kind != Kind::Copy {
            let ends = match arguments.kind {
                Kind::Relay => port::open_relay(&eal, [&feed, device], traffic)?,
                _ => port::open(&eal, &devices, &[], traffic)?,
            };
            summary.rounds.push(round(ends, arguments)?);
        }
        if arguments.kind == Kind::Copy || arguments.against == Some(Rival::Bare) {
            summary.bare.push(bare::measure(&eal, arguments)?);
        }
        if arguments.against == Some(Rival::Testpmd) {
            summary.testpmd.push(testpmd::measure(device, traffic)?);
        }
    }
    Ok(())
}

fn round<R, T>(ends: Ends<R, T>, arguments: &Local) -> Result<Outcome>
where
    R: RxQueue + Send + 'static,
    T: TxQueue<Lease = GrainLease, Received = R::Buf> + 'static,
    Desk<R, T>: Send,
{
    let here = match arguments.kind {
        // A ring stands still when it is full: somebody takes what arrives, on the other core.
        Kind::Tx if is_ring(&arguments.device) => Here::Emptied(Content::FrontAlone),
        Kind::Tx => Here::Sender(Content::FrontAlone),
        Kind::Relay => Here::Relay(arguments.destinations),
        Kind::Rx | Kind::Loop | Kind::Copy => Here::Both,
    };
    let live = Live::begin(ends, &arguments.traffic, here)?;
    let tell = |second, interval: &crate::plane::Interval| {
        match (arguments.quiet, arguments.json) {
            (true, _) => {}
            // Who reads it is elsewhere when the output is for a program.
            (false, true) => eprintln!("{second:>4} s  {}", interval.text()),
            (false, false) => println!("{second:>4} s  {}", interval.text()),
        }
        Ok(())
    };
    let seen = live.watch(tell, |second| second >= arguments.traffic.seconds)?;
    live.end(seen)
}

fn is_ring(device: &DeviceName) -> bool {
    matches!(device, DeviceName::Dpdk(name) if name.starts_with("net_ring"))
}

#[cfg(not(feature = "dpdk"))]
fn over_ports(arguments: &Local, _: &mut Summary) -> Result<()> {
    bail!("{} needs DPDK, which this program was built without: make build-bench, or --device udp", arguments.device)
}
