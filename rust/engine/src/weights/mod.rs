//! Tensors of safetensors files.

mod dtype;
mod header;
mod safetensors;

pub use dtype::Dtype;
pub use header::{Header, MOST_HEADER_BYTES, TensorInfo};
pub use safetensors::SafeTensors;
