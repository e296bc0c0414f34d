//! What EAL is asked for, and its argument vector.

use std::ffi::CString;

use rustix::thread::{CpuSet, sched_getaffinity};

use super::EalError;
use crate::pci::PciAddress;

/// Memory for pools and drivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Hugepages, `mib` of them taken (and faulted in) at start; more on demand while there are free ones.
    Huge {
        /// Mebibytes.
        mib: u32,
    },
    /// Ordinary pages, all of `mib` at start. For tests, and where there are no hugepages; no physical card then.
    NoHuge {
        /// Mebibytes.
        mib: u32,
    },
}

/// What devices call an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IovaMode {
    /// Virtual when only virtual devices are allowed; otherwise what EAL finds the buses to need.
    #[default]
    Auto,
    /// The process's own virtual addresses.
    Va,
    /// Physical addresses. Needs root.
    Pa,
}

/// The least severe lines of EAL and its drivers that reach stderr.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// Failures only.
    Error,
    /// What may become one.
    #[default]
    Warning,
    /// And notable events.
    Notice,
    /// And what a driver tells in normal operation.
    Info,
    /// Everything.
    Debug,
}

/// How EAL starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EalConfig {
    /// Where its memory comes from.
    pub memory: Memory,
    /// What devices call an address.
    pub iova: IovaMode,
    /// Sets the process apart in EAL's names; needed when a test wants it, not for correctness.
    pub file_prefix: Option<String>,
    /// The PCI devices that EAL may touch: none other is.
    pub allow: Vec<PciAddress>,
    /// Takes devices without an IOMMU too. Unsafe after a crash, see [`crate::iommu`].
    pub allow_no_iommu: bool,
    /// What reaches stderr.
    pub log_level: LogLevel,
}

impl EalConfig {
    /// Virtual devices only, with this memory.
    #[must_use]
    pub fn new(memory: Memory) -> Self {
        Self {
            memory,
            iova: IovaMode::Auto,
            file_prefix: None,
            allow: Vec::new(),
            allow_no_iommu: false,
            log_level: LogLevel::default(),
        }
    }

    /// EAL's argument vector.
    pub(super) fn arguments(&self) -> Result<Vec<CString>, EalError> {
        let mut words = vec!["flypack".to_owned(), "--lcores".to_owned(), lcores()?];
        let mut add = |parts: &[&str]| words.extend(parts.iter().map(|part| (*part).to_owned()));
        add(&["--no-telemetry", "--log-level", self.log_level.word()]);
        match self.memory {
            Memory::Huge { mib } => add(&["--in-memory", "-m", &mib.to_string()]),
            Memory::NoHuge { mib } => add(&["--no-huge", "--no-shconf", "-m", &mib.to_string()]),
        }
        if let Some(mode) = self.iova_word() {
            add(&["--iova-mode", mode]);
        }
        if let Some(prefix) = &self.file_prefix {
            add(&["--file-prefix", prefix]);
        }
        if self.allow.is_empty() {
            add(&["--no-pci"]);
        }
        for address in &self.allow {
            add(&["--allow", &address.to_string()]);
        }
        words.into_iter().map(|word| CString::new(word.clone()).map_err(|_| EalError::NulInside(word))).collect()
    }

    fn iova_word(&self) -> Option<&'static str> {
        match self.iova {
            IovaMode::Va => Some("va"),
            IovaMode::Pa => Some("pa"),
            IovaMode::Auto => self.allow.is_empty().then_some("va"),
        }
    }
}

impl LogLevel {
    fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

/// One lcore for EAL's thread that keeps the whole mask of the process: `0@(0,1)`.
fn lcores() -> Result<String, EalError> {
    let mask = sched_getaffinity(None).map_err(|error| EalError::Affinity(error.into()))?;
    let cpus: Vec<String> = (0..CpuSet::MAX_CPU).filter(|cpu| mask.is_set(*cpu)).map(|cpu| cpu.to_string()).collect();
    Ok(format!("0@({})", cpus.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(config: &EalConfig) -> String {
        let words = config.arguments().unwrap();
        words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn without_pci_devices_no_bus_is_searched_and_addresses_are_virtual() {
        let line = line(&EalConfig::new(Memory::Huge { mib: 64 }));
        assert!(line.contains("--in-memory -m 64 --iova-mode va --no-pci"), "{line}");
        assert!(line.contains("--no-telemetry") && line.contains("--lcores 0@("), "{line}");
    }

    #[test]
    fn pci_devices_are_allowed_one_by_one_and_leave_the_addresses_to_eal() {
        let mut config = EalConfig::new(Memory::Huge { mib: 64 });
        config.allow = vec!["3b:00.0".parse().unwrap(), "3b:00.1".parse().unwrap()];
        let text = line(&config);
        assert!(text.ends_with("--allow 0000:3b:00.0 --allow 0000:3b:00.1"), "{text}");
        assert!(!text.contains("iova"), "{text}");
        config.iova = IovaMode::Pa;
        assert!(line(&config).contains("--iova-mode pa"));
    }

    #[test]
    fn a_prefix_with_a_nul_is_refused() {
        let mut config = EalConfig::new(Memory::NoHuge { mib: 64 });
        config.file_prefix = Some("a\0b".to_owned());
        assert!(matches!(config.arguments(), Err(EalError::NulInside(word)) if word == "a\0b"));
    }
}
