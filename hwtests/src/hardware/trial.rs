//! One test on one device of the rack, or on a virtual one in its place; how it came out is said and noted.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{PortPair, Rack};
use crate::isolated::{self, Isolated};
use crate::namespace::{self, Link, Namespace};
use crate::netdev::{self, Netdev};
use crate::sysctl::Sysctl;
use crate::turn::take_turn;

/// Tells a process which pair its test is on.
const PAIR: &str = "FLYPACK_HW_PAIR";
const LIMIT: Duration = Duration::from_secs(180);
/// The pair without hardware.
const VIRTUAL: (&str, &str, &str) = ("veth", "near", "far");

/// A test, and what it shows.
#[derive(Clone, Copy, Debug)]
pub struct Trial<'a> {
    /// The test's name.
    pub test: &'a str,
    /// What it shows, for the line that says that it did not.
    pub shown: &'a str,
}

impl Trial<'_> {
    /// Runs `body` on each pair of the rack, each time in a process of its own; without a rack on a veth pair.
    ///
    /// A line of the body that begins with `SKIPPED: ` says why the device cannot show it.
    ///
    /// # Errors
    /// When the file is wrong, or `body` fails on one of the pairs.
    pub fn on_pairs(&self, body: impl FnOnce(&PortPair)) -> Result<()> {
        let rack = Rack::from_environment()?;
        if isolated::is_inside(self.test) {
            body(&inside(rack)?);
            return Ok(());
        }
        let _turn = take_turn();
        match rack {
            Some(rack) if rack.pairs.is_empty() => self.skip(Some(&rack), "any pair", "the file names none"),
            Some(rack) => rack.pairs.iter().try_for_each(|pair| self.on_hardware(&rack, pair)),
            None => self.on_veth(),
        }
    }

    fn on_hardware(&self, rack: &Rack, pair: &PortPair) -> Result<()> {
        let _pages = Sysctl::free_hugepages(u64::from(rack.hugepages_mib))?;
        let said = Isolated::new(self.test).limit(LIMIT).env(PAIR, &*pair.name).run();
        self.tell(Some(rack), &pair.words(), said)
    }

    fn on_veth(&self) -> Result<()> {
        let (name, near, far) = VIRTUAL;
        if let Some(reason) = namespace::unavailable() {
            return self.skip(None, name, &format!("no network namespaces here: {reason}"));
        }
        let space = Namespace::create("pair")?;
        let peer = Link { namespace: &space, interface: far, addresses: &[] };
        netdev::wire(Netdev { namespace: &space, name: near }, peer, 1_500)?;
        let said = Isolated::new(self.test).limit(LIMIT).inside(&space).env(PAIR, name).run();
        self.tell(None, &PortPair::on_netdevs(name, near, far).words(), said)
    }

    /// Says how it came out on `device`, by what its process `said`.
    fn tell(&self, rack: Option<&Rack>, device: &str, said: Result<String>) -> Result<()> {
        let said = said.inspect_err(|_| drop(note(rack, &format!("FAILED  {} on {device}", self.test))))?;
        said.lines().filter(|line| !line.contains("SKIPPED")).for_each(|line| println!("{line}"));
        match said.lines().find_map(|line| line.split_once("SKIPPED: ")) {
            Some((_, reason)) => self.skip(rack, device, reason),
            None => self.ran(rack, device),
        }
    }

    /// Says, and notes in the rack's report, that it ran on `device`.
    ///
    /// # Errors
    /// When the report cannot be written.
    pub fn ran(&self, rack: Option<&Rack>, device: &str) -> Result<()> {
        note(rack, &format!("RAN     {} on {device}", self.test))
    }

    /// Says, and notes in the rack's report, that `device` cannot show it.
    ///
    /// # Errors
    /// When the report cannot be written.
    pub fn skip(&self, rack: Option<&Rack>, device: &str, reason: &str) -> Result<()> {
        let Self { test, shown } = self;
        note(rack, &format!("SKIPPED {test} on {device}: {reason}. Not shown: {shown} (docs/hardware.md)"))
    }
}

/// The pair that this process is to test.
fn inside(rack: Option<Rack>) -> Result<PortPair> {
    let (name, near, far) = VIRTUAL;
    let Some(rack) = rack else { return Ok(PortPair::on_netdevs(name, near, far)) };
    let wanted = std::env::var(PAIR).with_context(|| format!("no {PAIR}"))?;
    rack.pairs.into_iter().find(|pair| pair.name == wanted).with_context(|| format!("no pair {wanted}"))
}

fn note(rack: Option<&Rack>, line: &str) -> Result<()> {
    eprintln!("{line}");
    let Some(report) = rack.and_then(|rack| rack.report.as_ref()) else { return Ok(()) };
    let file = OpenOptions::new().create(true).append(true).open(report);
    file.and_then(|mut file| writeln!(file, "{line}")).with_context(|| format!("cannot write {}", report.display()))
}
