//! The tokenizer as Python sees it.

mod ids;
mod specials;
mod text;
pub(crate) mod tokenizer;
