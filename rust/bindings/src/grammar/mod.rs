//! Constrained decoding as Python sees it.

mod error;
#[expect(clippy::module_inception, reason = "the class the folder is about")]
pub(crate) mod grammar;
pub(crate) mod matcher;
mod source;
pub(crate) mod vocabulary;
