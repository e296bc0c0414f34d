//! The one folder of recordings: who may ask over the API cannot reach beyond it, nor overwrite anything in it.

use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use control::ArchiveError;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

/// What the index of a recording is called.
const INDEX_ENDING: &str = ".index";
const FOLDER_MODE: u32 = 0o750;
const FILE_MODE: u32 = 0o640;

/// The folder, open.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    path: PathBuf,
    fd: Arc<OwnedFd>,
}

/// Files that were made and have come to nothing yet: they go with it, unless they are kept.
#[derive(Debug)]
pub(super) struct Draft {
    folder: Folder,
    files: Vec<String>,
}

impl Draft {
    /// From here on the files stay.
    pub(super) fn keep(&mut self) {
        self.files.clear();
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        self.files.iter().for_each(|file| self.folder.unlink(file));
    }
}

/// The two files of a recording.
pub(super) struct Files {
    /// The grains: opened for direct access.
    pub(super) grains: OwnedFd,
    /// The index.
    pub(super) index: std::fs::File,
}

impl Folder {
    /// Opens the folder.
    ///
    /// # Errors
    /// [`ArchiveError::File`].
    pub(super) fn open(path: &Path) -> Result<Self, ArchiveError> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat(CWD, path, flags, Mode::empty()).map_err(|cause| ArchiveError::File {
            what: "cannot open the folder of recordings (record.folder)",
            path: path.display().to_string(),
            cause: cause.into(),
        })?;
        Ok(Self { path: path.to_owned(), fd: Arc::new(fd) })
    }

    /// Opens the folder; makes it, and those that it is in, where it is missing.
    ///
    /// # Errors
    /// [`ArchiveError::File`].
    pub(super) fn open_or_make(path: &Path) -> Result<Self, ArchiveError> {
        use std::os::unix::fs::DirBuilderExt as _;
        let made = std::fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path);
        made.map_err(|cause| ArchiveError::File {
            what: "cannot make the folder of recordings (record.folder)",
            path: path.display().to_string(),
            cause,
        })?;
        Self::open(path)
    }

    /// Where a recording is, for people.
    pub(super) fn shown(&self, file: &str) -> String {
        self.path.join(file).display().to_string()
    }

    /// The folder, for people.
    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Octets that may be written here.
    pub(super) fn free_octets(&self) -> u64 {
        rustix::fs::fstatvfs(&*self.fd).map_or(u64::MAX, |stat| stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Makes both files of a recording; neither may be there.
    ///
    /// # Errors
    /// [`ArchiveError`]; neither is there then.
    pub(super) fn make(&self, file: &str) -> Result<(Files, Draft), ArchiveError> {
        let flags = OFlags::CREATE | OFlags::EXCL;
        let index = self.at(file, INDEX_ENDING, flags | OFlags::WRONLY)?;
        let mut draft = Draft { folder: self.clone(), files: vec![format!("{file}{INDEX_ENDING}")] };
        let grains = self.at(file, "", flags | OFlags::WRONLY | OFlags::DIRECT)?;
        draft.files.push(file.to_owned());
        Ok((Files { grains, index: index.into() }, draft))
    }

    /// Makes a file that is written as any other; it must not be there.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub(super) fn make_plain(&self, file: &str) -> Result<(std::fs::File, Draft), ArchiveError> {
        let made = self.at(file, "", OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY)?;
        Ok((made.into(), Draft { folder: self.clone(), files: vec![file.to_owned()] }))
    }

    /// Opens a file that is read as any other.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub(super) fn open_plain(&self, file: &str) -> Result<std::fs::File, ArchiveError> {
        Ok(self.at(file, "", OFlags::RDONLY)?.into())
    }

    /// Opens both files of a recording to read them.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub(super) fn open_files(&self, file: &str) -> Result<Files, ArchiveError> {
        let index = self.at(file, INDEX_ENDING, OFlags::RDONLY)?;
        let grains = self.at(file, "", OFlags::RDONLY | OFlags::DIRECT)?;
        Ok(Files { grains, index: index.into() })
    }

    /// A file for a trial, that has no name and goes with its descriptor.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub(super) fn nameless(&self) -> Result<OwnedFd, ArchiveError> {
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::DIRECT | OFlags::CLOEXEC;
        openat(&*self.fd, ".", flags, Mode::from_raw_mode(FILE_MODE)).map_err(|errno| self.refusal("the trial", errno))
    }

    fn unlink(&self, file: &str) {
        if let Ok(file) = self.relative(file)
            && let Err(errno) = rustix::fs::unlinkat(&*self.fd, &file, rustix::fs::AtFlags::empty())
        {
            tracing::warn!("{} stays behind: {errno}", self.path.join(file).display());
        }
    }

    /// Opens a file of the recording `file`, whose name has `ending` behind it.
    fn at(&self, file: &str, ending: &str, flags: OFlags) -> Result<OwnedFd, ArchiveError> {
        let mut path = self.relative(file)?.into_os_string();
        path.push(ending);
        let mode = if flags.contains(OFlags::CREATE) { Mode::from_raw_mode(FILE_MODE) } else { Mode::empty() };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let opened = openat2(&*self.fd, &path, flags | OFlags::CLOEXEC, mode, resolve);
        opened.map_err(|errno| self.refusal(file, errno))
    }

    fn refusal(&self, file: &str, errno: Errno) -> ArchiveError {
        match errno {
            Errno::EXIST => ArchiveError::FileExists { path: self.shown(file) },
            Errno::NOENT => ArchiveError::NoFile { path: self.shown(file), folder: self.name() },
            Errno::INVAL | Errno::OPNOTSUPP => ArchiveError::NotDirect { folder: self.name(), cause: errno.into() },
            Errno::XDEV | Errno::LOOP => self.outside(file),
            _ => ArchiveError::File { what: "cannot open", path: self.shown(file), cause: errno.into() },
        }
    }

    /// The file relative to the folder, also where its whole path was said.
    fn relative(&self, file: &str) -> Result<PathBuf, ArchiveError> {
        let path = Path::new(file);
        let path = path.strip_prefix(&self.path).unwrap_or(path);
        let is_plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        if file.len() > 4000 || path.as_os_str().is_empty() || !is_plain || file.contains('\0') || file.ends_with('/') {
            return Err(self.outside(file));
        }
        Ok(path.to_owned())
    }

    fn outside(&self, file: &str) -> ArchiveError {
        ArchiveError::Outside { file: file.chars().take(200).collect(), folder: self.name() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Folder) {
        let place = tempfile::tempdir_in(std::env::current_exe().unwrap().parent().unwrap()).unwrap();
        let folder = Folder::open_or_make(&place.path().join("a/b")).unwrap();
        (place, folder)
    }

    #[test]
    fn nothing_is_made_or_read_outside_the_folder() {
        let (place, folder) = folder();
        std::fs::write(place.path().join("secret"), "x").unwrap();
        std::os::unix::fs::symlink("../../secret", folder.path.join("link")).unwrap();
        std::os::unix::fs::symlink("../..", folder.path.join("out")).unwrap();
        for file in ["", ".", "..", "../secret", "/etc/passwd", "a/../../secret", "x/", "nul\0", "link", "out/secret"] {
            for refused in [folder.make(file).err(), folder.open_files(file).err()] {
                let refused = refused.unwrap();
                let is_link = file == "link" && matches!(refused, ArchiveError::FileExists { .. });
                let is_told = matches!(refused, ArchiveError::Outside { .. } | ArchiveError::NoFile { .. });
                assert!(is_told || is_link, "{file:?}: {refused}");
            }
        }
        let left: Vec<_> =
            std::fs::read_dir(place.path().join("a/b")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }

    #[test]
    fn a_recording_is_never_overwritten_and_its_whole_path_is_its_name_too() {
        let (_place, folder) = folder();
        assert!(folder.make("take1").is_ok() && folder.open_files("take1").is_err(), "a draft that nobody keeps goes");
        folder.make("take1").unwrap().1.keep();
        assert!(matches!(folder.make("take1"), Err(ArchiveError::FileExists { .. })));
        assert!(matches!(folder.make(&folder.shown("take1")), Err(ArchiveError::FileExists { .. })));
        folder.open_files(&folder.shown("take1")).unwrap();
        std::fs::remove_file(folder.path.join("take1.index")).unwrap();
        assert!(matches!(folder.make("take1"), Err(ArchiveError::FileExists { .. })));
        assert!(!folder.path.join("take1.index").exists(), "what came to nothing leaves nothing");
        assert!(matches!(folder.open_files("take2"), Err(ArchiveError::NoFile { .. })));
    }
}
