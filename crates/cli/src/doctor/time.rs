//! Time: TAI, and a PTP clock to take it from.

use super::machine::Machine;
use super::{Check, Trials};

pub(super) fn checks(machine: &Machine, trials: &Trials) -> Vec<Check> {
    let tai = trials.tai_offset_s.map(|offset| match offset {
        0 => Check::warn(
            "TAI offset",
            "0 s: nobody has told the kernel; every stream is async",
            "run ptp4l and phc2sys (apt-get install linuxptp), or chrony with `leapsectz right/UTC` in \
             /etc/chrony/chrony.conf (apt-get install chrony)",
        ),
        seconds => Check::ok("TAI offset", format!("{seconds} s")),
    });
    tai.into_iter().chain([ptp(machine)]).collect()
}

fn ptp(machine: &Machine) -> Check {
    const NAME: &str = "PTP clock";
    let clocks = machine.names("sys/class/ptp");
    let names = clocks.iter().map(|clock| {
        let name = machine.text(&format!("sys/class/ptp/{clock}/clock_name")).unwrap_or_default();
        format!("{clock} ({name})")
    });
    let found = names.collect::<Vec<_>>().join(", ");
    if found.is_empty() {
        let fix = "use a network card with a hardware clock, then: ptp4l -i INTERFACE -s & phc2sys -a -r";
        Check::warn(NAME, "none: time stamps are the system's, streams of others may be async", fix)
    } else {
        Check::ok(NAME, found)
    }
}
