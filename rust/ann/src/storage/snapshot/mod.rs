//! A file of arrays that are used where they lie.
//!
//! Numbers of the format are little-endian, arrays are as the caller gave them:
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | `irannsnp` |
//! | 8..12 | version, 1 |
//! | 12..16 | CRC-32 of every other byte up to the first part |
//! | 16..20 | 0x01020304 in the byte order of the arrays |
//! | 20..24 | bytes of the settings, `n` |
//! | 24..32 | the last change that is covered |
//! | 32..40 | where the table begins |
//! | 40..44 | CRC-32 of the table |
//! | 44..48 | zero |
//! | 48..48+n | the settings, then zeros to a multiple of 64 |
//! | then | the parts of all blocks, each with zeros to a multiple of 64 |
//! | then | the table: u32 blocks, u32 parts; per block u32 kind, u32 parts; per part u64 bytes; per piece u32 CRC-32 |
//!
//! A piece is 64 KiB of a part and its padding, the last one what is left. A file ends where its table does.
//!
//! Opening compares the checksums of header and table, a 16,000th of the file, and reads no array. A piece is compared
//! when it is first asked for ([`Section::range`], [`Section::bytes`], [`Snapshot::block`]), so that damage is found
//! before it is used and a large array costs only where it is read.

mod layout;
mod section;
mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use inferail_simd::map::Map;

use self::layout::{Header, PIECE_BYTES, Part, Table, damaged};
use super::files::context;
use crate::Error;

pub use section::Section;
pub use writer::{Sealed, SnapshotWriter};

/// A snapshot as memory. Clones share it, and it stays readable when its file is replaced; the type is safe to share
/// between threads.
#[derive(Debug, Clone)]
pub struct Snapshot(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    settings: Vec<u8>,
    map: Map,
    header: Header,
    table: Table,
    /// For each piece whether its checksum was found right.
    sound: Vec<AtomicBool>,
}

impl Snapshot {
    /// Opens the snapshot at `path`, of any settings. Takes microseconds, whatever its size.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] or [`Error::Version`] if header or table are not sound, [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(context("open", path))?;
        Self::of_map(path, Map::new(&file).map_err(context("map", path))?)
    }

    /// The snapshot that is in `map`; `path` is its name in errors.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::open`].
    pub fn of_map(path: &Path, map: Map) -> Result<Self, Error> {
        let bytes = map.as_slice();
        let (header, settings) = Header::decode(path, bytes)?;
        let encoded = bytes.get(header.table_start..).unwrap_or_default();
        if crc32fast::hash(encoded) != header.table_sum {
            let problem = "the checksum of the table is wrong";
            return Err(damaged(path, header.table_start, problem));
        }
        let table = Table::decode(encoded, header.end, header.table_start)
            .ok_or_else(|| damaged(path, header.table_start, "the table fits no such file"))?;
        let sound = table.sums.iter().map(|_| AtomicBool::new(false)).collect();
        Ok(Self(Arc::new(Shared {
            path: path.to_owned(),
            settings: settings.to_owned(),
            map,
            header,
            table,
            sound,
        })))
    }

    /// The settings that it was written with.
    pub fn settings(&self) -> &[u8] {
        &self.0.settings
    }

    /// The last change that it covers.
    pub fn sequence(&self) -> u64 {
        self.0.header.sequence
    }

    /// Bytes of the file.
    pub fn len(&self) -> u64 {
        self.0.map.as_slice().len() as u64
    }

    /// Whether the file has none; it has a header at least.
    pub fn is_empty(&self) -> bool {
        self.0.map.as_slice().is_empty()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Kind and number of parts of each block, in order; nothing of them is read.
    pub fn blocks(&self) -> impl ExactSizeIterator<Item = (u32, usize)> {
        let blocks = self.0.table.blocks.iter();
        blocks.map(|block| (block.kind, block.parts.len()))
    }

    /// The parts of a block, all of them compared with their checksums unless that was done before.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] with the first bad piece; [`Error::Snapshot`] if there is no such block.
    pub fn block(&self, block: usize) -> Result<Vec<&[u8]>, Error> {
        let parts = self.0.parts_of(block)?;
        parts.iter().map(|part| self.0.checked(part)).collect()
    }

    /// A part that is its own owner, of which nothing is read yet.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`] if there is no such part.
    pub fn section(&self, block: usize, part: usize) -> Result<Section, Error> {
        let part = self.0.parts_of(block)?.get(part).ok_or(Error::Snapshot {
            problem: "the block has no such part",
        })?;
        Ok(Section::new(self.0.clone(), part.clone()))
    }

    /// Reads the whole file and gives every bad piece as an [`Error::Damaged`]; nothing if all is sound.
    #[must_use]
    pub fn verify(&self) -> Vec<Error> {
        let pieces = self.0.table.parts.iter().flat_map(|part| {
            part.pieces()
                .filter_map(|piece| self.0.compare(part, piece).err())
        });
        pieces.collect()
    }
}

impl Shared {
    fn parts_of(&self, block: usize) -> Result<&[Part], Error> {
        let found = self.table.blocks.get(block);
        found
            .and_then(|block| self.table.parts.get(block.parts.clone()))
            .ok_or(Error::Snapshot {
                problem: "there is no such block",
            })
    }

    /// Every byte of a part, sound.
    fn checked(&self, part: &Part) -> Result<&[u8], Error> {
        for piece in part.pieces() {
            self.ensure(part, piece)?;
        }
        Ok(&self.map.as_slice()[part.bytes.clone()])
    }

    /// Compares a piece unless that was done before. Two threads may do it at once; both find the same.
    #[inline]
    fn ensure(&self, part: &Part, piece: usize) -> Result<(), Error> {
        // Nothing is published through the flag: the bytes were there before.
        if self.sound[piece].load(Ordering::Relaxed) {
            return Ok(());
        }
        self.compare(part, piece)
    }

    #[cold]
    fn compare(&self, part: &Part, piece: usize) -> Result<(), Error> {
        let start = part.bytes.start + (piece - part.first_piece) * PIECE_BYTES;
        let end = (start + PIECE_BYTES).min(part.padded_end());
        if crc32fast::hash(&self.map.as_slice()[start..end]) == self.table.sums[piece] {
            self.sound[piece].store(true, Ordering::Relaxed);
            return Ok(());
        }
        let (block, within) = self.number(part);
        let problem = format!(
            "a checksum of part {within} of block {block} is wrong; restore it from a copy, or delete the folder to begin anew"
        );
        Err(damaged(&self.path, start, &problem))
    }

    /// Which block and which of its parts this is.
    fn number(&self, part: &Part) -> (usize, usize) {
        // A part with a piece has bytes, so that no other begins and ends where it does.
        let mut parts = self.table.parts.iter();
        let index = parts.position(|other| other == part).unwrap_or(0);
        let block = self
            .table
            .blocks
            .partition_point(|block| block.parts.end <= index);
        (block, index - self.table.blocks[block].parts.start)
    }
}
