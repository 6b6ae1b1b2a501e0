//! The tokenizer as Python sees it.

mod batch;
mod chat;
pub(crate) mod encoding;
mod ids;
mod origin;
mod specials;
pub(crate) mod streaming_decoder;
mod text;
#[expect(clippy::module_inception, reason = "the class the folder is about")]
pub(crate) mod tokenizer;
