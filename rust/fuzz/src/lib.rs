//! What the fuzz targets share: ways to cut an input, a count of allocations, and the property every
//! stream decoder must have.

#![forbid(unsafe_code)]

mod allocations;
pub mod constrained;
mod decoder;
mod event_stream;
mod split;
pub mod tokenizer;

pub use allocations::{COUNTING, Counting, allocated_bytes};
pub use decoder::check_decoder;
pub use event_stream::event_stream;
pub use split::Splits;
