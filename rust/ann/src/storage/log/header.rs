//! What a log begins with.
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | `irannlog` |
//! | 8..12 | version, 1 |
//! | 12..16 | CRC-32 of every other byte of the header |
//! | 16..24 | base: the number of the record before the first |
//! | 24..28 | salt: where the checksums of the records begin |
//! | 28..32 | bytes of the settings, `n` |
//! | 32..32+n | the settings, then zeros to a multiple of 4 |

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;

use super::super::cursor::Cursor;
use super::super::files::MAX_SEQUENCE;
use super::record::ALIGNMENT;
use crate::Error;

const MAGIC: [u8; 8] = *b"irannlog";
const VERSION: u32 = 1;
const FIXED_BYTES: usize = 32;

/// The header of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// The number of the record before the first.
    pub(super) base: u64,
    /// Where checksums begin.
    pub(super) salt: u32,
    /// Where the first record is.
    pub(super) end: usize,
}

/// A header as bytes, with a salt that no other file has, and what it says.
pub(super) fn write(settings: &[u8], base: u64) -> Result<(Vec<u8>, Header), Error> {
    let length = u32::try_from(settings.len()).map_err(|_| Error::TooLarge {
        bytes: settings.len() as u64,
        limit: u64::from(u32::MAX),
    })?;
    let salt = RandomState::new().build_hasher().finish() as u32;
    let mut bytes = Vec::with_capacity(FIXED_BYTES + settings.len() + ALIGNMENT);
    bytes.extend(MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(base.to_le_bytes());
    bytes.extend(salt.to_le_bytes());
    bytes.extend(length.to_le_bytes());
    bytes.extend(settings);
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
    let sum = checksum(&bytes);
    bytes[12..16].copy_from_slice(&sum.to_le_bytes());
    let end = bytes.len();
    Ok((bytes, Header { base, salt, end }))
}

/// The header that `bytes` begin with, for an index of these settings.
pub(super) fn read(path: &Path, bytes: &[u8], settings: &[u8]) -> Result<Header, Error> {
    let damaged = |offset: usize, problem: &str| Error::Damaged {
        path: path.to_owned(),
        offset: offset as u64,
        problem: problem.to_owned(),
    };
    let short = || {
        damaged(
            bytes.len(),
            "it ends inside its header, which was once written whole",
        )
    };
    let mut cursor = Cursor::new(bytes);
    if cursor.array().ok_or_else(short)? != MAGIC {
        return Err(damaged(0, "it is no log of an index"));
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
    let base = cursor.u64().ok_or_else(short)?;
    let salt = cursor.u32().ok_or_else(short)?;
    let length = cursor.u32().ok_or_else(short)? as usize;
    let end = FIXED_BYTES
        .checked_add(length)
        .and_then(|end| end.checked_next_multiple_of(ALIGNMENT));
    let header = end.and_then(|end| bytes.get(..end)).ok_or_else(short)?;
    if checksum(header) != sum {
        return Err(damaged(12, "the checksum of the header is wrong"));
    }
    if base > MAX_SEQUENCE {
        return Err(damaged(16, "no record has a number that high"));
    }
    let stored = &header[FIXED_BYTES..FIXED_BYTES + length];
    if stored != settings {
        return Err(Error::Settings {
            path: path.to_owned(),
            found: stored.to_owned(),
        });
    }
    Ok(Header {
        base,
        salt,
        end: header.len(),
    })
}

fn checksum(header: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&header[..12]);
    hasher.update(&header[16..]);
    hasher.finalize()
}
