//! The tokenizer as Python sees it.

pub(crate) mod batch;
pub(crate) mod chat;
mod detailed;
pub(crate) mod encoding;
pub(crate) mod ids;
mod origin;
mod settings;
mod specials;
pub(crate) mod streaming_decoder;
mod surround;
pub(crate) mod text;
#[expect(clippy::module_inception, reason = "the class the folder is about")]
pub(crate) mod tokenizer;
