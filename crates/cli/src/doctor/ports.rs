//! What ports may need: TAPs for TCP on them, and an IOMMU in front of hardware.

use super::Check;
use super::machine::Machine;

pub(super) fn checks(machine: &Machine) -> Vec<Check> {
    let mut checks = vec![tun(machine)];
    checks.extend(no_iommu(machine));
    checks
}

fn tun(machine: &Machine) -> Check {
    const NAME: &str = "TAP devices";
    if machine.is_there("dev/net/tun") {
        return Check::ok(NAME, "/dev/net/tun");
    }
    let fix = "modprobe tun; in a container let /dev/net/tun in";
    Check::warn(NAME, "no /dev/net/tun: ports with exception = \"tap\" do not start", fix)
}

/// Whether vfio hands out devices that nothing keeps away from the rest of memory.
fn no_iommu(machine: &Machine) -> Option<Check> {
    const NAME: &str = "IOMMU";
    let is_unsafe = machine.text("sys/module/vfio/parameters/enable_unsafe_noiommu_mode").as_deref() == Some("Y");
    let groups = machine.names("sys/kernel/iommu_groups").len();
    match (is_unsafe, groups) {
        (true, _) => Some(Check::warn(
            NAME,
            "vfio gives devices away without one: after a crash such a device writes into memory that others own",
            "turn it on (intel_iommu=on or amd_iommu=on on the kernel's command line), and \
             echo N > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode",
        )),
        // Only hardware ports need one, and they say so themselves.
        (false, 0) => None,
        (false, groups) => Some(Check::ok(NAME, format!("{groups} groups"))),
    }
}
