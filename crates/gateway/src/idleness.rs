//! What idle workers do: as the configuration says, or as the machine is.

use std::fs;
use std::path::Path;
use std::time::Duration;

use worker::{Core, IdlePolicy};

use crate::config::{IdleConfig, WorkersConfig};

/// What a worker does when it has nothing to do, by where it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idleness {
    /// On a core that others use too.
    pub shared: IdlePolicy,
    /// On a core that the scheduler leaves to it.
    pub isolated: IdlePolicy,
}

impl Idleness {
    /// As the configuration says. "auto" spins where nobody else can have the core, and sleeps elsewhere.
    #[must_use]
    pub fn of(config: &WorkersConfig) -> Self {
        let longest = Duration::from_micros(config.idle_sleep_us);
        match config.idle {
            IdleConfig::Auto => Self { shared: IdlePolicy::Event { longest }, isolated: IdlePolicy::Spin },
            IdleConfig::Event => IdlePolicy::Event { longest }.into(),
            IdleConfig::Sleep => IdlePolicy::Sleep { longest }.into(),
            IdleConfig::Spin => IdlePolicy::Spin.into(),
        }
    }

    /// For a worker on `core`; `None`: one that floats.
    #[must_use]
    pub fn on(self, core: Option<Core>) -> IdlePolicy {
        match core {
            Some(Core(core)) if isolated_cores(Path::new("/")).contains(&core) => self.isolated,
            _ => self.shared,
        }
    }
}

impl From<IdlePolicy> for Idleness {
    fn from(policy: IdlePolicy) -> Self {
        Self { shared: policy, isolated: policy }
    }
}

/// An operator's words.
#[must_use]
pub fn words(policy: IdlePolicy) -> &'static str {
    match policy {
        IdlePolicy::Spin => "spin",
        IdlePolicy::Sleep { .. } => "sleep",
        IdlePolicy::Event { .. } => "event",
    }
}

/// Cores that the scheduler puts nobody on: by the kernel's command line (`isolcpus`), and by isolated cpuset partitions
/// (Linux 6.7). `root` is where the machine's files are.
fn isolated_cores(root: &Path) -> Vec<usize> {
    let files = ["sys/devices/system/cpu/isolated", "sys/fs/cgroup/cpuset.cpus.isolated"];
    let lists = files.iter().filter_map(|file| fs::read_to_string(root.join(file)).ok());
    lists.flat_map(|list| cores(&list)).collect()
}

/// Cores of a list in the kernel's form, such as `2-5,7`.
fn cores(list: &str) -> Vec<usize> {
    let range = |part: &str| -> Option<std::ops::RangeInclusive<usize>> {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    list.trim().split(',').filter_map(range).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_the_kernel_is_read() {
        assert_eq!(cores("2-4,7\n"), [2, 3, 4, 7]);
        assert_eq!((cores("\n"), cores("x,3-"), cores("1")), (vec![], vec![], vec![1]));
    }

    #[test]
    fn isolated_cores_are_those_of_the_command_line_and_of_partitions() {
        let root = tempfile::tempdir().unwrap();
        assert!(isolated_cores(root.path()).is_empty());
        for (file, list) in
            [("sys/devices/system/cpu/isolated", "2\n"), ("sys/fs/cgroup/cpuset.cpus.isolated", "4-5\n")]
        {
            let file = root.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, list).unwrap();
        }
        assert_eq!(isolated_cores(root.path()), [2, 4, 5]);
    }

    #[test]
    fn only_auto_asks_what_the_core_is() {
        let longest = Duration::from_micros(1_000);
        let of = |idle| Idleness::of(&WorkersConfig { idle, ..WorkersConfig::default() });
        let auto = Idleness { shared: IdlePolicy::Event { longest }, isolated: IdlePolicy::Spin };
        assert_eq!(of(IdleConfig::Auto), auto);
        assert_eq!(of(IdleConfig::Spin), IdlePolicy::Spin.into());
        assert_eq!(of(IdleConfig::Sleep), IdlePolicy::Sleep { longest }.into());
        assert_eq!(of(IdleConfig::Event), IdlePolicy::Event { longest }.into());
        assert_eq!(auto.on(None), auto.shared);
    }
}
