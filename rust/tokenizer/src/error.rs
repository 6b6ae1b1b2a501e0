//! Why a tokenizer cannot be made, or a text cannot be encoded.

/// Why a tokenizer cannot be made, or a text cannot be encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is not what it claims to be.
    #[error("not a valid {format}: {problem}")]
    Format {
        /// What was being read: `tokenizer.json`, `.tiktoken ranks`, …
        format: &'static str,
        /// Where in the file, in bytes, if that is known.
        offset: Option<u64>,
        /// What is wrong there.
        problem: String,
    },
    /// The file is valid and asks for something that is not built.
    #[error("{format} uses {feature}, which is not supported")]
    Unsupported {
        /// What was being read.
        format: &'static str,
        /// The part of it, in the format's own words.
        feature: String,
    },
    /// The file is valid and says only part of what a tokenizer is.
    #[error("a {format} alone is no tokenizer: it has no {missing}")]
    Incomplete {
        /// What was being read.
        format: &'static str,
        /// What has to come from elsewhere.
        missing: &'static str,
    },
    /// A regular expression that cannot be compiled.
    #[error("the pattern cannot be compiled: {problem}")]
    Pattern {
        /// What the compiler says, with the place.
        problem: String,
    },
    /// The text has the spelling of a special token where that was not allowed.
    #[error("the text contains the special token {token} at byte {offset}")]
    DisallowedSpecial {
        /// The token as it is written.
        token: String,
        /// Where it begins in the text, in bytes.
        offset: usize,
    },
    /// No token has this id.
    #[error("no token has the id {id}, the vocabulary has ids below {limit}")]
    UnknownId {
        /// The id that was asked for.
        id: u32,
        /// One more than the highest id.
        limit: u32,
    },
    /// The model has no token for the text and no unknown token either.
    #[error("the vocabulary has no token for the text at byte {offset}, and no unknown token")]
    NoToken {
        /// Where in the text, in bytes.
        offset: usize,
    },
    /// A text cannot be made as short as was asked for.
    #[error("the text cannot be truncated to {limit} tokens, special tokens included")]
    CannotTruncate {
        /// The most tokens that were asked for.
        limit: usize,
    },
    /// The text is longer than offsets can count.
    #[error("the text has {bytes} bytes, more than {limit} at once")]
    TextTooLong {
        /// Its length in bytes.
        bytes: usize,
        /// The most bytes of one text.
        limit: usize,
    },
    /// A chat template that cannot be compiled or rendered.
    #[error("the chat template cannot be used: {problem}{}", line.map(|line| format!(" (line {line})")).unwrap_or_default())]
    Template {
        /// The line of the template, if that is known.
        line: Option<usize>,
        /// What is wrong with it, or missing.
        problem: String,
    },
    /// Messages that no chat template could be given.
    #[error("the messages cannot be used: {problem}")]
    Messages {
        /// What is wrong with them.
        problem: String,
    },
    /// The chat template refuses the conversation.
    #[error("the chat template refuses the conversation: {message}")]
    Refused {
        /// What it says.
        message: String,
    },
}

impl Error {
    pub(crate) fn format(format: &'static str, problem: impl Into<String>) -> Self {
        Self::Format {
            format,
            offset: None,
            problem: problem.into(),
        }
    }

    pub(crate) fn unsupported(format: &'static str, feature: impl Into<String>) -> Self {
        Self::Unsupported {
            format,
            feature: feature.into(),
        }
    }
}
