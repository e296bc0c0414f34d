//! Kernel settings that go back to what they were: socket buffer limits, hugepages.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::reaper::Undo;

/// Socket receive buffer limit that a burst of whole frames needs, octets.
pub const RECEIVE_BUFFER_OCTETS: u64 = 33_554_432;

/// A setting under `/proc/sys` that is put back when the value drops.
#[derive(Debug)]
pub struct Sysctl {
    _undo: Option<Undo>,
}

impl Sysctl {
    /// Raises `name` (`net.core.rmem_max`) to at least `minimum`.
    ///
    /// # Errors
    /// Without the permission to write it, or when the kernel holds it at less.
    pub fn at_least(name: &str, minimum: u64) -> Result<Self> {
        let path = path(name);
        let before = value(&path)?;
        if before >= minimum {
            return Ok(Self { _undo: None });
        }
        let undo = Undo::push(&format!("echo {before} > {}", path.display()))?;
        fs::write(&path, minimum.to_string()).with_context(|| format!("cannot set {name} to {minimum}"))?;
        let after = value(&path)?;
        ensure!(after >= minimum, "{name} went to {after} only, not to {minimum}");
        Ok(Self { _undo: Some(undo) })
    }

    /// Reserves hugepages of 2 MB so that `count` are free now.
    ///
    /// # Errors
    /// Without the permission, or when memory is too fragmented.
    pub fn free_hugepages(count: u64) -> Result<Self> {
        let free = meminfo("HugePages_Free")?.saturating_sub(meminfo("HugePages_Rsvd")?);
        let total = meminfo("HugePages_Total")?;
        Self::at_least("vm.nr_hugepages", total + count.saturating_sub(free))
    }
}

/// The present value of a numeric setting.
///
/// # Errors
/// When there is none of that name, or it is not one number.
pub fn read(name: &str) -> Result<u64> {
    value(&path(name))
}

fn path(name: &str) -> PathBuf {
    PathBuf::from("/proc/sys").join(name.replace('.', "/"))
}

fn value(path: &PathBuf) -> Result<u64> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    text.trim().parse().with_context(|| format!("{} is not one number", path.display()))
}

/// A count out of `/proc/meminfo`.
fn meminfo(key: &str) -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    number.with_context(|| format!("/proc/meminfo does not say {key}"))
}
