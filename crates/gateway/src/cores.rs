//! What the kernel says of its cores: which it keeps free of other threads and of its own tick, and which memory is near.
//!
//! A core is isolated by `isolcpus=` or `nohz_full=` on the kernel's command line, or by a cgroup whose
//! `cpuset.cpus.partition` is "isolated" (Linux 5.19 and later; Kubernetes' static CPU manager makes none). Only
//! `nohz_full=` takes the tick away.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use control::{CoreIsolation, WorkerStatus};

/// Folders of cgroups that are looked at, and how deep; more are somebody's mistake.
const CGROUPS_MAX: usize = 1_000;
const DEPTH_MAX: usize = 6;

/// The cores of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cores {
    isolated: BTreeSet<usize>,
    tickless: BTreeSet<usize>,
    nodes: Vec<(u16, BTreeSet<usize>)>,
}

impl Cores {
    /// Those of the machine whose `/sys` is below `root`. What is not told there is not so.
    #[must_use]
    pub fn below(root: &Path) -> Self {
        let cpu = root.join("sys/devices/system/cpu");
        let mut isolated = listed(&cpu.join("isolated"));
        let cgroups = root.join("sys/fs/cgroup");
        isolated.extend(listed(&cgroups.join("cpuset.cpus.isolated")));
        isolated.extend(partitions(&cgroups));
        Self { isolated, tickless: listed(&cpu.join("nohz_full")), nodes: nodes(&root.join("sys/devices/system/node")) }
    }

    /// Those of this machine.
    #[must_use]
    pub fn here() -> Self {
        Self::below(Path::new("/"))
    }

    /// Who else may run on `core`.
    #[must_use]
    pub fn isolation(&self, core: usize) -> CoreIsolation {
        match (self.isolated.contains(&core), self.tickless.contains(&core)) {
            (true, true) => CoreIsolation::Tickless,
            (true, false) => CoreIsolation::Isolated,
            (false, _) => CoreIsolation::Shared,
        }
    }

    /// The NUMA node of `core`, where there is more than one.
    #[must_use]
    pub fn numa_node(&self, core: usize) -> Option<u16> {
        let found = self.nodes.iter().find(|(_, cores)| cores.contains(&core));
        found.filter(|_| self.nodes.len() > 1).map(|(node, _)| *node)
    }
}

/// What an operator should know of the cores that workers have.
#[must_use]
pub fn warnings(workers: &[WorkerStatus]) -> Vec<String> {
    let is_shared = |worker: &&WorkerStatus| worker.core.is_some() && worker.isolation == CoreIsolation::Shared;
    let shared: Vec<&WorkerStatus> = workers.iter().filter(is_shared).collect();
    if shared.is_empty() {
        return Vec::new();
    }
    let mut who = String::new();
    for (at, worker) in shared.iter().enumerate() {
        let comma = if at > 0 { ", " } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(who, "{comma}{} on core {}", worker.name, worker.core.unwrap_or_default());
    }
    vec![format!(
        "no isolated core: {who}; other threads may take turns with a worker there, and packets are lost meanwhile; boot with \
         isolcpus= and nohz_full= for these cores, or make a cgroup of them with cpuset.cpus.partition = isolated"
    )]
}

/// A list of cores in a file, as "0,2-5"; empty for what is no list ("(null)" among it).
fn listed(file: &Path) -> BTreeSet<usize> {
    std::fs::read_to_string(file).ok().and_then(|text| list(&text)).unwrap_or_default()
}

fn list(text: &str) -> Option<BTreeSet<usize>> {
    let mut cores = BTreeSet::new();
    for part in text.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.trim().parse::<u16>().ok()?, last.trim().parse::<u16>().ok()?);
        cores.extend((first..=last).map(usize::from));
    }
    Some(cores)
}

