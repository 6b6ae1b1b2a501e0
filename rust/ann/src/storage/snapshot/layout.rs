//! Header and table of a snapshot file, as bytes and back.

use std::ops::Range;
use std::path::Path;

use super::super::cursor::Cursor;
use super::super::files::MAX_SEQUENCE;
use crate::Error;

/// Parts begin at multiples of this: a cache line, and the widest register.
pub(super) const ALIGNMENT: usize = 64;

/// Bytes that share a checksum: what is read at least where one byte is touched.
pub(super) const PIECE_BYTES: usize = 64 << 10;

pub(super) const MAGIC: [u8; 8] = *b"irannsnp";
pub(super) const VERSION: u32 = 1;
/// Reads as another number where bytes have another order.
pub(super) const BYTE_ORDER: u32 = 0x0102_0304;
pub(super) const FIXED_BYTES: usize = 48;

const ENTRY_BYTES: usize = 8;

/// A stretch of bytes in the file, without its padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// Where it is in the file.
    pub(super) bytes: Range<usize>,
    /// Its first checksum among those of all parts.
    pub(super) first_piece: usize,
}

impl Part {
    /// Where the padding behind it ends.
    pub(super) fn padded_end(&self) -> usize {
        self.bytes.end.next_multiple_of(ALIGNMENT)
    }

    /// Its pieces, among those of all parts.
    pub(super) fn pieces(&self) -> Range<usize> {
        let count = (self.padded_end() - self.bytes.start).div_ceil(PIECE_BYTES);
        self.first_piece..self.first_piece + count
    }
}

/// A few parts that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// What it is, in the caller's numbers.
    pub(super) kind: u32,
    /// Its parts, among those of all blocks.
    pub(super) parts: Range<usize>,
}

/// Where everything is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) blocks: Vec<Block>,
    pub(super) parts: Vec<Part>,
    /// A checksum for each piece of each part.
    pub(super) sums: Vec<u32>,
}

impl Table {
    /// Two counts, then kind and part count of each block, length of each part, checksum of each piece.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend((self.blocks.len() as u32).to_le_bytes());
        out.extend((self.parts.len() as u32).to_le_bytes());
        for block in &self.blocks {
            out.extend(block.kind.to_le_bytes());
            out.extend((block.parts.len() as u32).to_le_bytes());
        }
        for part in &self.parts {
            out.extend((part.bytes.len() as u64).to_le_bytes());
        }
        for sum in &self.sums {
            out.extend(sum.to_le_bytes());
        }
        out
    }

    /// The table of parts that begin at `start` and end where the table itself begins; `None` if it is none.
    pub(super) fn decode(bytes: &[u8], start: usize, end: usize) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let blocks = cursor.u32()? as usize;
        let parts = cursor.u32()? as usize;
        // Both before anything is allocated for them.
        if bytes.len() / ENTRY_BYTES < blocks.checked_add(parts)? {
            return None;
        }
        let mut table = Self::default();
        for _ in 0..blocks {
            let kind = cursor.u32()?;
            let first = table.blocks.last().map_or(0, |block| block.parts.end);
            let last = first.checked_add(cursor.u32()? as usize)?;
            table.blocks.push(Block {
                kind,
                parts: first..last,
            });
        }
        if table.blocks.last().map_or(0, |block| block.parts.end) != parts {
            return None;
        }
        let (mut at, mut first_piece) = (start, 0);
        for _ in 0..parts {
            let length = usize::try_from(cursor.u64()?).ok()?;
            let bytes = at..at.checked_add(length).filter(|&last| last <= end)?;
            let part = Part { bytes, first_piece };
            (at, first_piece) = (part.padded_end(), part.pieces().end);
            table.parts.push(part);
        }
        let sums = cursor.rest();
        if at != end || sums.len() != first_piece.checked_mul(4)? {
            return None;
        }
        let mut cursor = Cursor::new(sums);
        table.sums = std::iter::from_fn(|| cursor.u32()).collect();
        Some(table)
    }
}

/// What the first bytes of a snapshot say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) sequence: u64,
    /// Where the parts begin: behind header and settings.
    pub(super) end: usize,
    pub(super) table_start: usize,
    pub(super) table_sum: u32,
}

/// Bytes in front of the first part for settings of this length.
pub(super) fn header_bytes(settings: &[u8]) -> usize {
    (FIXED_BYTES + settings.len()).next_multiple_of(ALIGNMENT)
}

impl Header {
    pub(super) fn encode(&self, settings: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.end);
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend([0; 4]);
        out.extend(BYTE_ORDER.to_ne_bytes());
        out.extend((settings.len() as u32).to_le_bytes());
        out.extend(self.sequence.to_le_bytes());
        out.extend((self.table_start as u64).to_le_bytes());
        out.extend(self.table_sum.to_le_bytes());
        out.extend([0; 4]);
        out.extend(settings);
        out.resize(self.end, 0);
        let sum = checksum(&out);
        out[12..16].copy_from_slice(&sum.to_le_bytes());
        out
    }

    /// The header that the file's `bytes` begin with, and its settings.
    pub(super) fn decode<'a>(path: &Path, bytes: &'a [u8]) -> Result<(Self, &'a [u8]), Error> {
        let damaged = |offset: usize, problem: &str| damaged(path, offset, problem);
        let short = || damaged(bytes.len(), "it ends inside its header");
        let mut cursor = Cursor::new(bytes);
        if cursor.array().ok_or_else(short)? != MAGIC {
            return Err(damaged(0, "it is no snapshot of an index"));
        }
        let found = cursor.u32().ok_or_else(short)?;
        if found != VERSION {
            return Err(Error::Version {
                path: path.to_owned(),
                found,
                supported: VERSION,
            });
        }
        let sum = cursor.u32().ok_or_else(short)?;
        let order = cursor.array().ok_or_else(short)?;
        let length = cursor.u32().ok_or_else(short)? as usize;
        let sequence = cursor.u64().ok_or_else(short)?;
        let table_start = cursor.u64().ok_or_else(short)?;
        let table_sum = cursor.u32().ok_or_else(short)?;
        let header = FIXED_BYTES
            .checked_add(length)
            .and_then(|end| end.checked_next_multiple_of(ALIGNMENT))
            .and_then(|end| bytes.get(..end))
            .ok_or_else(short)?;
        if checksum(header) != sum {
            return Err(damaged(12, "the checksum of the header is wrong"));
        }
        if u32::from_ne_bytes(order) != BYTE_ORDER {
            return Err(damaged(
                16,
                "its numbers have the byte order of another machine",
            ));
        }
        if sequence > MAX_SEQUENCE {
            return Err(damaged(24, "no change has a number that high"));
        }
        let table_start = usize::try_from(table_start)
            .ok()
            .filter(|start| (header.len()..=bytes.len()).contains(start))
            .ok_or_else(|| damaged(bytes.len(), "it ends before its table"))?;
        let decoded = Self {
            sequence,
            end: header.len(),
            table_start,
            table_sum,
        };
        Ok((decoded, &header[FIXED_BYTES..FIXED_BYTES + length]))
    }
}

/// The header's checksum: over everything of it but the checksum.
fn checksum(header: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&header[..12]);
    hasher.update(&header[16..]);
    hasher.finalize()
}

pub(super) fn damaged(path: &Path, offset: usize, problem: &str) -> Error {
    Error::Damaged {
        path: path.to_owned(),
        offset: offset as u64,
        problem: problem.to_owned(),
    }
}
