//! The kernel's sockets: room for the bursts of a whole frame.

use super::Check;
use super::machine::Machine;

/// Several frames of 1080p: what a sender that bursts needs.
const RECEIVE_OCTETS: u64 = 33_554_432;
/// A frame of 1080p and more.
const SEND_OCTETS: u64 = 8_388_608;

pub(super) fn checks(machine: &Machine) -> Vec<Check> {
    vec![buffer(machine, "net.core.rmem_max", RECEIVE_OCTETS), buffer(machine, "net.core.wmem_max", SEND_OCTETS)]
}

fn buffer(machine: &Machine, name: &'static str, enough_octets: u64) -> Check {
    let path = format!("proc/sys/{}", name.replace('.', "/"));
    match machine.number(&path) {
        Some(octets) if octets >= enough_octets => Check::ok(name, format!("{octets} octets")),
        Some(octets) => Check::warn(
            name,
            format!("{octets} octets, a burst of a frame needs {enough_octets}"),
            format!("sysctl -w {name}={enough_octets} (lasting: a line in /etc/sysctl.d/flypack.conf)"),
        ),
        // Only the first network namespace has them.
        None => Check::warn(
            name,
            "not visible in this network namespace",
            format!("sysctl -w {name}={enough_octets} on the host"),
        ),
    }
}
