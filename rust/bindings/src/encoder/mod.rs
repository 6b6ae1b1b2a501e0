//! The encoders of texts as Python sees them.

#[expect(clippy::module_inception, reason = "the class the folder is about")]
pub(crate) mod encoder;
pub(crate) mod lexical;
mod texts;
