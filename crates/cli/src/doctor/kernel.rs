//! The kernel: its version, and the sealed memory that rings are made of.

use super::machine::Machine;
use super::{Check, Trials};

pub(super) fn checks(machine: &Machine, trials: &Trials) -> Vec<Check> {
    let mut checks = vec![version(machine), open_files(machine)];
    checks.extend(trials.sealed_memfd.as_ref().map(|trial| match trial {
        Ok(()) => Check::ok("sealed memory", "memfd with all seals of a ring"),
        Err(error) => Check::fail(
            "sealed memory",
            format!("no sealed memfd: {error}"),
            "run Linux 5.1 or later, and let memfd_create and fcntl through the container's seccomp profile",
        ),
    }));
    checks
}

/// 5.1 has F_SEAL_FUTURE_WRITE, without which there are no rings; 6.1 is Debian 12's.
fn version(machine: &Machine) -> Check {
    const NAME: &str = "kernel";
    let fix = "apt-get install linux-image-amd64 && reboot (Debian 12 or later)";
    let Some(release) = machine.text("proc/sys/kernel/osrelease") else {
        return Check::warn(NAME, "version unknown: no /proc/sys/kernel/osrelease", "mount -t proc proc /proc");
    };
    match parse_release(&release) {
        Some(version) if version < (5, 1) => Check::fail(NAME, format!("{release}, rings need 5.1"), fix),
        Some(version) if version < (6, 1) => Check::warn(NAME, format!("{release}, tested from 6.1 on"), fix),
        Some(_) => Check::ok(NAME, release),
        None => Check::warn(NAME, format!("version \"{release}\" not understood"), fix),
    }
}

fn parse_release(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// A ring takes two descriptors, and each of its consumers three more.
fn open_files(machine: &Machine) -> Check {
    const NAME: &str = "open files";
    let fix = "ulimit -n 65536, or LimitNOFILE=65536 in the systemd unit";
    match machine.soft_limit("Max open files") {
        None => Check::warn(NAME, "limit unknown: no /proc/self/limits", "mount -t proc proc /proc"),
        Some(u64::MAX) => Check::ok(NAME, "unlimited"),
        Some(limit) if limit < 256 => Check::fail(NAME, format!("limit {limit}, a small node needs 256"), fix),
        Some(limit) if limit < 1024 => Check::warn(NAME, format!("limit {limit}, 1024 or more is better"), fix),
        Some(limit) => Check::ok(NAME, format!("limit {limit}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_of_distributions_are_read() {
        for (text, version) in [
            ("6.1.0-13-amd64", Some((6, 1))),
            ("5.15.167.4-microsoft", Some((5, 15))),
            ("6.18", Some((6, 18))),
            ("", None),
            ("six", None),
        ] {
            assert_eq!(parse_release(text), version, "{text}");
        }
    }
}
