//! `flypack bench local`: the data plane of a gateway without a network, on the real worker, rings and queues.

#[cfg(feature = "dpdk")]
mod bare;
mod ends;
#[cfg(feature = "dpdk")]
mod port;
mod run;
mod stage;
mod summary;
mod tally;
mod udp;

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::arguments::Local;
use crate::device::DeviceName;
use crate::{Machine, Spread};
pub use run::Outcome;
pub use summary::Summary;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// A worker sends from rings; nobody need receive.
    Tx,
    /// A worker sends from rings, another one receives into rings, and every octet is checked there.
    Loop,
    /// Bare packets over a ring of DPDK's, copied out on the other core; and memcpy of whole frames.
    Copy,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every packet arrived, and showed what was sent.
    Whole,
    /// Something was lost or wrong.
    Lossy,
}

/// Measures and prints.
///
/// # Errors
/// What could not be measured.
pub fn run(arguments: &Local) -> Result<Verdict> {
    let mut summary = Summary::new(Machine::look(), arguments)?;
    match (&arguments.device, arguments.kind) {
        (DeviceName::Udp, Kind::Copy) => bail!("copy runs on net_ring: leave --device out"),
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

fn over_sockets(arguments: &Local, summary: &mut Summary) -> Result<()> {
    for _ in 0..arguments.rounds {
        let ends = udp::open(&arguments.traffic)?;
        summary.rounds.push(run::round(ends, arguments, &summary.plan)?);
    }
    Ok(())
}

#[cfg(feature = "dpdk")]
fn over_ports(arguments: &Local, summary: &mut Summary) -> Result<()> {
    let eal = port::start(arguments)?;
    summary.dpdk = Some(eal.version());
    for _ in 0..arguments.rounds {
        if arguments.kind != Kind::Copy {
            let ends = port::open(&eal, arguments)?;
            summary.rounds.push(run::round(ends, arguments, &summary.plan)?);
        }
        if arguments.kind == Kind::Copy || arguments.bare {
            summary.bare.push(bare::measure(&eal, arguments, &summary.plan)?);
        }
    }
    Ok(())
}

#[cfg(not(feature = "dpdk"))]
fn over_ports(arguments: &Local, _: &mut Summary) -> Result<()> {
    bail!(
        "{} needs DPDK, which this program was built without: cargo build --release -p flypack-bench --features dpdk, \
         or --device udp",
        arguments.device
    )
}

/// Medians over rounds of something that not every round has.
fn spread(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
    let values: Vec<f64> = values.into_iter().collect();
    (!values.is_empty()).then(|| Spread::of(values))
}
