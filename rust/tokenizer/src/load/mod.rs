//! One loader a format: bytes of a file to a [`crate::Definition`].

pub mod compact;
pub mod gguf;
pub mod huggingface;
mod protobuf;
pub mod sentencepiece;
mod sniff;
pub mod tekken;
pub mod tiktoken;

use crate::chat_template::TokenizerConfig;
use crate::{Definition, Error, Vocabulary};

pub use sniff::{Format, sniff};

/// The vocabulary of a file of ranks: `.tiktoken`, or the format of our own.
///
/// # Errors
///
/// [`Error::Format`]: it is neither, or broken.
pub fn ranks(file: &[u8]) -> Result<Vocabulary, Error> {
    if file.starts_with(compact::MAGIC) {
        compact::read(file)
    } else {
        tiktoken::ranks(file)
    }
}

/// What a file says of conversations beside its vocabulary; most kinds have a `tokenizer_config.json` for it instead.
///
/// # Errors
///
/// Those of [`gguf::config`].
pub fn config(file: &[u8]) -> Result<TokenizerConfig, Error> {
    match sniff(file) {
        Some(Format::Gguf) => gguf::config(file),
        _ => Ok(TokenizerConfig::default()),
    }
}

/// How a file is read that can be read in two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Which ids added tokens get.
    pub ids: Ids,
}

/// Which ids added tokens get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ids {
    /// Those that are in the file.
    #[default]
    File,
    /// Those that Hugging Face `tokenizers` gives them: it counts on from the end of the vocabulary where a file leaves ids
    /// out.
    HuggingFace,
}

/// What a file says that describes a whole tokenizer, whatever kind of file it is.
///
/// # Errors
///
/// [`Error::Format`]: it is of no kind that is known, or not a valid one. [`Error::Incomplete`]: it is one that says only
/// part of what a tokenizer is. [`Error::Unsupported`]: it asks for something that is not built.
pub fn any(file: &[u8], options: Options) -> Result<Definition, Error> {
    let Some(format) = sniff(file) else {
        let known = "it is no tokenizer.json, tekken.json, SentencePiece model, GGUF file or .tiktoken file";
        return Err(Error::format("tokenizer file", known));
    };
    match format {
        Format::HuggingFace => huggingface::definition(file, options),
        Format::Tiktoken | Format::Compact => Err(Error::Incomplete {
            format: format.name(),
            missing: "pattern",
        }),
        Format::TokenizerConfig => Err(Error::Incomplete {
            format: format.name(),
            missing: "vocabulary",
        }),
        Format::SentencePiece => sentencepiece::definition(file),
        Format::Tekken => tekken::definition(file),
        Format::Gguf => gguf::definition(file),
    }
}
