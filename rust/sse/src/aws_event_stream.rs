//! The AWS event stream, `application/vnd.amazon.eventstream`: binary messages with headers and checksums.
//!
//! ```text
//! total bytes u32 | headers bytes u32 | CRC-32 of these 8 bytes | headers | payload | CRC-32 of all before it
//! ```
//!
//! Integers are big-endian. The format and its limits are those of the Smithy specification, "Amazon event stream".

use std::mem;

use crc32fast::hash as crc32;

use crate::error::Part;
use crate::{DEFAULT_MAX_EVENT_BYTES, Error};

/// Most bytes the headers of one message may take: the limit of the specification, 128 KiB.
pub const MAX_HEADERS_BYTES: usize = 128 * 1024;

const PRELUDE_BYTES: usize = 12;
const CHECKSUM_BYTES: usize = 4;
const LEAST_BYTES: usize = PRELUDE_BYTES + CHECKSUM_BYTES;

/// A buffer that grew beyond this is given back to the allocator once its message is over.
const RETAINED_BYTES: usize = 1024 * 1024;

/// One message, borrowed from the chunk or from the parser for the length of the callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Checked before the message is handed out.
    headers: &'a [u8],
    /// The body, as it came.
    pub payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// The headers in the order they came; a name may come twice.
    pub fn headers(&self) -> Headers<'a> {
        Headers {
            bytes: self.headers,
            offset: 0,
        }
    }

    /// The text of the first header of that name, where it is a string.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        let (_, value) = self.headers().find(|(found, _)| *found == name)?;
        match value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }
}

/// The value of a header, one of the ten types of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Types 0 and 1.
    Boolean(bool),
    /// Type 2.
    Byte(i8),
    /// Type 3.
    Short(i16),
    /// Type 4.
    Integer(i32),
    /// Type 5.
    Long(i64),
    /// Type 6.
    Bytes(&'a [u8]),
    /// Type 7.
    String(&'a str),
    /// Type 8: milliseconds since 1970-01-01 UTC.
    Timestamp(i64),
    /// Type 9.
    Uuid([u8; 16]),
}

/// Walks the headers of a [`Message`]: name and value.
#[derive(Debug, Clone)]
pub struct Headers<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a str, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.read().ok().flatten()
    }
}

impl<'a> Headers<'a> {
    /// The next header, or `None` behind the last one.
    fn read(&mut self) -> Result<Option<(&'a str, Value<'a>)>, Error> {
        if self.offset == self.bytes.len() {
            return Ok(None);
        }
        let mut fields = Fields(&self.bytes[self.offset..]);
        let header = fields.header().ok_or(Error::Header {
            offset: self.offset as u32,
        })?;
        self.offset = self.bytes.len() - fields.0.len();
        Ok(Some(header))
    }
}

/// What is left of the bytes of the headers.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn header(&mut self) -> Option<(&'a str, Value<'a>)> {
        let [length] = self.array()?;
        let name = str::from_utf8(self.bytes(usize::from(length))?).ok()?;
        let [kind] = self.array()?;
        (!name.is_empty()).then_some((name, self.value(kind)?))
    }

    fn value(&mut self, kind: u8) -> Option<Value<'a>> {
        Some(match kind {
            0 => Value::Boolean(true),
            1 => Value::Boolean(false),
            2 => Value::Byte(i8::from_be_bytes(self.array()?)),
            3 => Value::Short(i16::from_be_bytes(self.array()?)),
            4 => Value::Integer(i32::from_be_bytes(self.array()?)),
            5 => Value::Long(i64::from_be_bytes(self.array()?)),
            6 => Value::Bytes(self.sized()?),
            7 => Value::String(str::from_utf8(self.sized()?).ok()?),
            8 => Value::Timestamp(i64::from_be_bytes(self.array()?)),
            9 => Value::Uuid(self.array()?),
            _ => return None,
        })
    }

    fn sized(&mut self) -> Option<&'a [u8]> {
        let length = u16::from_be_bytes(self.array()?);
        self.bytes(usize::from(length))
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

/// Cuts a byte stream into [`Message`]s and checks both checksums of each.
///
/// Lengths are believed only once their checksum has matched. A message that lies whole in a chunk is passed
/// on without a copy; of one that does not, every byte is copied once.
///
/// ```
/// use inferail_sse::{Message, MessageParser};
///
/// let ping = b"\0\0\0\x10\0\0\0\0\x05\xc2\x48\xeb\x7d\x98\xc8\xff"; // no headers, no payload
/// let mut parser = MessageParser::new();
/// let mut seen = 0;
/// parser.feed(&ping[..9], &mut |_: Message<'_>| seen += 1)?;
/// assert!(parser.is_inside_message());
/// parser.feed(&ping[9..], &mut |_: Message<'_>| seen += 1)?;
/// assert_eq!(seen, 1);
/// # Ok::<(), inferail_sse::Error>(())
/// ```
#[derive(Debug)]
pub struct MessageParser {
    /// Start of a message whose end has not arrived.
    message: Vec<u8>,
    max_payload_bytes: usize,
    failed: Option<Error>,
}

