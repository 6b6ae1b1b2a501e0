//! Ids back to text.

mod steps;
mod streaming;

pub(crate) use steps::Decoder;
pub use steps::{DecoderDefinition, DecoderStep};
pub use streaming::StreamingDecoder;
