//! Text to tokens and back, identical to tiktoken, Hugging Face `tokenizers`, `SentencePiece` and `mistral-common`.
//!
//! A loader in [`load`] turns a file into a [`Definition`], plain data. [`Tokenizer::new`] prepares it: read-only from then
//! on, `Send + Sync`, with nothing to lock. A text goes through these stages, each a module:
//!
//! ```text
//! added tokens -> normalizer -> pre-tokenizer -> model -> post-processor          ids -> decoder
//! ```
#![forbid(unsafe_code)]

mod added;
mod bpe;
mod definition;
mod error;
mod fragments;
pub mod load;
mod normalize;
mod pool;
mod pretokenize;
mod sentence_bpe;
mod sink;
mod streaming;
mod tokenizer;
mod unigram;
mod vocabulary;

pub use added::AddedToken;
pub use definition::{Definition, ModelDefinition};
pub use error::Error;
pub use normalize::{Charsmap, NormalizerDefinition, SentenceNormalizer};
pub use pool::map_batch;
pub use pretokenize::{PreTokenizerDefinition, Scheme};
pub use sentence_bpe::{SentenceBpeDefinition, SentenceMerges, UnknownCharacters};
pub use streaming::Utf8Stream;
pub use tokenizer::{Specials, Tokenizer};
pub use unigram::UnigramDefinition;
pub use vocabulary::Vocabulary;