impl Default for MessageParser {
    fn default() -> Self {
        Self::new()
    }
}

impl MessageParser {
    /// A parser with the default bound, [`DEFAULT_MAX_EVENT_BYTES`].
    pub fn new() -> Self {
        Self::with_max_payload_bytes(DEFAULT_MAX_EVENT_BYTES)
    }

    /// A parser whose messages carry at most `max_payload_bytes` bytes besides their headers.
    pub fn with_max_payload_bytes(max_payload_bytes: usize) -> Self {
        Self {
            message: Vec::new(),
            max_payload_bytes,
            failed: None,
        }
    }

    /// Takes the next bytes of the stream and calls `sink` for every message they complete.
    ///
    /// # Errors
    ///
    /// Any [`Error`], at the first byte that shows it; messages before it have been delivered.
    pub fn feed(&mut self, chunk: &[u8], sink: &mut dyn FnMut(Message<'_>)) -> Result<(), Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let result = self.advance(chunk, sink);
        if let Err(error) = result {
            self.failed = Some(error);
            self.message = Vec::new();
        }
        result
    }

    /// Whether the bytes so far end within a message.
    pub fn is_inside_message(&self) -> bool {
        !self.message.is_empty()
    }

    fn advance(&mut self, chunk: &[u8], sink: &mut dyn FnMut(Message<'_>)) -> Result<(), Error> {
        let mut rest = chunk;
        if !self.message.is_empty() {
            rest = self.keep(rest, PRELUDE_BYTES);
            let Some(total) = self.total_bytes(&self.message)? else {
                return Ok(());
            };
            rest = self.keep(rest, total);
            if self.message.len() < total {
                return Ok(());
            }
            let mut message = mem::take(&mut self.message);
            sink(open(&message)?);
            message.clear();
            message.shrink_to(RETAINED_BYTES);
            self.message = message;
        }
        while let Some(total) = self.total_bytes(rest)? {
            let Some((message, after)) = rest.split_at_checked(total) else {
                break;
            };
            sink(open(message)?);
            rest = after;
        }
        self.message.extend_from_slice(rest);
        Ok(())
    }

    /// Moves bytes from `rest` until the message begun has `wanted`, and returns the others.
    fn keep<'a>(&mut self, rest: &'a [u8], wanted: usize) -> &'a [u8] {
        let missing = wanted.saturating_sub(self.message.len());
        let (taken, rest) = rest.split_at(missing.min(rest.len()));
        self.message.extend_from_slice(taken);
        rest
    }

    /// How long the message is that `bytes` begins with, once its prelude is there.
    fn total_bytes(&self, bytes: &[u8]) -> Result<Option<usize>, Error> {
        let Some((prelude, _)) = bytes.split_first_chunk::<PRELUDE_BYTES>() else {
            return Ok(None);
        };
        let [total_bytes, headers_bytes, checksum] = words(*prelude);
        if crc32(&prelude[..PRELUDE_BYTES - CHECKSUM_BYTES]) != checksum {
            return Err(Error::Checksum {
                part: Part::Prelude,
            });
        }
        let (total, headers) = (total_bytes as usize, headers_bytes as usize);
        let Some(payload) = total
            .checked_sub(LEAST_BYTES)
            .and_then(|bytes| bytes.checked_sub(headers))
        else {
            return Err(Error::Lengths {
                total_bytes,
                headers_bytes,
            });
        };
        if headers > MAX_HEADERS_BYTES {
            return Err(Error::HeadersTooLarge {
                limit: MAX_HEADERS_BYTES,
            });
        }
        if payload > self.max_payload_bytes {
            return Err(Error::EventTooLarge {
                limit: self.max_payload_bytes,
            });
        }
        Ok(Some(total))
    }
}

/// The message in `bytes`, which are its announced length and whose prelude has been checked.
fn open(bytes: &[u8]) -> Result<Message<'_>, Error> {
    let checksum = Error::Checksum {
        part: Part::Message,
    };
    let (covered, written) = bytes.split_last_chunk().ok_or(checksum)?;
    if crc32(covered) != u32::from_be_bytes(*written) {
        return Err(checksum);
    }
    let (prelude, body) = covered.split_first_chunk().ok_or(checksum)?;
    let [_, headers_bytes, _] = words(*prelude);
    let (headers, payload) = body.split_at(headers_bytes as usize);
    let message = Message { headers, payload };
    let mut unchecked = message.headers();
    while unchecked.read()?.is_some() {}
    Ok(message)
}

fn words(prelude: [u8; PRELUDE_BYTES]) -> [u32; 3] {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = prelude;
    [[a, b, c, d], [e, f, g, h], [i, j, k, l]].map(u32::from_be_bytes)
}
