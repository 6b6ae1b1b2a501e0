//! The tokenizer as Python sees it.

mod batch;
pub(crate) mod encoding;
mod ids;
mod origin;
mod specials;
pub(crate) mod streaming_decoder;
mod text;
pub(crate) mod tokenizer;
