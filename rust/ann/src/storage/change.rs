//! One change of the index as the body of one log record.
//!
//! A vector and its payload are in the same record, so that no crash can leave one without the other. All numbers are
//! little-endian, and what does not apply is zero, so that a change has one encoding only:
//!
//! | bytes | what | where |
//! |---|---|---|
//! | 0 | kind: 1 put, 2 delete, 3 threshold, 4 clear | all |
//! | 1 | flags: 1 has an expiry, 2 has a threshold, 4 has a payload | put |
//! | 2..4 | zero | all |
//! | 4..8 | bytes of the namespace, `m` | all |
//! | 8..16 | key | put, delete, threshold; zero for clear |
//! | 16..24 | expiry, milliseconds since 1970 | put |
//! | 24..28 | threshold, f32 | put; at 16..20 for threshold |
//! | 28..32 | numbers of the vector, `n` | put |
//! | 32..32+4n | the vector, f32 | put |
//! | then `m` | the namespace, UTF-8 | all |
//! | then the rest | the payload | put |
//!
//! The vector is aligned to 4 bytes if the body is, and the bodies of a log's records are.

use std::borrow::Cow;
use std::fmt;

use inferail_simd::map;

use super::cursor::Cursor;
use crate::Error;

const PUT: u8 = 1;
const DELETE: u8 = 2;
const THRESHOLD: u8 = 3;
const CLEAR: u8 = 4;

const HAS_EXPIRY: u8 = 1;
const HAS_THRESHOLD: u8 = 2;
const HAS_PAYLOAD: u8 = 4;

/// One change of an index. What it holds is not judged here: any numbers are a vector, also such as an index refuses.
#[derive(Clone, PartialEq)]
pub enum Change<'a> {
    /// An entry is added, or takes the place of the one with its key.
    Put {
        /// The partition it is in.
        namespace: &'a str,
        /// Its key, unique in the namespace.
        key: u64,
        /// When it ends to be found, in milliseconds since 1970.
        expires: Option<u64>,
        /// Its own threshold.
        threshold: Option<f32>,
        /// `[dim]`.
        vector: Cow<'a, [f32]>,
        /// What is kept beside the vector; an empty payload is one.
        payload: Option<&'a [u8]>,
    },
    /// An entry is removed, if there is one.
    Delete {
        /// The partition it is in.
        namespace: &'a str,
        /// Its key.
        key: u64,
    },
    /// An entry gets a threshold of its own, if there is one.
    Threshold {
        /// The partition it is in.
        namespace: &'a str,
        /// Its key.
        key: u64,
        /// The new threshold.
        value: f32,
    },
    /// Every entry of a partition is removed.
    Clear {
        /// The partition.
        namespace: &'a str,
    },
}

impl<'a> Change<'a> {
    /// Appends the encoding to `out`.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] if the namespace or the vector has more bytes or numbers than 32 bits can say.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        match self {
            Self::Put {
                namespace,
                key,
                expires,
                threshold,
                vector,
                payload,
            } => {
                let flags = flag(expires.is_some(), HAS_EXPIRY)
                    | flag(threshold.is_some(), HAS_THRESHOLD)
                    | flag(payload.is_some(), HAS_PAYLOAD);
                head(out, PUT, flags, namespace, *key)?;
                out.extend(expires.unwrap_or(0).to_le_bytes());
                out.extend(threshold.unwrap_or(0.0).to_le_bytes());
                out.extend(count(vector.len())?.to_le_bytes());
                extend_with_floats(out, vector);
                out.extend(namespace.as_bytes());
                out.extend(payload.unwrap_or_default());
            }
            Self::Delete { namespace, key } => {
                head(out, DELETE, 0, namespace, *key)?;
                out.extend(namespace.as_bytes());
            }
            Self::Threshold {
                namespace,
                key,
                value,
            } => {
                head(out, THRESHOLD, 0, namespace, *key)?;
                out.extend(value.to_le_bytes());
                out.extend(namespace.as_bytes());
            }
            Self::Clear { namespace } => {
                head(out, CLEAR, 0, namespace, 0)?;
                out.extend(namespace.as_bytes());
            }
        }
        Ok(())
    }

    /// The change whose encoding `bytes` are, all of them. The vector is borrowed where its address allows.
    ///
    /// # Errors
    ///
    /// [`Error::Change`] for any bytes that [`Change::encode`] does not write.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new(bytes);
        let head = Head::read(&mut cursor)?;
        let change = match head.kind {
            PUT => return put(&head, cursor),
            DELETE => Self::Delete {
                namespace: head.namespace(&mut cursor)?,
                key: head.key,
            },
            THRESHOLD => {
                let value = cursor
                    .array()
                    .ok_or_else(|| ends(&cursor))
                    .map(f32::from_le_bytes)?;
                Self::Threshold {
                    namespace: head.namespace(&mut cursor)?,
                    key: head.key,
                    value,
                }
            }
            CLEAR if head.key == 0 => Self::Clear {
                namespace: head.namespace(&mut cursor)?,
            },
            CLEAR => return Err(problem(8, "a whole namespace has no key")),
            _ => return Err(problem(0, "the kind is none that is known")),
        };
        if head.flags != 0 {
            return Err(problem(1, "only a put has flags"));
        }
        let end = cursor.at();
        if !cursor.rest().is_empty() {
            return Err(problem(end, "there are bytes behind the end"));
        }
        Ok(change)
    }
}

