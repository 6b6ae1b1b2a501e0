//! The folder of an index: a snapshot, and the log of every change since.
//!
//! | file | what |
//! |---|---|
//! | `index.snapshot` | the index after some change; missing until the first snapshot |
//! | `index.log` | changes, at least all that are later |
//! | `index.lock` | locked by the writer, with the id of its process |
//! | `*.temporary` | what was not finished; removed when the folder is opened |
//!
//! A snapshot takes the place of what is in the log in four steps, and a crash between any two leaves a folder from
//! which everything comes back:
//!
//! 1. the new snapshot is written to a temporary file and forced to the disk;
//! 2. it is renamed, and the folder forced to the disk. The log still has changes that the snapshot covers: they have
//!    numbers, and are left out;
//! 3. a new log with the changes that are later is written to a temporary file and forced to the disk;
//! 4. it is renamed, and the folder forced to the disk.
//!
//! Opening takes the last two steps for one that did not come to them.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::change::Change;
use super::files::{self, context};
use super::lock::Lock;
use super::log::{Cut, Log, Replay};
use super::options::Options;
use super::snapshot::{Sealed, Snapshot, SnapshotWriter};
use crate::Error;

const SNAPSHOT: &str = "index.snapshot";
const LOG: &str = "index.log";
const LOCK: &str = "index.lock";

/// How often a reader looks again while a writer replaces the files.
const READ_ATTEMPTS: usize = 100;

/// The one writer of a folder.
#[derive(Debug)]
pub struct Directory {
    folder: PathBuf,
    settings: Vec<u8>,
    options: Options,
    log: Log,
    _lock: Lock,
}

/// A folder that was opened for writing, and what was in it.
#[derive(Debug)]
pub struct Opened {
    /// For what comes now.
    pub directory: Directory,
    /// The index as it once was.
    pub snapshot: Option<Snapshot>,
    /// Every change since.
    pub replay: Replay,
    /// What had to be put in order.
    pub report: Report,
}

/// What was not as a writer leaves it that had the time to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// There was no log. Beside a snapshot this means that somebody deleted it, and the changes since with it.
    pub began_log: bool,
    /// The end of an interrupted append was cut from the log; it was never acknowledged.
    pub cut: Option<Cut>,
    /// A snapshot had been put in place, and the log had not been shortened yet.
    pub finished_snapshot: bool,
    /// Unfinished files that were removed.
    pub removed: Vec<PathBuf>,
}

/// What is in a folder, for a reader that changes nothing and may have company of a writer.
#[derive(Debug)]
pub struct Reading {
    /// The index as it once was.
    pub snapshot: Option<Snapshot>,
    /// Every change since, up to now. [`Replay::cut`] is the append that is being written, or was interrupted.
    pub replay: Replay,
}

impl Directory {
    /// Opens the folder at `path` for writing, with everything that was ever acknowledged; a missing one is made.
    ///
    /// `settings` are what the index must have been made with, in bytes of the caller's choice.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] if it has a writer; [`Error::Settings`] if the index was made with others;
    /// [`Error::Damaged`], [`Error::Version`] or [`Error::Gap`] if it cannot be read as it was; [`Error::Io`].
    pub fn open(path: &Path, settings: &[u8], options: Options) -> Result<Opened, Error> {
        fs::create_dir_all(path).map_err(context("create the folder", path))?;
        let lock = Lock::take(path, &path.join(LOCK))?;
        let mut report = Report {
            removed: remove_unfinished(path)?,
            ..Report::default()
        };
        let log_path = path.join(LOG);
        let snapshot = open_snapshot(&path.join(SNAPSHOT), settings)?;
        let covered = snapshot.as_ref().map_or(0, Snapshot::sequence);
        report.began_log = !log_path
            .try_exists()
            .map_err(context("look for", &log_path))?;
        if report.began_log {
            Log::create(&log_path, settings, covered, options.clone())?;
        }
        let (mut log, mut replay) = Log::open(&log_path, settings, options.clone())?;
        report.cut = replay.cut();
        check_gap(&log_path, replay.base(), covered)?;
        if replay.base() < covered {
            // Also where the log ends before the snapshot does, as it may after a loss of power: the next change must
            // not get a number that the snapshot covers.
            log.rotate(settings, covered)?;
            replay = log.replay(settings)?;
            report.finished_snapshot = true;
        }
        let directory = Self {
            folder: path.to_owned(),
            settings: settings.to_owned(),
            options,
            log,
            _lock: lock,
        };
        Ok(Opened {
            directory,
            snapshot,
            replay,
            report,
        })
    }

