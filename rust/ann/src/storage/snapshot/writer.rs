//! Writing a snapshot beside the one it replaces.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::super::files::{self, context};
use super::super::options::{Step, Watch};
use super::layout::{self, ALIGNMENT, Block, Header, PIECE_BYTES, Part, Table};
use crate::Error;

const BUFFER_BYTES: usize = 1 << 20;

/// Writes blocks to a temporary file, which is removed again if this is dropped unfinished.
///
/// A block is a kind, which means what the caller wants, and parts: arrays of bytes, each at a multiple of 64 in the file
/// and so in memory when it is mapped. [`SnapshotWriter::block`] takes parts that are arrays already; what has to be
/// gathered is written with [`SnapshotWriter::begin_block`], [`begin_part`](SnapshotWriter::begin_part) and
/// [`extend`](SnapshotWriter::extend).
#[derive(Debug)]
pub struct SnapshotWriter {
    out: BufWriter<File>,
    unfinished: Unfinished,
    path: PathBuf,
    settings: Vec<u8>,
    sequence: u64,
    table: Table,
    at: usize,
    is_in_part: bool,
    sum: crc32fast::Hasher,
    watch: Watch,
}

/// A snapshot that is whole and on disk, and does not have its name yet.
#[derive(Debug)]
pub struct Sealed {
    unfinished: Unfinished,
    path: PathBuf,
    sequence: u64,
    watch: Watch,
}

impl SnapshotWriter {
    /// Begins the snapshot that will be at `path`, of an index with these settings after change `sequence`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], also if another snapshot of the same path is being written.
    pub fn create(path: &Path, settings: &[u8], sequence: u64) -> Result<Self, Error> {
        Self::watched(path, settings, sequence, Watch::default())
    }

