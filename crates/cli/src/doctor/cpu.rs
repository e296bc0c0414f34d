//! The processors: isolated cores for the workers, full speed, a clock that is read without a system call.

use super::Check;
use super::machine::Machine;

pub(super) fn checks(machine: &Machine) -> Vec<Check> {
    vec![isolated(machine), governor(machine), clocksource(machine)]
}

fn isolated(machine: &Machine) -> Check {
    const NAME: &str = "isolated cores";
    let online = machine.text("sys/devices/system/cpu/online").unwrap_or_default();
    let given = |path: &str| machine.text(path).filter(|list| !list.is_empty() && list != "(null)");
    let mut lists: Vec<String> = given("sys/devices/system/cpu/isolated").into_iter().collect();
    lists.extend(given("sys/fs/cgroup/cpuset.cpus.isolated").or_else(|| partitions(machine)));
    lists.dedup();
    match (lists.is_empty(), given("sys/devices/system/cpu/nohz_full")) {
        (false, Some(tickless)) => {
            Check::ok(NAME, format!("{} of {online}; without the kernel's tick: {tickless}", lists.join(" and ")))
        }
        (false, None) => Check::warn(
            NAME,
            format!(
                "{} of {online}, all with the kernel's tick: a worker is interrupted some times a second",
                lists.join(" and ")
            ),
            "add nohz_full=LIST rcu_nocbs=LIST to GRUB_CMDLINE_LINUX in /etc/default/grub, then update-grub && reboot",
        ),
        (true, _) => Check::warn(
            NAME,
            format!("none of {}: the scheduler may interrupt a worker", if online.is_empty() { "?" } else { &online }),
            "add isolcpus=LIST nohz_full=LIST rcu_nocbs=LIST to GRUB_CMDLINE_LINUX in /etc/default/grub, then \
             update-grub && reboot; give LIST to the workers in flypackd.toml",
        ),
    }
}

/// The cores of the isolated partitions of cgroups, two folders deep.
fn partitions(machine: &Machine) -> Option<String> {
    const CGROUPS: &str = "sys/fs/cgroup";
    let below =
        |folder: &str| machine.names(folder).into_iter().map(|name| format!("{folder}/{name}")).collect::<Vec<_>>();
    let first = below(CGROUPS);
    let second: Vec<String> = first.iter().flat_map(|folder| below(folder)).collect();
    let is_isolated =
        |folder: &&String| machine.text(&format!("{folder}/cpuset.cpus.partition")).as_deref() == Some("isolated");
    let found = first.iter().chain(&second).filter(is_isolated);
    let lists: Vec<String> =
        found.filter_map(|folder| machine.text(&format!("{folder}/cpuset.cpus.effective"))).collect();
    (!lists.is_empty()).then(|| lists.join(","))
}

fn governor(machine: &Machine) -> Check {
    const NAME: &str = "governor";
    let folder = "sys/devices/system/cpu";
    let cpus = machine.names(folder).into_iter().filter(|name| {
        name.strip_prefix("cpu").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
    });
    let governors: Vec<String> =
        cpus.filter_map(|cpu| machine.text(&format!("{folder}/{cpu}/cpufreq/scaling_governor"))).collect();
    let slow = governors.iter().filter(|governor| *governor != "performance").count();
    match governors.first() {
        None => Check::ok(NAME, "no frequency scaling here"),
        Some(_) if slow == 0 => Check::ok(NAME, "performance on every core"),
        Some(_) => {
            let other = governors.iter().find(|governor| *governor != "performance").cloned().unwrap_or_default();
            let found = format!("{slow} of {} cores are not on performance ({other})", governors.len());
            Check::warn(NAME, found, "cpupower frequency-set -g performance (apt-get install linux-cpupower)")
        }
    }
}

/// The clocks that Linux reads from user space without entering the kernel.
fn clocksource(machine: &Machine) -> Check {
    const NAME: &str = "clocksource";
    let folder = "sys/devices/system/clocksource/clocksource0";
    match machine.text(&format!("{folder}/current_clocksource")).as_deref() {
        Some(fast @ ("tsc" | "kvm-clock" | "hyperv_clocksource_tsc_page" | "arch_sys_counter")) => {
            Check::ok(NAME, fast)
        }
        Some(slow) => Check::warn(
            NAME,
            format!("{slow}: each reading of the time is a system call"),
            format!("echo tsc > /{folder}/current_clocksource (or add tsc=reliable to the kernel's command line)"),
        ),
        None => Check::warn(NAME, "unknown: no /sys", "mount -t sysfs sysfs /sys"),
    }
}
