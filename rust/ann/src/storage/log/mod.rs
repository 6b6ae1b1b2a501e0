//! A log that is only appended to.
//!
//! A record is on the file in one call of the system, whole or not at all as far as a reader sees:
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | CRC-32 of bytes 4..20 |
//! | 4..8 | bytes of the body, `n` |
//! | 8..16 | its number: one more than that of the record before |
//! | 16..20 | CRC-32 of the body and its padding |
//! | 20..20+n | the body, then zeros to a multiple of 4 |
//!
//! Both checksums begin with the salt of the file, so that no payload, and no block of a deleted log that comes up after a
//! loss of power, is taken for a record.
//!
//! # What is torn and what is damaged
//!
//! An append writes behind everything that was acknowledged. So the first bytes that are no record are the end of an
//! **interrupted append** if no sound record follows them: they are cut, and [`Replay::cut`] says where and how many. If a
//! sound record does follow, acknowledged ones are **damaged**: [`Error::Damaged`] names file and place, and nothing is
//! changed. Because the length has a checksum of its own, a damaged length never hides what follows. Damage to
//! the very last record alone cannot be told from an interrupted append, and is cut.

mod header;
mod medium;
mod record;
mod replay;
#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use inferail_simd::map::Map;

use self::header::Header;
use self::medium::Medium;
use self::replay::Contents;
use super::files::{self, context};
use super::options::{Fsync, Options, Step};
use crate::Error;

pub use record::Record;
pub use replay::{Cut, Replay};

/// Staged bytes that are kept for the next append; more are given back.
const KEPT_BYTES: usize = 1 << 20;

/// A log, open for appending.
///
/// Nothing keeps a second one from writing the same file: a [`Directory`](super::Directory) sees to that.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    medium: Box<dyn Medium>,
    header: Header,
    /// The last record that is written.
    sequence: u64,
    /// Where it ends.
    length: u64,
    staged: Vec<u8>,
    staged_records: u64,
    options: Options,
    synced_at: Duration,
    is_synced: bool,
    stopped: Option<&'static str>,
    process: u32,
}

impl Log {
    /// Opens the log at `path`, or begins an empty one, and gives what it holds. The end of an interrupted append is cut.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] if it was begun with others, [`Error::Damaged`] or [`Error::Version`] for what is no sound
    /// log, [`Error::Io`].
    pub fn open(path: &Path, settings: &[u8], options: Options) -> Result<(Self, Replay), Error> {
        if !path.try_exists().map_err(context("look for", path))? {
            Self::create(path, settings, 0, options.clone())?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(context("open", path))?;
        let replay = map(path, &file, settings)?;
        if replay.cut().is_some() {
            // Not forced to the disk: should it come back, it is cut again.
            file.cut(replay.good_bytes())
                .map_err(context("cut the end of", path))?;
        }
        file.seek(SeekFrom::End(0))
            .map_err(context("find the end of", path))?;
        let log = Self::new(path, Box::new(file), &replay, options);
        Ok((log, replay))
    }

    /// An empty log at `path`, in place of what was there, whose first record will be `base` + 1.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn create(
        path: &Path,
        settings: &[u8],
        base: u64,
        options: Options,
    ) -> Result<Self, Error> {
        let mut log = Self::prepare(path, settings, base, options)?;
        log.finish_file()?;
        files::rename(&files::temporary(path), path)?;
        log.finish_name()?;
        Ok(log)
    }

    /// Leaves out every record up to number `covered`, in a new file that takes the place of this one.
    ///
    /// After an error this is the log that has the name, the old one or the new one.
    pub(super) fn rotate(&mut self, settings: &[u8], covered: u64) -> Result<(), Error> {
        let replay = self.replay(settings)?.after(covered);
        let mut log = Self::prepare(&self.path, settings, covered, self.options.clone())?;
        for record in replay.records() {
            log.copy(record?.body)?;
        }
        log.write_all_staged()?;
        log.finish_file()?;
        files::rename(&files::temporary(&self.path), &self.path)?;
        // Nobody needs the old file on the disk any more.
        std::mem::replace(self, log).is_synced = true;
        self.finish_name()
    }

    /// An empty log in the temporary file of `path`.
    fn prepare(path: &Path, settings: &[u8], base: u64, options: Options) -> Result<Self, Error> {
        let temporary = files::temporary(path);
        let (bytes, header) = header::write(settings, base)?;
        let mut file = File::create(&temporary).map_err(context("create", &temporary))?;
        file.write_all(&bytes)
            .map_err(context("write", &temporary))?;
        Ok(Self::begin(path, Box::new(file), header, options))
    }

    /// A log without a record, whose header is written.
    fn begin(path: &Path, medium: Box<dyn Medium>, header: Header, options: Options) -> Self {
        Self {
            path: path.to_owned(),
            medium,
            header,
            sequence: header.base,
            length: header.end as u64,
            staged: Vec::new(),
            staged_records: 0,
            synced_at: (options.now)(),
            options,
            is_synced: false,
            stopped: None,
            process: std::process::id(),
        }
    }

    fn new(path: &Path, medium: Box<dyn Medium>, replay: &Replay, options: Options) -> Self {
        let mut log = Self::begin(path, medium, replay.header(), options);
        log.sequence = replay.last();
        log.length = replay.good_bytes();
        log
    }

    /// Writes one record and gives its number. When this returns, the record survives the end of the process.
    ///
    /// # Errors
    ///
    /// As [`Log::append_all`].
    pub fn append(&mut self, body: &[u8]) -> Result<u64, Error> {
        self.append_all([body])
    }

