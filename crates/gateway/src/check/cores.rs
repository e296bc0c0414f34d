//! The cores that the configuration gives to workers: may the process use them, and who else does.

use control::CoreIsolation;
use worker::run::usable_cores;

use super::finding::Finding;
use crate::config::Config;
use crate::cores::Cores;

const NAME: &str = "cores of the workers";

pub(super) fn look(config: &Config) -> Finding {
    let mut named: Vec<usize> = config.workers.cores.clone();
    named.extend(config.ports.iter().flat_map(|port| port.core.iter().chain(&port.cores)));
    named.extend(&config.dpdk.cores);
    named.sort_unstable();
    named.dedup();
    judge(&named, &usable_cores(), &Cores::here())
}

fn judge(named: &[usize], usable: &[usize], cores: &Cores) -> Finding {
    if named.is_empty() {
        return Finding::ok(NAME, "none is named: one worker of each kind floats, which is enough for small rates");
    }
    let of = |what: &dyn Fn(usize) -> bool| -> Vec<String> {
        named.iter().filter(|core| what(**core)).map(ToString::to_string).collect()
    };
    let absent = of(&|core| !usable.contains(&core));
    if !absent.is_empty() {
        let found = format!("core {} is none that this process may use: {usable:?}", absent.join(", "));
        return Finding::fail(NAME, found, "name some of these in workers.cores, port.core, port.cores and dpdk.cores");
    }
    let shared = of(&|core| cores.isolation(core) == CoreIsolation::Shared);
    if !shared.is_empty() {
        let list = shared.join(",");
        let found = format!("not isolated: {list}; other threads may take turns with a worker there");
        let fix = format!(
            "boot with isolcpus={list} nohz_full={list} rcu_nocbs={list}, or make an isolated cgroup partition"
        );
        return Finding::warn(NAME, found, fix);
    }
    let ticking = of(&|core| cores.isolation(core) == CoreIsolation::Isolated);
    if ticking.is_empty() {
        return Finding::ok(NAME, format!("{named:?}, isolated and without the kernel's tick"));
    }
    let list = ticking.join(",");
    let found = format!("isolated, but with the kernel's tick: {list}");
    Finding::warn(NAME, found, format!("boot with nohz_full={list} rcu_nocbs={list} besides"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Level;

    #[test]
    fn cores_that_are_absent_shared_or_ticking_are_told_apart() {
        let root = tempfile::tempdir().unwrap();
        let cpu = root.path().join("sys/devices/system/cpu");
        std::fs::create_dir_all(&cpu).unwrap();
        std::fs::write(cpu.join("isolated"), "2-4\n").unwrap();
        std::fs::write(cpu.join("nohz_full"), "2-3\n").unwrap();
        let cores = Cores::below(root.path());
        let usable = [0, 1, 2, 3, 4];
        for (named, level, word) in [
            (&[][..], Level::Ok, "floats"),
            (&[2, 3], Level::Ok, "[2, 3]"),
            (&[2, 4], Level::Warn, "tick: 4"),
            (&[1, 2], Level::Warn, "not isolated: 1;"),
            (&[2, 7], Level::Fail, "core 7 "),
        ] {
            let finding = judge(named, &usable, &cores);
            assert!(finding.level == level && finding.found.contains(word), "{named:?}: {finding:?}");
        }
    }
}
