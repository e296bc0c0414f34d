//! The doctor before machines made of files.

use std::fs;
use std::io;

use super::*;

struct Patient(tempfile::TempDir);

impl Patient {
    fn new(files: &[(&str, &str)]) -> Self {
        let patient = Self(tempfile::tempdir().unwrap());
        for (path, text) in files {
            let path = patient.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        patient
    }

    fn report(&self, trials: &Trials) -> Report {
        Report::of(self.0.path().to_owned(), trials)
    }
}

const LIMITS: &str = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            65536                524288               files     \n\
                      Max locked memory         unlimited            unlimited            bytes     \n";

const HEALTHY: &[(&str, &str)] = &[
    ("proc/sys/kernel/osrelease", "6.1.0-13-amd64\n"),
    ("proc/self/limits", LIMITS),
    ("sys/devices/system/cpu/online", "0-7\n"),
    ("sys/devices/system/cpu/isolated", "2-7\n"),
    ("sys/devices/system/cpu/nohz_full", "2-7\n"),
    ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n"),
    ("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "performance\n"),
    ("sys/devices/system/cpu/cpufreq/nothing", ""),
    ("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n"),
    ("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "512\n"),
    ("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "500\n"),
    ("proc/sys/net/core/rmem_max", "33554432\n"),
    ("proc/sys/net/core/wmem_max", "33554432\n"),
    ("sys/class/ptp/ptp0/clock_name", "ice-0000:17:00.0-clk\n"),
    ("dev/net/tun", ""),
    ("sys/kernel/iommu_groups/0/type", "DMA\n"),
];

fn healthy_trials() -> Trials {
    Trials { sealed_memfd: Some(Ok(())), huge_memfd: Some(Ok(())), tai_offset_s: Some(37) }
}

/// The check `name` on a healthy machine on which one file is another (or, without text, missing).
fn ailing(path: &str, text: Option<&str>, name: &str) -> Check {
    let mut files: Vec<_> = HEALTHY.iter().copied().filter(|(other, _)| *other != path).collect();
    files.extend(text.map(|text| (path, text)));
    let report = Patient::new(&files).report(&healthy_trials());
    let others = report.checks.iter().filter(|check| check.name != name);
    assert!(
        others
            .clone()
            .all(|check| check.level == Level::Ok || check.name == "locked memory" || check.name == "open files")
    );
    report.checks.into_iter().find(|check| check.name == name).unwrap()
}

#[test]
fn a_healthy_machine_is_all_ok() {
    let report = Patient::new(HEALTHY).report(&healthy_trials());
    let unwell: Vec<_> = report.checks.iter().filter(|check| check.level != Level::Ok).collect();
    assert!(unwell.is_empty(), "{unwell:?}");
    assert_eq!((report.worst, report.checks.len()), (Level::Ok, 15));
    assert!(report.checks.iter().all(|check| check.fix.is_none()));
}

#[test]
fn each_ailment_is_found_with_its_fix() {
    let governor = "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor";
    let clock = "sys/devices/system/clocksource/clocksource0/current_clocksource";
    let free = "sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages";
    let cases = [
        ("proc/sys/kernel/osrelease", Some("4.19.0-26"), "kernel", Level::Fail, "linux-image"),
        ("proc/sys/kernel/osrelease", Some("5.10.0-26"), "kernel", Level::Warn, "linux-image"),
        ("proc/sys/kernel/osrelease", None, "kernel", Level::Warn, "/proc"),
        ("sys/devices/system/cpu/isolated", Some("\n"), "isolated cores", Level::Warn, "isolcpus="),
        (governor, Some("powersave"), "governor", Level::Warn, "cpupower"),
        (clock, Some("hpet"), "clocksource", Level::Warn, "tsc"),
        (free, Some("0"), "hugepages", Level::Warn, "vm.nr_hugepages=512"),
        (free, Some("30"), "hugepages", Level::Warn, "vm.nr_hugepages=512"),
        (free, None, "hugepages", Level::Warn, "hugetlbfs"),
        ("proc/sys/net/core/rmem_max", Some("212992"), "net.core.rmem_max", Level::Warn, "net.core.rmem_max=33554432"),
        ("proc/sys/net/core/wmem_max", Some("junk"), "net.core.wmem_max", Level::Warn, "on the host"),
        ("sys/devices/system/cpu/nohz_full", Some("(null)"), "isolated cores", Level::Warn, "nohz_full=LIST"),
        ("sys/class/ptp/ptp0/clock_name", None, "PTP clock", Level::Warn, "ptp4l"),
        ("dev/net/tun", None, "TAP devices", Level::Warn, "modprobe tun"),
        ("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", Some("Y\n"), "IOMMU", Level::Warn, "iommu=on"),
    ];
    for (path, text, name, level, fix) in cases {
        let check = ailing(path, text, name);
        assert_eq!(check.level, level, "{check:?}");
        assert!(check.fix.as_ref().is_some_and(|text| text.contains(fix)), "{check:?}");
    }
}

#[test]
fn limits_are_read_from_the_process() {
    let with = |files: &str, locked: &str| {
        let limits =
            format!("Max open files   {files}  524288  files\nMax locked memory  {locked}  unlimited  bytes\n");
        let level = |name| ailing("proc/self/limits", Some(&limits), name).level;
        (level("open files"), level("locked memory"))
    };
    assert_eq!(with("1024", "67108864"), (Level::Ok, Level::Ok));
    assert_eq!(with("unlimited", "8388608"), (Level::Ok, Level::Warn));
    assert_eq!(with("1000", "unlimited"), (Level::Warn, Level::Ok));
    assert_eq!(with("64", "0"), (Level::Fail, Level::Warn));
}

#[test]
fn failed_trials_are_reported() {
    let refused = || Some(Err(io::Error::from(io::ErrorKind::OutOfMemory)));
    let trials = Trials { sealed_memfd: Some(Ok(())), huge_memfd: refused(), tai_offset_s: Some(0) };
    let report = Patient::new(HEALTHY).report(&trials);
    assert_eq!(report.worst, Level::Warn);
    let unwell: Vec<_> = report.checks.iter().filter(|check| check.level != Level::Ok).map(|c| &*c.name).collect();
    assert_eq!(unwell, ["hugepage memfd", "TAI offset"]);
    let report = Patient::new(HEALTHY).report(&Trials { sealed_memfd: refused(), ..healthy_trials() });
    assert_eq!(report.worst, Level::Fail);
}

#[test]
fn an_empty_root_is_no_reason_to_fail() {
    let report = Patient::new(&[]).report(&Trials::default());
    assert_eq!(report.worst, Level::Warn);
    assert!(report.text().contains("fix: "));
}

#[test]
fn every_check_has_a_line() {
    let report = Patient::new(HEALTHY).report(&healthy_trials());
    assert_eq!(report.text().lines().count(), report.checks.len());
    assert!(report.text().lines().all(|line| line.starts_with("ok  ")));
}

#[test]
fn cores_of_an_isolated_partition_are_isolated() {
    let mut files: Vec<_> = HEALTHY.iter().copied().filter(|(path, _)| !path.ends_with("cpu/isolated")).collect();
    let partition = "sys/fs/cgroup/media.slice/flypack.service/cpuset.cpus.partition";
    files.push((partition, "isolated\n"));
    files.push(("sys/fs/cgroup/media.slice/flypack.service/cpuset.cpus.effective", "4-5\n"));
    let report = Patient::new(&files).report(&healthy_trials());
    let check = report.checks.iter().find(|check| check.name == "isolated cores").unwrap();
    assert!(check.level == Level::Ok && check.found.contains("4-5"), "{check:?}");
}
