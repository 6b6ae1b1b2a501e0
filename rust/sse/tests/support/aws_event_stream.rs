//! The slow, obvious twin of the parser: it sees the whole stream at once and computes checksums bit by bit.

use inferail_sse::{Error, MAX_HEADERS_BYTES, Message, Part, Value};

/// A header, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OwnedValue {
    Boolean(bool),
    Byte(i8),
    Short(i16),
    Integer(i32),
    Long(i64),
    Bytes(Vec<u8>),
    String(String),
    Timestamp(i64),
    Uuid([u8; 16]),
}

/// A message, owned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OwnedMessage {
    pub(crate) headers: Vec<(String, OwnedValue)>,
    pub(crate) payload: Vec<u8>,
}

impl From<Message<'_>> for OwnedMessage {
    fn from(message: Message<'_>) -> Self {
        let owned = |value| match value {
            Value::Boolean(value) => OwnedValue::Boolean(value),
            Value::Byte(value) => OwnedValue::Byte(value),
            Value::Short(value) => OwnedValue::Short(value),
            Value::Integer(value) => OwnedValue::Integer(value),
            Value::Long(value) => OwnedValue::Long(value),
            Value::Bytes(value) => OwnedValue::Bytes(value.to_vec()),
            Value::String(value) => OwnedValue::String(value.to_owned()),
            Value::Timestamp(value) => OwnedValue::Timestamp(value),
            Value::Uuid(value) => OwnedValue::Uuid(value),
        };
        Self {
            headers: message
                .headers()
                .map(|(name, value)| (name.to_owned(), owned(value)))
                .collect(),
            payload: message.payload.to_vec(),
        }
    }
}

/// What a stream holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) messages: Vec<OwnedMessage>,
    pub(crate) error: Option<Error>,
    pub(crate) is_inside: bool,
}

/// Every message of a stream, and why it stops.
pub(crate) fn parse(mut bytes: &[u8], max_payload_bytes: usize) -> Outcome {
    let mut outcome = Outcome::default();
    while !bytes.is_empty() {
        match parse_one(bytes, max_payload_bytes) {
            Ok(Some((message, length))) => {
                outcome.messages.push(message);
                bytes = &bytes[length..];
            }
            Ok(None) => {
                outcome.is_inside = true;
                break;
            }
            Err(error) => {
                outcome.error = Some(error);
                break;
            }
        }
    }
    outcome
}

fn parse_one(bytes: &[u8], limit: usize) -> Result<Option<(OwnedMessage, usize)>, Error> {
    if bytes.len() < 12 {
        return Ok(None);
    }
    let (total_bytes, headers_bytes) = (number(&bytes[..4]) as u32, number(&bytes[4..8]) as u32);
    if checksum(&bytes[..8]) != number(&bytes[8..12]) as u32 {
        return Err(Error::Checksum {
            part: Part::Prelude,
        });
    }
    let (total, headers) = (total_bytes as usize, headers_bytes as usize);
    if total < 16 + headers {
        return Err(Error::Lengths {
            total_bytes,
            headers_bytes,
        });
    }
    if headers > MAX_HEADERS_BYTES {
        return Err(Error::HeadersTooLarge {
            limit: MAX_HEADERS_BYTES,
        });
    }
    if total - headers - 16 > limit {
        return Err(Error::EventTooLarge { limit });
    }
    if bytes.len() < total {
        return Ok(None);
    }
    if checksum(&bytes[..total - 4]) != number(&bytes[total - 4..total]) as u32 {
        return Err(Error::Checksum {
            part: Part::Message,
        });
    }
    let message = OwnedMessage {
        headers: parse_headers(&bytes[12..12 + headers])?,
        payload: bytes[12 + headers..total - 4].to_vec(),
    };
    Ok(Some((message, total)))
}

fn parse_headers(bytes: &[u8]) -> Result<Vec<(String, OwnedValue)>, Error> {
    let mut headers = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let error = Error::Header { offset: at as u32 };
        let take = |from: usize, length: usize| bytes.get(from..from + length).ok_or(error);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| error);
        let name_bytes = usize::from(bytes[at]);
        let name = text(take(at + 1, name_bytes)?)?;
        let kind = take(at + 1 + name_bytes, 1)?[0];
        let start = at + 2 + name_bytes;
        let (start, length) = match kind {
            0 | 1 => (start, 0),
            2 => (start, 1),
            3 => (start, 2),
            4 => (start, 4),
            5 | 8 => (start, 8),
            6 | 7 => (start + 2, number(take(start, 2)?) as usize),
            9 => (start, 16),
            _ => return Err(error),
        };
        let value = take(start, length)?;
        let value = match kind {
            0 | 1 => OwnedValue::Boolean(kind == 0),
            2 => OwnedValue::Byte(number(value) as i8),
            3 => OwnedValue::Short(number(value) as i16),
            4 => OwnedValue::Integer(number(value) as i32),
            5 => OwnedValue::Long(number(value) as i64),
            6 => OwnedValue::Bytes(value.to_vec()),
            7 => OwnedValue::String(text(value)?),
            8 => OwnedValue::Timestamp(number(value) as i64),
            _ => OwnedValue::Uuid(value.try_into().map_err(|_| error)?),
        };
        if name.is_empty() {
            return Err(error);
        }
        headers.push((name, value));
        at = start + length;
    }
    Ok(headers)
}

fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// CRC-32 of IEEE 802.3, a bit at a time.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |mut register, byte| {
        register ^= u32::from(*byte);
        for _ in 0..8 {
            let low = register & 1;
            register = register >> 1 ^ (0xedb8_8320 * low);
        }
        register
    })
}
