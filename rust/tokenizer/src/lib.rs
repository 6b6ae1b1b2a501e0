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
mod alphabet;
mod bpe;
pub mod chat_template;
mod decode;
mod definition;
mod detailed;
mod error;
mod fragments;
pub mod load;
mod model;
mod normalize;
mod pool;
mod postprocess;
mod pretokenize;
mod sentence_bpe;
mod sink;
mod streaming;
mod tokenizer;
mod unigram;
mod unstable;
mod vocabulary;
mod wordpiece;

pub use added::AddedToken;
pub use decode::{DecoderDefinition, DecoderStep, StreamingDecoder};
pub use definition::{Definition, ModelDefinition};
pub use detailed::{EncodeOptions, Input, OffsetUnit};
pub use error::Error;
pub use normalize::{
    Charsmap, NormalForm, NormalizerDefinition, NormalizerStep, SentenceNormalizer,
};
pub use pool::map_batch;
pub use postprocess::{
    Direction, Encoding, PadTo, Padding, PostProcessorDefinition, Strategy, TemplatePiece,
    Truncation,
};
pub use pretokenize::{
    Behavior, Find, Kind, PreTokenizerDefinition, PreTokenizerStep, Prepend, Scheme,
};
pub use sentence_bpe::{SentenceBpeDefinition, SentenceMerges, UnknownCharacters};
pub use streaming::Utf8Stream;
pub use tokenizer::{Specials, Tokenizer};
pub use unigram::UnigramDefinition;
pub use unstable::Unstable;
pub use vocabulary::Vocabulary;
pub use wordpiece::WordPieceDefinition;
