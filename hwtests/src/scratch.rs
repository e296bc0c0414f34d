//! A folder for the time of one run; it goes when the value drops or the process ends, however it ends.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::reaper::Undo;

/// A new folder in the system's place for temporary files, readable by every user.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    _undo: Undo,
}

impl Scratch {
    /// Makes it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("flypack-").tempdir().context("cannot make a temporary folder")?;
        let path = folder.path().to_owned();
        let undo = Undo::push(&format!("rm -rf '{}'", path.display()))?;
        // From here on it is the reaper who removes it.
        let _ = folder.keep();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).context("cannot open the folder to all")?;
        Ok(Self { path, _undo: undo })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a folder inside it into which everyone may write.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn folder_for_all(&self, name: &str) -> Result<PathBuf> {
        let path = self.path.join(name);
        std::fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).context("cannot open a folder to all")?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_with_all_that_is_in_it() {
        let scratch = Scratch::create().unwrap();
        let path = scratch.path().to_owned();
        std::fs::write(scratch.folder_for_all("inner").unwrap().join("file"), "x").unwrap();
        drop(scratch);
        assert!(!path.exists());
    }
}