    /// Writes changes in one call of the system and gives the number of the last. When this returns they survive the end of
    /// the process, and with [`Fsync::Always`](super::Fsync::Always) that of the machine.
    ///
    /// An interrupted call may leave the first few of them, each whole.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`], or [`Error::Io`] if the disk is full: nothing was changed then; [`Error::Stopped`] after an
    /// error that could not be undone, and in a forked process.
    pub fn append(&mut self, changes: &[Change<'_>]) -> Result<u64, Error> {
        for change in changes {
            self.log.stage(|out| change.encode(out))?;
        }
        self.log.commit()
    }

    /// Writes a snapshot of the index as it is now, and empties the log.
    ///
    /// # Errors
    ///
    /// What `write` returns, or as [`SnapshotWriter`] and [`Directory::install`]; nothing is lost then, and the directory
    /// can be used on.
    pub fn snapshot(
        &mut self,
        write: impl FnOnce(&mut SnapshotWriter) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut writer = self.begin_snapshot()?;
        write(&mut writer)?;
        self.install(writer.seal()?)
    }

    /// Begins a snapshot of the index as it is now, to be written while changes go on: in any thread, from a copy of the
    /// index at this moment, then [`SnapshotWriter::seal`] and [`Directory::install`].
    ///
    /// # Errors
    ///
    /// [`Error::Io`], also while another one is being written.
    pub fn begin_snapshot(&self) -> Result<SnapshotWriter, Error> {
        SnapshotWriter::watched(
            &self.folder.join(SNAPSHOT),
            &self.settings,
            self.log.sequence(),
            self.options.watch.clone(),
        )
    }

    /// Puts a finished snapshot in its place, and leaves in the log what came after it began.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`] if it was not begun here; [`Error::Io`]. The directory can be used on, with the old log or the
    /// new one.
    pub fn install(&mut self, sealed: Sealed) -> Result<(), Error> {
        let covered = sealed.sequence();
        if sealed.path() != self.folder.join(SNAPSHOT) || covered > self.log.sequence() {
            return Err(Error::Snapshot {
                problem: "it was not begun by this directory",
            });
        }
        sealed.install()?;
        self.log.rotate(&self.settings, covered)
    }

    /// Forces everything to the disk.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], after which no more changes are taken.
    pub fn sync(&mut self) -> Result<(), Error> {
        self.log.sync()
    }

    /// Forces everything to the disk if [`Options::fsync`] asks for it now: for a caller that has nothing to append.
    ///
    /// # Errors
    ///
    /// As [`Directory::sync`].
    pub fn sync_if_due(&mut self) -> Result<(), Error> {
        self.log.sync_if_due()
    }

    /// The number of the last change.
    pub fn sequence(&self) -> u64 {
        self.log.sequence()
    }

    /// Changes in the log: what the next opening has to go through.
    pub fn logged_changes(&self) -> u64 {
        self.log.sequence() - self.log.base()
    }

    /// Bytes of the log.
    pub fn log_bytes(&self) -> u64 {
        self.log.bytes()
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }
}

impl Reading {
    /// Reads the folder at `path` as it is now, also while a writer has it.
    ///
    /// # Errors
    ///
    /// As [`Directory::open`], but never [`Error::Locked`].
    pub fn open(path: &Path, settings: &[u8]) -> Result<Self, Error> {
        let log_path = path.join(LOG);
        let mut attempt = 1;
        loop {
            let snapshot = open_snapshot(&path.join(SNAPSHOT), settings)?;
            let covered = snapshot.as_ref().map_or(0, Snapshot::sequence);
            // A copy: the writer may cut the file at any time, and then a map ends the process that looks.
            let bytes = fs::read(&log_path).map_err(context("read", &log_path))?;
            let replay = Replay::of_bytes(&log_path, bytes, settings)?;
            match check_gap(&log_path, replay.base(), covered) {
                Ok(()) => {
                    return Ok(Self {
                        snapshot,
                        replay: replay.after(covered),
                    });
                }
                // Both files were replaced between the two looks.
                Err(_) if attempt < READ_ATTEMPTS => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }
}

/// The log begins at the snapshot's end or before it.
fn check_gap(path: &Path, log: u64, snapshot: u64) -> Result<(), Error> {
    if log <= snapshot {
        return Ok(());
    }
    Err(Error::Gap {
        path: path.to_owned(),
        log,
        snapshot,
    })
}

fn open_snapshot(path: &Path, settings: &[u8]) -> Result<Option<Snapshot>, Error> {
    let snapshot = match Snapshot::open(path) {
        Ok(snapshot) => snapshot,
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if snapshot.settings() != settings {
        return Err(Error::Settings {
            path: path.to_owned(),
            found: snapshot.settings().to_owned(),
        });
    }
    Ok(Some(snapshot))
}

/// Removes what a writer before this one did not finish.
fn remove_unfinished(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut removed = Vec::new();
    for name in [SNAPSHOT, LOG] {
        let path = files::temporary(&folder.join(name));
        match fs::remove_file(&path) {
            Ok(()) => removed.push(path),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(context("remove the unfinished", &path)(error)),
        }
    }
    Ok(removed)
}
