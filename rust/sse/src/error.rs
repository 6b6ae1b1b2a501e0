//! Why framing stopped.

use std::fmt;

/// Why a parser cannot go on. It stays stopped: every later call returns the same error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An event (or one line) grew beyond the bound the parser was made with.
    #[error("event is larger than {limit} bytes")]
    EventTooLarge {
        /// The bound, in bytes.
        limit: usize,
    },
    /// A message announces more bytes of headers than the format allows.
    #[error("headers of a message are larger than {limit} bytes")]
    HeadersTooLarge {
        /// The most the format allows, in bytes.
        limit: usize,
    },
    /// The lengths a message announces contradict each other.
    #[error("a message of {total_bytes} bytes cannot hold {headers_bytes} bytes of headers")]
    Lengths {
        /// The announced length of the whole message.
        total_bytes: u32,
        /// The announced length of its headers.
        headers_bytes: u32,
    },
    /// Bytes were changed or lost on their way.
    #[error("checksum of {part} does not match")]
    Checksum {
        /// What the checksum covers.
        part: Part,
    },
    /// The headers of a message cannot be read.
    #[error("malformed header at byte {offset} of the headers")]
    Header {
        /// Where the header begins.
        offset: u32,
    },
}

/// What one of the checksums of a message covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// The two lengths at its beginning.
    Prelude,
    /// All of it.
    Message,
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Prelude => "a message's lengths",
            Self::Message => "a message",
        })
    }
}
