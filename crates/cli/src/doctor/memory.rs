//! Memory: hugepages for the rings, and what may be locked.

use super::machine::Machine;
use super::{Check, Trials};

const POOL: &str = "sys/kernel/mm/hugepages/hugepages-2048kB";
/// 1 GiB: twenty rings of eight frames of 1080p.
const ENOUGH_PAGES: u64 = 512;

pub(super) fn checks(machine: &Machine, trials: &Trials) -> Vec<Check> {
    let mut checks = vec![hugepages(machine)];
    checks.extend(trials.huge_memfd.as_ref().map(|trial| match trial {
        Ok(()) => Check::ok("hugepage memfd", "one page taken and given back"),
        Err(error) => Check::warn(
            "hugepage memfd",
            format!("no memfd on hugepages: {error}; rings are on plain pages of 4 KiB"),
            format!("sysctl -w vm.nr_hugepages={ENOUGH_PAGES}; in a container raise its hugetlb limit"),
        ),
    }));
    checks.push(locked(machine));
    checks
}

fn hugepages(machine: &Machine) -> Check {
    const NAME: &str = "hugepages";
    let fix = format!("sysctl -w vm.nr_hugepages={ENOUGH_PAGES} (lasting: a line in /etc/sysctl.d/flypack.conf)");
    let count = |file: &str| machine.number(&format!("{POOL}/{file}"));
    let (Some(total), Some(free)) = (count("nr_hugepages"), count("free_hugepages")) else {
        return Check::warn(
            NAME,
            "the kernel has no pages of 2 MiB; rings are on plain pages of 4 KiB",
            "run a kernel with hugetlbfs",
        );
    };
    let found = format!("{total} of 2 MiB, {free} free");
    match free {
        0 => Check::warn(NAME, format!("{found}; new rings are on plain pages of 4 KiB"), fix),
        1..64 => Check::warn(NAME, format!("{found}; a ring of 1080p takes 24 or more"), fix),
        _ => Check::ok(NAME, found),
    }
}

fn locked(machine: &Machine) -> Check {
    const NAME: &str = "locked memory";
    match machine.soft_limit("Max locked memory") {
        Some(u64::MAX) => Check::ok(NAME, "unlimited"),
        Some(octets) if octets >= 64 << 20 => Check::ok(NAME, format!("{} MiB", octets >> 20)),
        Some(octets) => Check::warn(
            NAME,
            format!("{} KiB: devices may not get enough pinned", octets >> 10),
            "ulimit -l unlimited, or LimitMEMLOCK=infinity in the systemd unit",
        ),
        None => Check::warn(NAME, "limit unknown: no /proc/self/limits", "mount -t proc proc /proc"),
    }
}
