//! Why a model cannot be loaded, or a text cannot be encoded.

use std::io;
use std::path::{Path, PathBuf};

/// Why a model cannot be loaded, or a text cannot be encoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the folder is not what it claims to be.
    #[error("not a valid {format}: {problem}")]
    Format {
        /// What was being read: `safetensors file`, `config.json`, …
        format: &'static str,
        /// The file, if it was read from one.
        path: Option<PathBuf>,
        /// Where in the file, in bytes, if that is known.
        offset: Option<u64>,
        /// What is wrong there.
        problem: String,
    },
    /// The folder is valid and asks for something that is not built.
    #[error("the model has {feature}, which is not supported")]
    Unsupported {
        /// The file that asks for it.
        path: Option<PathBuf>,
        /// What it asks for, in the file's own words.
        feature: String,
    },
    /// The folder has no such file.
    #[error("{} has no {file}{}", folder.display(), hint.map(|hint| format!(": {hint}")).unwrap_or_default())]
    Missing {
        /// The folder.
        folder: PathBuf,
        /// The file that was looked for.
        file: &'static str,
        /// What can be done.
        hint: Option<&'static str>,
    },
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The tokenizer cannot be made.
    #[error("{source}")]
    Tokenizer {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        source: inferail_tokenizer::Error,
    },
    /// A text cannot be encoded.
    #[error("text {index} cannot be encoded: {source}")]
    Text {
        /// Which one.
        index: usize,
        /// Why.
        source: inferail_tokenizer::Error,
    },
    /// What came out of a text is not a number: the weights are too large for their format.
    #[error(
        "the embedding of text {index} is not finite: the weights of this model cannot be right"
    )]
    NotFinite {
        /// Which one.
        index: usize,
    },
    /// An argument is out of its range.
    #[error("{name} must be {expected}, not {value}")]
    Argument {
        /// Which one.
        name: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it was.
        value: usize,
    },
}

impl Error {
    pub(crate) fn format(format: &'static str, problem: impl Into<String>) -> Self {
        Self::Format {
            format,
            path: None,
            offset: None,
            problem: problem.into(),
        }
    }

    pub(crate) fn format_at(format: &'static str, offset: u64, problem: impl Into<String>) -> Self {
        Self::Format {
            format,
            path: None,
            offset: Some(offset),
            problem: problem.into(),
        }
    }

    pub(crate) fn unsupported(feature: impl Into<String>) -> Self {
        Self::Unsupported {
            path: None,
            feature: feature.into(),
        }
    }

    /// The same error with the file it is about, where it has none yet.
    pub(crate) fn in_file(mut self, file: &Path) -> Self {
        if let Self::Format { path, .. } | Self::Unsupported { path, .. } = &mut self {
            path.get_or_insert_with(|| file.to_owned());
        }
        self
    }
}
