//! The memory of this process, each page once.
//!
//! The kernel's own sums (`VmRSS`, `HugetlbPages`) count mappings: a ring that is mapped by its writer and by its reader would
//! be there twice.

use std::collections::HashMap;

/// What counts of a mapping: pages of 4 KiB, and those of 2 MiB, which the kernel counts apart.
const RESIDENT: [&str; 3] = ["Rss:", "Shared_Hugetlb:", "Private_Hugetlb:"];

/// What this process has in memory, octets; 0 where the kernel does not show it.
pub(super) fn octets() -> u64 {
    octets_in(&std::fs::read_to_string("/proc/self/smaps").unwrap_or_default())
}

/// Of mappings as proc_pid_smaps(5) shows them. Views of the same part of the same file are one: that which has touched most.
fn octets_in(smaps: &str) -> u64 {
    let (mut own, mut shared) = (0, HashMap::<[&str; 3], u64>::new());
    let mut lines = smaps.lines().peekable();
    while let Some(head) = lines.next() {
        let mut kilo_octets = 0;
        while let Some(line) = lines.next_if(|line| !is_head(line)) {
            kilo_octets += resident(line).unwrap_or(0);
        }
        match head.split_whitespace().collect::<Vec<_>>().as_slice() {
            [_, rights, offset, device, inode, ..] if rights.ends_with('s') => {
                let most = shared.entry([offset, device, inode]).or_default();
                *most = kilo_octets.max(*most);
            }
            _ => own += kilo_octets,
        }
    }
    (own + shared.values().sum::<u64>()) * 1024
}

/// `7fbc18000000-7fbc1a400000 rw-s …`, and no name of a value, which has a colon.
fn is_head(line: &str) -> bool {
    line.split_whitespace().next().is_some_and(|word| !word.ends_with(':'))
}

fn resident(line: &str) -> Option<u64> {
    let mut words = line.split_whitespace();
    if RESIDENT.contains(&words.next()?) { words.next()?.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_with_two_views_is_there_once() {
        let smaps = "5558ba8f9000-5558bac05000 rw-p 00000000 00:00 0    [heap]\nSize: 3000 kB\nRss: 100 kB\nPss: 100 kB\n\
                     7fbc18000000-7fbc1a400000 rw-s 00000000 00:01 57 /memfd:flypack-data (deleted)\nRss: 40 kB\n\
                     7fbc1a400000-7fbc1c800000 r--s 00000000 00:01 57 /memfd:flypack-data (deleted)\nRss: 36 kB\n\
                     7fbc1c800000-7fbc1e800000 rw-s 00000000 00:0f 57 /memfd:flypack-data (deleted)\n\
                     Rss: 0 kB\nShared_Hugetlb: 2048 kB\nPrivate_Hugetlb: 4096 kB\nVmFlags: rd wr\n";
        assert_eq!(octets_in(smaps), (100 + 40 + 6_144) * 1024);
    }

    #[test]
    fn what_is_touched_is_counted() {
        let before = octets();
        let touched = vec![1_u8; 64 << 20];
        assert!(octets() >= before + (60 << 20), "{before} and {} more", touched.len());
    }
}
