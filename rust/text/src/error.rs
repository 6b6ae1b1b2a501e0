//! Why a text cannot be worked on, or a file cannot be read.

use std::path::PathBuf;

/// Why something of this crate cannot be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is of another format, cut short, or says what cannot be.
    #[error("no model of tasks: {problem}")]
    Format {
        /// What is wrong.
        problem: String,
        /// Where, in bytes from its beginning.
        offset: u64,
    },
    /// It was changed after it was written.
    #[error(
        "the model of tasks is damaged: its checksum is {found:08x}, it was written with {written:08x}"
    )]
    Damaged {
        /// Of what is there.
        found: u32,
        /// What it says.
        written: u32,
    },
    /// An argument is out of its range.
    #[error("{problem}")]
    Argument {
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// A code point alone is over the size of a chunk.
    #[error("a character at byte {offset} alone has more tokens than size, which is {size}")]
    Character {
        /// Where it is.
        offset: usize,
        /// The size.
        size: usize,
    },
    /// The tokenizer refused a text.
    #[error(transparent)]
    Tokenizer(#[from] inferail_tokenizer::Error),
    /// A file is no index, or not any more.
    #[error("{} is no sound BM25 index: {problem}", path.display())]
    Index {
        /// Of the file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// Where, in bytes from its beginning.
        offset: u64,
    },
    /// The system refused.
    #[error("{} cannot be {verb}: {source}", path.display())]
    Io {
        /// Of the file.
        path: PathBuf,
        /// What was tried.
        verb: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
}

impl Error {
    pub(crate) fn argument(problem: impl Into<String>) -> Self {
        Self::Argument {
            problem: problem.into(),
        }
    }

    pub(crate) fn format(problem: impl Into<String>, offset: usize) -> Self {
        Self::Format {
            problem: problem.into(),
            offset: offset as u64,
        }
    }
}
