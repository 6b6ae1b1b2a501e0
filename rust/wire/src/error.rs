//! Why an event could not be read.

use std::fmt;

/// Why the JSON of an event could not be read. The text never quotes the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are not JSON.
    #[error("invalid JSON at byte {offset}")]
    Malformed {
        /// Where in the event's data, in bytes.
        offset: u32,
    },
    /// Arrays and objects are nested too deeply.
    #[error("JSON nested more than {limit} levels deep")]
    TooDeep {
        /// The deepest nesting allowed.
        limit: u32,
    },
    /// The stream has more parts than the decoder keeps account of.
    #[error("more than {limit} choices, open blocks or tool calls")]
    TooMany {
        /// The most of each allowed.
        limit: u32,
    },
    /// The provider used a form that cannot be represented without loss.
    #[error("{feature} is not supported")]
    Unsupported {
        /// The form, by its name on the wire.
        feature: Feature,
    },
}

/// A form of a wire format that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Feature {
    /// Gemini's arguments by path, where one stands before what has been passed on already.
    PartialArgs,
    /// A text that should repeat what it said before, and says something else.
    RevisedText,
}

impl fmt::Display for Feature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::PartialArgs => "functionCall.partialArgs out of order",
            Self::RevisedText => "text that takes back what it said",
        })
    }
}