    /// Writes records in one call of the system and gives the number of the last. An interrupted call may leave the first
    /// few of them.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`]; [`Error::Io`] if the disk is full, in both cases with the log as it was before;
    /// [`Error::Stopped`] if an earlier error could not be undone.
    pub fn append_all<'a>(
        &mut self,
        bodies: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<u64, Error> {
        for body in bodies {
            self.stage(|out| {
                out.extend_from_slice(body);
                Ok(())
            })?;
        }
        self.commit()
    }

    /// Puts one record behind those of the next [`Log::commit`]; after an error there are none.
    pub(super) fn stage(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.stage_within(self.options.max_record_bytes.min(u32::MAX as usize), write)
    }

    fn stage_within(
        &mut self,
        limit: usize,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let check = |bytes: usize| {
            if bytes <= limit {
                return Ok(bytes as u32);
            }
            Err(Error::TooLarge {
                bytes: bytes as u64,
                limit: limit as u64,
            })
        };
        let sequence = self.sequence + self.staged_records + 1;
        let staged = record::stage(&mut self.staged, self.header.salt, sequence, write, check);
        match staged {
            Ok(()) => self.staged_records += 1,
            Err(_) => self.unstage(),
        }
        staged
    }

    /// Writes what was staged, all of it or nothing.
    pub(super) fn commit(&mut self) -> Result<u64, Error> {
        self.write_all_staged()?;
        self.sync_if_due()?;
        Ok(self.sequence)
    }

    fn write_all_staged(&mut self) -> Result<(), Error> {
        let written = self.check_open().and_then(|()| self.write_staged());
        if written.is_ok() && self.staged_records > 0 {
            self.length += self.staged.len() as u64;
            self.sequence += self.staged_records;
            self.is_synced = false;
        }
        self.unstage();
        written
    }

    /// Writes a record of another log behind the others, whatever its size, and forces nothing to the disk.
    pub(super) fn copy(&mut self, body: &[u8]) -> Result<(), Error> {
        self.stage_within(u32::MAX as usize, |out| {
            out.extend_from_slice(body);
            Ok(())
        })?;
        if self.staged.len() >= KEPT_BYTES {
            self.write_all_staged()?;
        }
        Ok(())
    }

    /// What the file holds now.
    pub(super) fn replay(&self, settings: &[u8]) -> Result<Replay, Error> {
        let file = File::open(&self.path).map_err(context("open", &self.path))?;
        map(&self.path, &file, settings)
    }

    /// Forces everything that was appended to the disk.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; the log is then stopped, because the system may have dropped what it could not write.
    pub fn sync(&mut self) -> Result<(), Error> {
        self.check_open()?;
        if self.is_synced {
            return Ok(());
        }
        if let Err(source) = self.medium.sync() {
            self.stopped = Some("the disk did not take what was written");
            return Err(context("sync", &self.path)(source));
        }
        self.is_synced = true;
        self.synced_at = (self.options.now)();
        Ok(())
    }

    /// Forces everything to the disk if [`Options::fsync`] asks for it now: for a caller that has nothing to append.
    ///
    /// # Errors
    ///
    /// As [`Log::sync`].
    pub fn sync_if_due(&mut self) -> Result<(), Error> {
        match self.options.fsync {
            Fsync::Always => self.sync(),
            Fsync::Every(pause)
                if !self.is_synced
                    && (self.options.now)().saturating_sub(self.synced_at) >= pause =>
            {
                self.sync()
            }
            Fsync::Every(_) | Fsync::Never => Ok(()),
        }
    }

    /// The number of the last record.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The number of the record before the first.
    pub fn base(&self) -> u64 {
        self.header.base
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        self.length
    }

    fn finish_file(&mut self) -> Result<(), Error> {
        self.sync()?;
        self.options.watch.reached(Step::LogWritten);
        Ok(())
    }

    fn finish_name(&self) -> Result<(), Error> {
        files::sync_folder(&self.path)?;
        self.options.watch.reached(Step::LogInstalled);
        Ok(())
    }

    fn write_staged(&mut self) -> Result<(), Error> {
        let mut left = self.staged.as_slice();
        while !left.is_empty() {
            let failed = match self.medium.write(left) {
                Ok(0) => ErrorKind::WriteZero.into(),
                Ok(written) => {
                    left = &left[written..];
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            // What is there of the record would be taken for an interrupted append, but the next one must not follow it.
            if self.medium.cut(self.length).is_err() {
                self.stopped = Some("an append broke off and what it left could not be cut");
            }
            return Err(context("append to", &self.path)(failed));
        }
        Ok(())
    }

    fn check_open(&self) -> Result<(), Error> {
        let reason = match self.stopped {
            Some(reason) => reason,
            None if self.process != std::process::id() => "this process was forked from its writer",
            None => return Ok(()),
        };
        Err(Error::Stopped {
            path: self.path.clone(),
            reason,
        })
    }

    fn unstage(&mut self) {
        self.staged.clear();
        self.staged.shrink_to(KEPT_BYTES);
        self.staged_records = 0;
    }
}

/// With [`Fsync::Every`], what was appended since the last time is forced to the disk; an error is lost, call
/// [`Log::sync`] before to see it.
impl Drop for Log {
    fn drop(&mut self) {
        if matches!(self.options.fsync, Fsync::Every(_)) {
            let _ = self.sync();
        }
    }
}

/// What a log holds that this process alone writes.
pub(super) fn map(path: &Path, file: &File, settings: &[u8]) -> Result<Replay, Error> {
    let map = Map::new(file).map_err(context("map", path))?;
    let header = header::read(path, map.as_slice(), settings)?;
    Replay::new(path, Contents::Mapped(map), header)
}
