//! JSON without a document: [`Walker`] picks members out of a whole text, [`PartialParser`] reads one that is still
//! being written.

mod partial;
mod walker;

pub use partial::{
    Builder, Container, DEFAULT_MAX_BYTES, MAX_NUMBER_BYTES, PartialError, PartialParser, Scalar,
    Unfinished,
};
pub use walker::{MAX_DEPTH, MAX_SOURCE_BYTES, Span, Type, Walker};