/// The cores of all isolated partitions of cgroups that this process can see.
fn partitions(root: &Path) -> BTreeSet<usize> {
    let (mut cores, mut seen) = (BTreeSet::new(), 0);
    let mut waiting: Vec<(PathBuf, usize)> = vec![(root.to_owned(), 0)];
    while let Some((folder, depth)) = waiting.pop() {
        let kind = std::fs::read_to_string(folder.join("cpuset.cpus.partition")).unwrap_or_default();
        // One that the kernel could not make says "isolated invalid (why)".
        if kind.trim() == "isolated" {
            cores.extend(listed(&folder.join("cpuset.cpus.effective")));
        }
        seen += 1;
        if depth < DEPTH_MAX && seen < CGROUPS_MAX {
            let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            waiting.extend(folders.map(|entry| (entry.path(), depth + 1)));
        }
    }
    cores
}

fn nodes(folder: &Path) -> Vec<(u16, BTreeSet<usize>)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let node = |entry: std::fs::DirEntry| {
        let number = entry.file_name().to_str()?.strip_prefix("node")?.parse().ok()?;
        Some((number, listed(&entry.path().join("cpulist"))))
    };
    let mut nodes: Vec<_> = entries.filter_map(node).collect();
    nodes.sort_by_key(|(number, _)| *number);
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> (Cores, tempfile::TempDir) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        (Cores::below(root.path()), root)
    }

    #[test]
    fn cores_are_isolated_by_the_command_line_or_by_a_cgroup() {
        use CoreIsolation::{Isolated, Shared, Tickless};
        let (cores, _root) = machine(&[
            ("sys/devices/system/cpu/isolated", "2-3\n"),
            ("sys/devices/system/cpu/nohz_full", "3-4\n"),
            ("sys/fs/cgroup/cpuset.cpus.isolated", "6\n"),
            ("sys/fs/cgroup/media/flypack/cpuset.cpus.partition", "isolated\n"),
            ("sys/fs/cgroup/media/flypack/cpuset.cpus.effective", "7,9\n"),
            ("sys/fs/cgroup/other/cpuset.cpus.partition", "isolated invalid (Cpu list in cpuset.cpus not exclusive)\n"),
            ("sys/fs/cgroup/other/cpuset.cpus.effective", "1\n"),
            ("sys/fs/cgroup/root/cpuset.cpus.partition", "root\n"),
            ("sys/fs/cgroup/root/cpuset.cpus.effective", "0\n"),
        ]);
        let found: Vec<_> = (0..10).map(|core| cores.isolation(core)).collect();
        let expected = [Shared, Shared, Isolated, Tickless, Shared, Shared, Isolated, Isolated, Shared, Isolated];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_machine_that_tells_nothing_isolates_nothing() {
        for text in ["\n", "(null)\n", "2-\n", "a-b\n"] {
            let (cores, _root) = machine(&[("sys/devices/system/cpu/isolated", text)]);
            assert_eq!(cores, Cores::default(), "{text:?}");
        }
    }

    #[test]
    fn memory_is_near_or_far_only_where_there_are_two_nodes() {
        let node0 = ("sys/devices/system/node/node0/cpulist", "0-1,4\n");
        let (cores, _root) = machine(&[node0]);
        assert_eq!(cores.numa_node(0), None);
        let (cores, _root) = machine(&[node0, ("sys/devices/system/node/node1/cpulist", "2-3\n")]);
        assert_eq!([0, 3, 4, 9].map(|core| cores.numa_node(core)), [Some(0), Some(1), Some(0), None]);
    }

    #[test]
    fn only_a_pinned_worker_on_a_shared_core_is_warned_of() {
        let worker = |name: &str, core, isolation| WorkerStatus {
            name: name.to_owned(),
            core,
            isolation,
            ..WorkerStatus::default()
        };
        let fine = [worker("floats", None, CoreIsolation::Shared), worker("well", Some(2), CoreIsolation::Isolated)];
        assert_eq!(warnings(&fine), Vec::<String>::new());
        let bad = [worker("a", Some(0), CoreIsolation::Shared), worker("b", Some(1), CoreIsolation::Shared)];
        let warned = warnings(&bad);
        assert!(warned.len() == 1 && warned[0].contains("a on core 0, b on core 1;"), "{warned:?}");
    }
}
