//! Files that are replaced whole, and the words for what the system refuses.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::Error;

/// How the name of a file ends that is not finished.
const TEMPORARY: &str = ".temporary";

/// The highest number from which a file may count on; adding to it never overflows.
pub(super) const MAX_SEQUENCE: u64 = u64::MAX / 2;

/// Puts the place and the attempt to an error of the system.
pub(super) fn context(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

/// The file beside `path` that becomes it when it is finished.
pub(super) fn temporary(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(TEMPORARY);
    PathBuf::from(name)
}

/// Gives a finished and synced file its name, in place of what had it.
pub(super) fn rename(temporary: &Path, path: &Path) -> Result<(), Error> {
    fs::rename(temporary, path).map_err(context("rename a finished file to", path))
}

/// Makes the entry of `path` in its folder survive a loss of power.
pub(super) fn sync_folder(path: &Path) -> Result<(), Error> {
    // Only there can a folder be opened and synced.
    if cfg!(unix) {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(context("sync the folder", folder))?;
    }
    Ok(())
}
