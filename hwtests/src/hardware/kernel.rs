//! What the kernel says of a card and of this process's memory.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

const DEVICES: &str = "/sys/bus/pci/devices";

/// The kernel driver that a card is bound to; `None` for no driver, and for what is no card.
#[must_use]
pub fn driver_of(card: &str) -> Option<String> {
    let link = std::fs::read_link(Path::new(DEVICES).join(card).join("driver")).ok()?;
    Some(link.file_name()?.to_string_lossy().into_owned())
}

/// The NUMA node that a card is on; `None` where the kernel does not know.
#[must_use]
pub fn numa_node(card: &str) -> Option<u16> {
    let text = std::fs::read_to_string(Path::new(DEVICES).join(card).join("numa_node")).ok()?;
    // -1 where there is none.
    text.trim().parse().ok()
}

/// The octets of this process that are locked for devices (vfio counts them as locked, InfiniBand's verbs as pinned).
///
/// # Errors
/// When the kernel does not tell.
pub fn pinned_octets() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("cannot read /proc/self/status")?;
    Ok(pinned_in(&status))
}

fn pinned_in(status: &str) -> u64 {
    let kib = |line: &str| line.split_whitespace().nth(1)?.parse::<u64>().ok();
    let wanted = |line: &&str| line.starts_with("VmLck:") || line.starts_with("VmPin:");
    status.lines().filter(wanted).filter_map(kib).sum::<u64>() * 1_024
}

/// How many pages of the mapping that holds `address` are on which NUMA node.
///
/// # Errors
/// When the kernel has no NUMA, or there is no such mapping.
pub fn nodes_at(address: usize) -> Result<BTreeMap<u16, u64>> {
    let maps = std::fs::read_to_string("/proc/self/numa_maps").context("cannot read /proc/self/numa_maps")?;
    nodes_in(&maps, address).with_context(|| format!("/proc/self/numa_maps has no mapping that holds {address:#x}"))
}

/// As [`nodes_at`], in the text of `/proc/PID/numa_maps`: its lines begin with where a mapping starts, in order.
#[must_use]
pub fn nodes_in(maps: &str, address: usize) -> Option<BTreeMap<u16, u64>> {
    let start = |line: &str| usize::from_str_radix(line.split(' ').next()?, 16).ok();
    let line = maps.lines().take_while(|line| start(line).is_some_and(|start| start <= address)).last()?;
    let pages = |word: &str| {
        let (node, pages) = word.strip_prefix('N')?.split_once('=')?;
        Some((node.parse().ok()?, pages.parse().ok()?))
    };
    Some(line.split(' ').filter_map(pages).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "7f0000000000 bind:1 file=/memfd:ring\\040(deleted) huge dirty=4 N1=4 kernelpagesize_kB=2048\n\
                        7f0000800000 default anon=3 dirty=3 active=0 N0=2 N1=1 kernelpagesize_kB=4\n\
                        7f0000900000 default\n";

    #[test]
    fn a_mapping_is_found_by_any_of_its_addresses() {
        for (address, nodes) in [
            (0x7f00_0000_0000, vec![(1, 4)]),
            (0x7f00_007f_ffff, vec![(1, 4)]),
            (0x7f00_0080_0000, vec![(0, 2), (1, 1)]),
            (0x7f00_0090_0001, vec![]),
        ] {
            assert_eq!(nodes_in(MAPS, address), Some(nodes.into_iter().collect()), "{address:#x}");
        }
        assert_eq!(nodes_in(MAPS, 0x7eff_ffff_ffff), None);
    }

    #[test]
    fn locked_and_pinned_memory_count() {
        assert_eq!(pinned_in("VmPeak:\t 9 kB\nVmLck:\t     4 kB\nVmPin:\t     2 kB\nVmRSS:\t 7 kB\n"), 6 * 1_024);
        assert_eq!(pinned_in(""), 0);
    }

    #[test]
    fn this_process_is_told_of() {
        let here = 7_u64;
        assert!(pinned_octets().is_ok());
        if Path::new("/proc/self/numa_maps").exists() {
            assert!(!nodes_at((&raw const here).addr()).unwrap().is_empty());
        }
        assert_eq!((driver_of("ffff:ff:1f.7"), numa_node("ffff:ff:1f.7")), (None, None));
    }
}
