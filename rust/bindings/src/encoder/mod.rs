//! The encoders of texts as Python sees them.

pub(crate) mod encoder;
pub(crate) mod lexical;
mod texts;
