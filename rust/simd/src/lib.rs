//! CPU kernels chosen at run time, files as memory, and the safe doors to them.
//!
//! Every kernel has a scalar twin that says what it computes; tests drive the two apart.

pub mod block;
pub mod gemm;
pub mod logits;
pub mod map;
pub mod nibbles;
pub mod pages;
mod prefetch;
pub mod vectors;

pub use prefetch::prefetch;
