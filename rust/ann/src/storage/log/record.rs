//! One record, and where the good ones end.

use super::super::cursor::Cursor;

/// Bytes in front of a body.
pub(super) const HEAD_BYTES: usize = 20;

/// Records begin at multiples of this.
pub(super) const ALIGNMENT: usize = 4;

/// A record of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its number, one more than that of the record before.
    pub sequence: u64,
    /// Where its body begins in the file, in bytes; a multiple of 4.
    pub offset: u64,
    /// What was appended.
    pub body: &'a [u8],
}

/// Why the bytes at a place are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bad {
    /// They end inside the 20 bytes in front of the body.
    ShortHead,
    /// The checksum of those 20 bytes is wrong.
    Head,
    /// The head is right, and the file ends before its body does.
    ShortBody,
    /// The head is right, the body is not; the next record would begin at `end`.
    Body { end: usize },
    /// All is right, but it is not the record that follows.
    Sequence { found: u64 },
}

/// Where the good records of a file end, if that is not at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tail {
    /// The last append did not get to its end; nothing that was acknowledged comes later.
    Torn,
    /// What follows was acknowledged and cannot be reached.
    Damaged(&'static str),
}

/// Appends one record to `out`; `write` appends its body.
pub(super) fn stage<E>(
    out: &mut Vec<u8>,
    salt: u32,
    sequence: u64,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    check: impl FnOnce(usize) -> Result<u32, E>,
) -> Result<(), E> {
    let start = out.len();
    out.extend([0; HEAD_BYTES]);
    write(out)?;
    let length = check(out.len() - start - HEAD_BYTES)?;
    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
    let (head, body) = out[start..].split_at_mut(HEAD_BYTES);
    head[4..8].copy_from_slice(&length.to_le_bytes());
    head[8..16].copy_from_slice(&sequence.to_le_bytes());
    head[16..].copy_from_slice(&checksum(salt, body).to_le_bytes());
    let sum = checksum(salt, &head[4..]);
    head[..4].copy_from_slice(&sum.to_le_bytes());
    Ok(())
}

/// CRC-32 that begins with the salt of the file, so that a record of another file is none here.
pub(super) fn checksum(salt: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(salt);
    hasher.update(bytes);
    hasher.finalize()
}

/// Reads records one behind the other.
#[derive(Debug, Clone)]
pub(super) struct Scan<'a> {
    bytes: &'a [u8],
    salt: u32,
    at: usize,
    sequence: u64,
}

impl<'a> Scan<'a> {
    /// The records of `bytes`, a file from its beginning, behind its header that ends at `at`; `sequence` is that of
    /// the record before the first.
    pub(super) fn new(bytes: &'a [u8], salt: u32, at: usize, sequence: u64) -> Self {
        Self {
            bytes,
            salt,
            at,
            sequence,
        }
    }

    /// Where the good records end that were read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The number of the last record that was read.
    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The next record; `None` at the end of the bytes. After an error the same error comes again.
    pub(super) fn next(&mut self) -> Result<Option<Record<'a>>, Bad> {
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        let (record, end) = read(self.bytes, self.salt, self.at)?;
        // Checked: a file may say anything, also that the last number there is was given.
        if self.sequence.checked_add(1) != Some(record.sequence) {
            return Err(Bad::Sequence {
                found: record.sequence,
            });
        }
        self.sequence = record.sequence;
        self.at = end;
        Ok(Some(record))
    }

    /// Tells the end of an interrupted append from damage: after the first there is no record, because an append writes
    /// only behind everything that was acknowledged.
    pub(super) fn tail(&self, bad: Bad) -> Tail {
        let from = match bad {
            // The head is sound, so its length is: nothing was ever written behind the end of its body.
            Bad::ShortHead | Bad::ShortBody => return Tail::Torn,
            Bad::Sequence { .. } => {
                return Tail::Damaged("a record is missing or doubled in front of it");
            }
            Bad::Body { end } => end,
            Bad::Head => self.at + ALIGNMENT,
        };
        if self.has_record_behind(from) {
            Tail::Damaged("a checksum is wrong, and sound records follow")
        } else {
            Tail::Torn
        }
    }

    fn has_record_behind(&self, from: usize) -> bool {
        let most = (self.bytes.len() / HEAD_BYTES) as u64;
        (from..self.bytes.len()).step_by(ALIGNMENT).any(|at| {
            // Its number alone rules out nearly every place, without a checksum.
            let sequence = Cursor::new(self.bytes.get(at + 8..).unwrap_or_default()).u64();
            sequence.is_some_and(|found| {
                found > self.sequence
                    && found - self.sequence <= most
                    && read(self.bytes, self.salt, at).is_ok()
            })
        })
    }
}

/// The record that begins at `at`, whatever its number, and where it ends.
fn read(bytes: &[u8], salt: u32, at: usize) -> Result<(Record<'_>, usize), Bad> {
    let left = bytes.get(at..).unwrap_or_default();
    let (head, behind) = left.split_at_checked(HEAD_BYTES).ok_or(Bad::ShortHead)?;
    let mut cursor = Cursor::new(head);
    let (Some(sum), Some(length), Some(sequence), Some(body_sum)) =
        (cursor.u32(), cursor.u32(), cursor.u64(), cursor.u32())
    else {
        return Err(Bad::ShortHead);
    };
    if checksum(salt, &head[4..]) != sum {
        return Err(Bad::Head);
    }
    let length = length as usize;
    let padded = length
        .checked_next_multiple_of(ALIGNMENT)
        .and_then(|padded| behind.get(..padded))
        .ok_or(Bad::ShortBody)?;
    let end = at + HEAD_BYTES + padded.len();
    if checksum(salt, padded) != body_sum {
        return Err(Bad::Body { end });
    }
    let record = Record {
        sequence,
        offset: (at + HEAD_BYTES) as u64,
        body: &padded[..length],
    };
    Ok((record, end))
}
