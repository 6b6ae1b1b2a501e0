//! CPU kernels chosen at run time, and the safe doors to them.
//!
//! Every kernel has a scalar twin that says what it computes; tests drive the two apart.

pub mod block;
pub mod gemm;
pub mod logits;
mod prefetch;

pub use prefetch::prefetch;
