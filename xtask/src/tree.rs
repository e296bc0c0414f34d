//! The text files of the project, read once.

use std::path::Path;
use std::{fs, io};

/// Folders that hold no source of ours.
const SKIPPED: [&str; 6] = ["target", ".git", "artifacts", "corpus", "coverage", "out"];

/// Every text file with its path relative to the root, `/` between the parts.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    files: Vec<(String, String)>,
}

impl Tree {
    /// Reads the tree under `root`; files that are not UTF-8 (pictures) are left out.
    ///
    /// # Errors
    /// When a folder or file cannot be read.
    pub fn read(root: &Path) -> io::Result<Self> {
        let mut tree = Self::default();
        tree.descend(root, "")?;
        tree.files.sort();
        Ok(tree)
    }

    /// The files as (path, text).
    #[must_use]
    pub fn files(&self) -> &[(String, String)] {
        &self.files
    }

    /// The Rust files.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.with_ending(".rs")
    }

    /// The manifests of all packages.
    pub(crate) fn manifests(&self) -> impl Iterator<Item = (&str, &str)> {
        self.with_ending("Cargo.toml")
    }

    fn with_ending(&self, ending: &'static str) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter(move |(path, _)| path.ends_with(ending)).map(|(path, text)| (&**path, &**text))
    }

    fn descend(&mut self, folder: &Path, prefix: &str) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            // In a second work tree `.git` is a file.
            if SKIPPED.contains(&&*name) {
                continue;
            }
            if entry.file_type()?.is_dir() {
                self.descend(&entry.path(), &format!("{path}/"))?;
            } else if let Ok(text) = String::from_utf8(fs::read(entry.path())?) {
                self.files.push((path, text));
            }
        }
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        Self { files: files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_read_without_what_was_built() {
        let root = tempfile::tempdir().unwrap();
        for (path, octets) in [("a/lib.rs", "//! a".as_bytes()), ("target/x.rs", b"x"), ("b.png", &[0xff, 0xfe])] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, octets).unwrap();
        }
        let tree = Tree::read(root.path()).unwrap();
        assert_eq!(tree.files(), [("a/lib.rs".to_owned(), "//! a".to_owned())]);
    }
}