/// Sizes in place of contents: a payload is what somebody asked or was told.
impl fmt::Debug for Change<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put {
                key,
                expires,
                threshold,
                vector,
                payload,
                ..
            } => formatter
                .debug_struct("Put")
                .field("key", key)
                .field("expires", expires)
                .field("threshold", threshold)
                .field("dim", &vector.len())
                .field("payload_bytes", &payload.map(<[u8]>::len))
                .finish_non_exhaustive(),
            Self::Delete { key, .. } => formatter
                .debug_struct("Delete")
                .field("key", key)
                .finish_non_exhaustive(),
            Self::Threshold { key, value, .. } => formatter
                .debug_struct("Threshold")
                .field("key", key)
                .field("value", value)
                .finish_non_exhaustive(),
            Self::Clear { .. } => formatter.debug_struct("Clear").finish_non_exhaustive(),
        }
    }
}

/// What every change begins with.
struct Head {
    kind: u8,
    flags: u8,
    namespace_bytes: usize,
    key: u64,
}

impl Head {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Error> {
        let [kind, flags, zero, also_zero] = cursor.array().ok_or_else(|| ends(cursor))?;
        if [zero, also_zero] != [0; 2] {
            return Err(problem(2, "two bytes must be zero"));
        }
        Ok(Self {
            kind,
            flags,
            namespace_bytes: cursor.u32().ok_or_else(|| ends(cursor))? as usize,
            key: cursor.u64().ok_or_else(|| ends(cursor))?,
        })
    }

    fn namespace<'a>(&self, cursor: &mut Cursor<'a>) -> Result<&'a str, Error> {
        let at = cursor.at();
        let bytes = cursor
            .take(self.namespace_bytes)
            .ok_or_else(|| ends(cursor))?;
        str::from_utf8(bytes)
            .map_err(|error| problem(at + error.valid_up_to(), "the namespace is not UTF-8"))
    }
}

fn put<'a>(head: &Head, mut cursor: Cursor<'a>) -> Result<Change<'a>, Error> {
    let has = |bit: u8| head.flags & bit != 0;
    if head.flags & !(HAS_EXPIRY | HAS_THRESHOLD | HAS_PAYLOAD) != 0 {
        return Err(problem(1, "a flag is none that is known"));
    }
    let expires = cursor.u64().ok_or_else(|| ends(&cursor))?;
    if expires != 0 && !has(HAS_EXPIRY) {
        return Err(problem(16, "there is an expiry without its flag"));
    }
    let threshold = cursor.u32().ok_or_else(|| ends(&cursor))?;
    if threshold != 0 && !has(HAS_THRESHOLD) {
        return Err(problem(24, "there is a threshold without its flag"));
    }
    let dim = cursor.u32().ok_or_else(|| ends(&cursor))?;
    let numbers = (dim as usize)
        .checked_mul(4)
        .and_then(|bytes| cursor.take(bytes))
        .ok_or_else(|| ends(&cursor))?;
    let namespace = head.namespace(&mut cursor)?;
    let end = cursor.at();
    let payload = cursor.rest();
    if !payload.is_empty() && !has(HAS_PAYLOAD) {
        return Err(problem(end, "there is a payload without its flag"));
    }
    Ok(Change::Put {
        namespace,
        key: head.key,
        expires: has(HAS_EXPIRY).then_some(expires),
        threshold: has(HAS_THRESHOLD).then_some(f32::from_bits(threshold)),
        vector: floats(numbers),
        payload: has(HAS_PAYLOAD).then_some(payload),
    })
}

fn head(out: &mut Vec<u8>, kind: u8, flags: u8, namespace: &str, key: u64) -> Result<(), Error> {
    out.extend([kind, flags, 0, 0]);
    out.extend(count(namespace.len())?.to_le_bytes());
    out.extend(key.to_le_bytes());
    Ok(())
}

fn flag(is_set: bool, bit: u8) -> u8 {
    if is_set { bit } else { 0 }
}

fn count(length: usize) -> Result<u32, Error> {
    u32::try_from(length).map_err(|_| Error::TooLarge {
        bytes: length as u64,
        limit: u64::from(u32::MAX),
    })
}

/// Four bytes each, without a copy where this machine has their order and they begin at a multiple of four.
fn floats(bytes: &[u8]) -> Cow<'_, [f32]> {
    if cfg!(target_endian = "little")
        && let Some(numbers) = map::view(bytes)
    {
        return Cow::Borrowed(numbers);
    }
    let numbers = bytes.chunks_exact(4).map(|chunk| {
        let mut number = [0; 4];
        number.copy_from_slice(chunk);
        f32::from_le_bytes(number)
    });
    Cow::Owned(numbers.collect())
}

fn extend_with_floats(out: &mut Vec<u8>, numbers: &[f32]) {
    if cfg!(target_endian = "little") {
        out.extend_from_slice(map::bytes(numbers));
    } else {
        out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    }
}

fn problem(offset: usize, problem: &'static str) -> Error {
    Error::Change { offset, problem }
}

fn ends(cursor: &Cursor<'_>) -> Error {
    problem(cursor.at(), "the bytes end inside")
}
