//! One writer for a folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

use super::files::context;
use crate::Error;

/// The right to write a folder, till this is dropped or the process ends, however it ends.
///
/// A process that is forked from this one has it too. If this one ends without dropping it, the folder stays locked until
/// the other has ended.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    process: u32,
}

impl Lock {
    /// Takes the right to write `folder`, whose lock file is `path`, or says who has it.
    pub(super) fn take(folder: &Path, path: &Path) -> Result<Self, Error> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(context("open", path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                // It is for the message alone; a writer that has just begun has not said it yet.
                let _ = file.read_to_string(&mut owner);
                return Err(Error::Locked {
                    path: folder.to_owned(),
                    process: owner.trim().parse().ok(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(context("lock", path)(source)),
        }
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(context("write", path))?;
        Ok(Self {
            file,
            process: std::process::id(),
        })
    }
}

/// Closing the file would not do: between fork and exec every child has it open, for whatever program it is.
impl Drop for Lock {
    fn drop(&mut self) {
        if self.process == std::process::id() {
            let _ = self.file.unlock();
        }
    }
}
