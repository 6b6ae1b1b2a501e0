//! The vocabularies that ship with the package: 1.2 MB for the 3.6 MB of `o200k_base.tiktoken`, read in one pass.
//!
//! Nearly every token is an older token with something behind it: ` hello` is ` hell` and `o`. So a token is written as
//! the id of the longest token below its own id that it begins with, and the bytes after that. Everything is in the order
//! of ids, which is the order of [`Vocabulary`] too: a token is put together at the place where it stays.
//!
//! | part | bytes |
//! |---|---|
//! | `IRVOCAB` and the version, 1 | 8 |
//! | number of ids, little-endian | 4 |
//! | number of bytes of all tokens together, little-endian | 4 |
//! | for each id, how many bytes follow its beginning; 0: no token has this id | 1 each |
//! | for each id, the id it begins with + 1, or 0, in as few bits as the number of ids needs; low bits first | |
//! | the bytes that follow, token after token | |
//! | CRC-32 of all before it, little-endian | 4 |
//!
//! Sorted and front-coded with a permutation of ids, the same vocabularies are 8 % larger, and 6 % smaller inside the
//! wheel. `scripts/generate_vocabularies.py` writes this format.

use crate::{Error, Vocabulary};

/// What a file begins with.
pub const MAGIC: &[u8; 8] = b"IRVOCAB\x01";

/// Most bytes of all tokens together: a small file of tokens that each begin with the one before could ask for terabytes.
pub const MAX_BYTES: u32 = 1 << 26;

const FORMAT: &str = "compact vocabulary";
const HEADER: usize = 16;

/// The vocabulary of a file in this format.
///
/// # Errors
///
/// [`Error::Format`]: it is not of this format, is cut short, or has another checksum.
pub fn read(file: &[u8]) -> Result<Vocabulary, Error> {
    let (body, checksum) = file
        .split_last_chunk::<4>()
        .filter(|(body, _)| body.len() >= HEADER && body.starts_with(MAGIC))
        .ok_or_else(|| Error::format(FORMAT, "it does not begin with its name, or is cut short"))?;
    if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
        return Err(Error::format(FORMAT, "its checksum is another"));
    }
    let number =
        |at: usize| u32::from_le_bytes([body[at], body[at + 1], body[at + 2], body[at + 3]]);
    let (limit, num_bytes) = (number(8), number(12));
    if limit > Vocabulary::MAX_IDS || num_bytes > MAX_BYTES {
        let problem = format!("{limit} ids of {num_bytes} bytes are too many");
        return Err(Error::format(FORMAT, problem));
    }
    let parts = Parts::split(&body[HEADER..], limit)
        .ok_or_else(|| Error::format(FORMAT, "it is cut short"))?;
    parts.vocabulary(limit, num_bytes as usize)
}

/// Bits of a number from 0 to `limit`.
fn width(limit: u32) -> u32 {
    u32::BITS - limit.leading_zeros()
}

struct Parts<'a> {
    lengths: &'a [u8],
    beginnings: &'a [u8],
    rests: &'a [u8],
}

impl<'a> Parts<'a> {
    fn split(body: &'a [u8], limit: u32) -> Option<Self> {
        let (lengths, body) = body.split_at_checked(limit as usize)?;
        let num_bits = u64::from(limit) * u64::from(width(limit));
        let (beginnings, rests) = body.split_at_checked(num_bits.div_ceil(8) as usize)?;
        Some(Self {
            lengths,
            beginnings,
            rests,
        })
    }

    fn vocabulary(&self, limit: u32, num_bytes: usize) -> Result<Vocabulary, Error> {
        let mut bytes: Vec<u8> = Vec::with_capacity(num_bytes);
        let mut ends: Vec<u32> = Vec::with_capacity(limit as usize);
        let mut rests = self.rests;
        let mut numbers = Numbers::new(self.beginnings, width(limit));
        for &length in self.lengths {
            let id = ends.len();
            match (numbers.next() as usize, length) {
                (0, _) => {}
                (beginning, 1..) if beginning <= id => {
                    let begin = if beginning == 1 {
                        0
                    } else {
                        ends[beginning - 2]
                    };
                    bytes.extend_from_within(begin as usize..ends[beginning - 1] as usize);
                }
                (beginning, _) => {
                    let problem = format!("token {id} begins with token {}", beginning - 1);
                    return Err(Error::format(FORMAT, problem));
                }
            }
            let (rest, after) = rests
                .split_at_checked(length.into())
                .filter(|(rest, _)| bytes.len() + rest.len() <= num_bytes)
                .ok_or_else(|| {
                    Error::format(FORMAT, format!("token {id} is longer than the file says"))
                })?;
            bytes.extend_from_slice(rest);
            rests = after;
            ends.push(bytes.len() as u32);
        }
        if bytes.len() != num_bytes || !rests.is_empty() {
            return Err(Error::format(
                FORMAT,
                "it has bytes that belong to no token",
            ));
        }
        Ok(Vocabulary::from_parts(bytes, ends, |id| {
            self.lengths[id] > 0
        }))
    }
}

/// Numbers of `width` bits each, the low bits first.
struct Numbers<'a> {
    bytes: std::slice::Iter<'a, u8>,
    width: u32,
    held: u64,
    num_held: u32,
}

impl<'a> Numbers<'a> {
    fn new(bytes: &'a [u8], width: u32) -> Self {
        Self {
            bytes: bytes.iter(),
            width,
            held: 0,
            num_held: 0,
        }
    }

    /// The next number; zeros follow the last one.
    fn next(&mut self) -> u32 {
        while self.num_held < self.width {
            self.held |= u64::from(*self.bytes.next().unwrap_or(&0)) << self.num_held;
            self.num_held += 8;
        }
        let number = self.held & ((1 << self.width) - 1);
        self.held >>= self.width;
        self.num_held -= self.width;
        number as u32
    }
}
