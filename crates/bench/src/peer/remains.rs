//! What a run leaves outside of its own folder.

use std::path::Path;

/// What the names of files of a run begin with where they stand elsewhere than in its folder.
pub(super) fn mark_of(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Removes what iceoryx2 leaves of a run in shared memory.
pub(crate) fn clean(folder: &Path) {
    let mark = mark_of(folder);
    let entries = std::fs::read_dir("/dev/shm").into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&mark)) {
        // What cannot be removed was not made by this user.
        let _ = std::fs::remove_file(entry.path());
    }
}
