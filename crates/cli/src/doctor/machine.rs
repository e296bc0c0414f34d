//! A machine as its `/proc` and `/sys` show it.

use std::fs;
use std::path::PathBuf;

/// The files below a root folder.
#[derive(Debug)]
pub(super) struct Machine {
    root: PathBuf,
}

impl Machine {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The text of `path` (without its leading slash), without surrounding blanks.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.root.join(path)).ok().map(|text| text.trim().to_owned())
    }

    /// Whether there is anything at `path`.
    pub(super) fn is_there(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    /// The number that `path` holds.
    pub(super) fn number(&self, path: &str) -> Option<u64> {
        self.text(path)?.parse().ok()
    }

    /// The names in folder `path`, sorted; none if it is not there.
    pub(super) fn names(&self, path: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.root.join(path)) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// The soft limit `name` of this process ("Max open files"); `None` if unknown, `u64::MAX` if unlimited.
    pub(super) fn soft_limit(&self, name: &str) -> Option<u64> {
        let text = self.text("proc/self/limits")?;
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        match line.split_whitespace().next()? {
            "unlimited" => Some(u64::MAX),
            number => number.parse().ok(),
        }
    }
}
