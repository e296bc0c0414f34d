//! `flypackd --check`: what a configuration needs of this machine, before anything is opened. `flypack doctor --config`
//! shows it too.

mod cores;
mod finding;
mod memory;
mod netdev;
mod port;

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use crate::config::{Config, ConfigError};
use crate::port_plan;
pub use finding::{Finding, Level};
pub(crate) use netdev::own_address_warnings;

/// All that was found, in the order of the file.
#[derive(Clone, Debug, Serialize)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    /// Reads a configuration and looks at what it needs. One that cannot be read is a finding, too.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let looked = Config::load(path).and_then(|config| look(&config));
        Self(looked.unwrap_or_else(|refusal| {
            vec![Finding::fail("configuration", refusal.to_string(), format!("correct {}", path.display()))]
        }))
    }

    /// Whether a gateway with this configuration would work.
    #[must_use]
    pub fn would_work(&self) -> bool {
        self.0.iter().all(|finding| finding.level != Level::Fail)
    }

    /// A line for each, and one for each fix.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for Finding { name, level, found, fix } in &self.0 {
            let level = match level {
                Level::Ok => "ok  ",
                Level::Warn => "warn",
                Level::Fail => "FAIL",
            };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{level}  {name}: {found}");
            if let Some(fix) = fix {
                let _ = writeln!(text, "      fix: {fix}");
            }
        }
        text
    }

    /// One JSON document.
    #[must_use]
    pub fn json(&self) -> String {
        // Our own types have text keys only and cannot fail.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

fn look(config: &Config) -> Result<Vec<Finding>, ConfigError> {
    let (dpdk, ports) = (port_plan::dpdk(&config.dpdk)?, port_plan::ports(&config.ports)?);
    let mut findings = vec![Finding::ok(
        "configuration",
        format!("{} ports, {} receivers, {} senders", ports.len(), config.receivers.len(), config.senders.len()),
    )];
    let mut octets = 0;
    for plan in &ports {
        let (found, needed) = port::look(plan, &ports, &dpdk, config);
        findings.extend(found);
        octets += needed;
    }
    findings.extend(netdev::look(&ports));
    findings.push(cores::look(config));
    findings.push(memory::look(config, &dpdk, octets)?);
    Ok(findings)
}

#[cfg(test)]
mod tests;