    /// Like [`SnapshotWriter::create`], telling each step.
    pub(in super::super) fn watched(
        path: &Path,
        settings: &[u8],
        sequence: u64,
        watch: Watch,
    ) -> Result<Self, Error> {
        if u32::try_from(settings.len()).is_err() {
            return Err(Error::TooLarge {
                bytes: settings.len() as u64,
                limit: u64::from(u32::MAX),
            });
        }
        let temporary = files::temporary(path);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&temporary)
            .map_err(context("begin", &temporary))?;
        let mut writer = Self {
            out: BufWriter::with_capacity(BUFFER_BYTES, file),
            unfinished: Unfinished(Some(temporary)),
            path: path.to_owned(),
            settings: settings.to_owned(),
            sequence,
            table: Table::default(),
            at: 0,
            is_in_part: false,
            sum: crc32fast::Hasher::new(),
            watch,
        };
        // The header comes last, when all of it is known: until then the file is none.
        writer.write(&vec![0; layout::header_bytes(settings)])?;
        writer.watch.reached(Step::SnapshotBegun);
        Ok(writer)
    }

    /// The change after which the index is as it is written here.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Writes a whole block and gives its number.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn block(&mut self, kind: u32, parts: &[&[u8]]) -> Result<usize, Error> {
        let index = self.begin_block(kind)?;
        for part in parts {
            self.begin_part()?;
            self.extend(part)?;
        }
        Ok(index)
    }

    /// Begins a block without a part and gives its number.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; [`Error::Snapshot`] after more blocks than 32 bits can count.
    pub fn begin_block(&mut self, kind: u32) -> Result<usize, Error> {
        self.end_part()?;
        let parts = self.table.parts.len();
        self.table.blocks.push(Block {
            kind,
            parts: parts..parts,
        });
        self.check_counts()?;
        Ok(self.table.blocks.len() - 1)
    }

    /// Begins an empty part of the block.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; [`Error::Snapshot`] without a block, or after more parts than 32 bits can count.
    pub fn begin_part(&mut self) -> Result<(), Error> {
        self.end_part()?;
        let Some(block) = self.table.blocks.last_mut() else {
            return Err(Error::Snapshot {
                problem: "a part needs a block to be in",
            });
        };
        self.table.parts.push(Part {
            bytes: self.at..self.at,
            first_piece: self.table.sums.len(),
        });
        block.parts.end = self.table.parts.len();
        self.is_in_part = true;
        self.check_counts()
    }

    /// Appends to the part.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; [`Error::Snapshot`] without a part.
    pub fn extend(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if !self.is_in_part {
            return Err(Error::Snapshot {
                problem: "bytes need a part to be in",
            });
        }
        self.checked(bytes)?;
        if let Some(part) = self.table.parts.last_mut() {
            part.bytes.end = self.at;
        }
        Ok(())
    }

    /// Writes table and header, and forces everything to the disk.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; nothing is left then.
    pub fn seal(mut self) -> Result<Sealed, Error> {
        self.end_part()?;
        let table = self.table.encode();
        let header = Header {
            sequence: self.sequence,
            end: layout::header_bytes(&self.settings),
            table_start: self.at,
            table_sum: crc32fast::hash(&table),
        };
        let header = header.encode(&self.settings);
        self.write(&table)?;
        let path = &self.unfinished.0;
        let place = path.as_deref().unwrap_or(&self.path);
        self.out
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.out.write_all(&header))
            .and_then(|()| self.out.flush())
            .and_then(|()| self.out.get_ref().sync_all())
            .map_err(context("finish", place))?;
        self.watch.reached(Step::SnapshotSealed);
        Ok(Sealed {
            unfinished: self.unfinished,
            path: self.path,
            sequence: self.sequence,
            watch: self.watch,
        })
    }

    /// Writes what is missing and puts the snapshot in place of the one before, durably.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn finish(self) -> Result<(), Error> {
        self.seal()?.install()
    }

    /// Fills the part up to a multiple of 64 and notes the checksum of its last piece.
    fn end_part(&mut self) -> Result<(), Error> {
        if !std::mem::take(&mut self.is_in_part) {
            return Ok(());
        }
        let padding = self.at.next_multiple_of(ALIGNMENT) - self.at;
        self.checked(&[0; ALIGNMENT][..padding])?;
        if !(self.at - self.start()).is_multiple_of(PIECE_BYTES) {
            self.end_piece();
        }
        Ok(())
    }

    /// Writes bytes of the part, or its padding, and sums them up piece by piece.
    fn checked(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let start = self.start();
        let mut left = bytes;
        while !left.is_empty() {
            let room = PIECE_BYTES - (self.at - start) % PIECE_BYTES;
            let (piece, behind) = left.split_at(room.min(left.len()));
            self.sum.update(piece);
            self.write(piece)?;
            if piece.len() == room {
                self.end_piece();
            }
            left = behind;
        }
        Ok(())
    }

    /// Where the part begins.
    fn start(&self) -> usize {
        self.table.parts.last().map_or(0, |part| part.bytes.start)
    }

    fn end_piece(&mut self) {
        let sum = std::mem::take(&mut self.sum).finalize();
        self.table.sums.push(sum);
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let place = self.unfinished.0.as_deref().unwrap_or(&self.path);
        self.out.write_all(bytes).map_err(context("write", place))?;
        self.at += bytes.len();
        Ok(())
    }

    fn check_counts(&self) -> Result<(), Error> {
        let most = self.table.blocks.len().max(self.table.parts.len());
        if u32::try_from(most).is_err() {
            return Err(Error::Snapshot {
                problem: "it has more blocks or parts than 32 bits can count",
            });
        }
        Ok(())
    }
}

impl Sealed {
    /// Gives the snapshot its name, durably.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn install(mut self) -> Result<(), Error> {
        if let Some(temporary) = &self.unfinished.0 {
            files::rename(temporary, &self.path)?;
        }
        self.unfinished.0 = None;
        files::sync_folder(&self.path)?;
        self.watch.reached(Step::SnapshotInstalled);
        Ok(())
    }

    /// Where it will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The change after which the index is as it is here.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }
}

/// A temporary file that goes away with this.
#[derive(Debug)]
struct Unfinished(Option<PathBuf>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // Whatever is left is removed when the folder is opened the next time.
            let _ = fs::remove_file(path);
        }
    }
}
