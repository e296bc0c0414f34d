//! Huge pages: what ports and rings need together, and what is free.

use super::finding::Finding;
use crate::config::{Config, ConfigError, DpdkMemoryConfig, PagesConfig};
use crate::port_plan::{DPDK_OCTETS, DpdkPlan};
use crate::{memory, specs};

const PAGE: u64 = 2 << 20;

const NAME: &str = "hugepages of ports and rings";

pub(super) fn look(config: &Config, dpdk: &DpdkPlan, port_octets: u64) -> Result<Finding, ConfigError> {
    let rings = ring_octets(config)?;
    let needed = Needed {
        ports: if config.ports.is_empty() || dpdk.memory == DpdkMemoryConfig::NoHuge {
            0
        } else {
            ports(dpdk, port_octets)
        },
        rings: if config.broker.pages == PagesConfig::Plain { 0 } else { rings },
        must_rings: config.broker.pages == PagesConfig::Huge,
        given: dpdk.memory_mib.map(|mib| u64::from(mib) << 20),
        asked: port_octets,
    };
    Ok(needed.judge(memory::huge_pages()))
}

fn ports(dpdk: &DpdkPlan, port_octets: u64) -> u64 {
    dpdk.memory_mib.map_or(port_octets + DPDK_OCTETS, |mib| u64::from(mib) << 20)
}

/// What the receivers' rings hold, in whole pages; the heads of the rings are small beside them.
fn ring_octets(config: &Config) -> Result<u64, ConfigError> {
    let octets = config.receivers.iter().map(|receiver| {
        let spec = specs::receiver(receiver)?;
        let slots = u64::from(spec.slots.unwrap_or(config.broker.slots));
        Ok((slots * u64::from(spec.sdp.format.frame_octets())).next_multiple_of(PAGE) + PAGE)
    });
    octets.sum()
}

/// What there must be, octets.
struct Needed {
    ports: u64,
    rings: u64,
    /// Whether rings do without huge pages only by an error.
    must_rings: bool,
    /// What the file gives the ports, whatever they need.
    given: Option<u64>,
    /// What the ports' pools need.
    asked: u64,
}

impl Needed {
    fn judge(&self, pages: Option<memory::HugePages>) -> Finding {
        let mib = |octets: u64| octets.div_ceil(1 << 20);
        let (ports, rings) = (self.ports.div_ceil(PAGE), self.rings.div_ceil(PAGE));
        let found = format!(
            "ports need {} MiB, the rings of receivers {} MiB: {} pages",
            mib(self.ports),
            mib(self.rings),
            ports + rings
        );
        if let Some(given) = self.given.filter(|given| *given < self.asked) {
            let fix = format!("dpdk.memory_mb = {} or more, or 0", mib(self.asked + DPDK_OCTETS));
            return Finding::fail(
                NAME,
                format!("dpdk.memory_mb gives {} MiB, the ports' pools need {}", mib(given), mib(self.asked)),
                fix,
            );
        }
        if ports + rings == 0 {
            return Finding::ok(NAME, "none are needed");
        }
        let Some(pages) = pages else {
            return Finding::warn(NAME, format!("{found}; how many are free is not known"), "mount -t proc proc /proc");
        };
        let found = format!("{found}, {} are free", pages.free);
        let missing = (ports + rings).saturating_sub(pages.free);
        let fix = format!("sysctl -w vm.nr_hugepages={}", pages.total + missing);
        match missing {
            0 => Finding::ok(NAME, found),
            _ if ports > pages.free || self.must_rings => Finding::fail(NAME, found, fix),
            _ => Finding::warn(NAME, format!("{found}; some rings will be on plain pages"), fix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Level;

    const MIB: u64 = 1 << 20;

    fn level(ports: u64, rings: u64, must_rings: bool, free: u64) -> (Level, String) {
        let needed = Needed { ports: ports * MIB, rings: rings * MIB, must_rings, given: None, asked: ports * MIB };
        let finding = needed.judge(Some(memory::HugePages { total: 600, free }));
        (finding.level, finding.found + &finding.fix.unwrap_or_default())
    }

    #[test]
    fn ports_cannot_do_without_their_pages_and_rings_can() {
        assert_eq!(level(200, 100, false, 150).0, Level::Ok);
        let (short, words) = level(200, 100, false, 149);
        assert!(short == Level::Warn && words.contains("nr_hugepages=601"), "{words}");
        assert_eq!(level(200, 100, true, 149).0, Level::Fail);
        let (short, words) = level(200, 100, false, 99);
        assert!(short == Level::Fail && words.contains("150 pages") && words.contains("nr_hugepages=651"), "{words}");
        assert_eq!(level(0, 0, true, 0).0, Level::Ok);
    }

    #[test]
    fn memory_that_the_file_gives_must_hold_the_pools() {
        let needed = Needed { ports: 64 * MIB, rings: 0, must_rings: false, given: Some(64 * MIB), asked: 100 * MIB };
        let finding = needed.judge(Some(memory::HugePages { total: 600, free: 600 }));
        assert!(finding.level == Level::Fail && finding.fix.unwrap().contains("memory_mb = 132"));
    }
}
