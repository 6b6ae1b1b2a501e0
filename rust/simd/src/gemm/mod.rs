//! Products of matrices with weights that were packed ahead, and what a transformer does between them.
//!
//! Weights are in one of three [`Format`]s, in the same order for every instruction set: panels of sixteen columns, and in a
//! panel one line of 64 bytes after the other. A [`Pass`] is written once, over a [`Kernel`], and compiled for each
//! instruction set. Every element is one sum in one order and every row is for itself, so that a row comes out the same
//! whatever stands beside it, and the same bits from every set but `avx512bf16`, which rounds otherwise.
#![expect(
    clippy::inline_always,
    reason = "code that is not inlined into a pass is compiled for the oldest CPU"
)]

mod attention;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod functions;
mod kernel;
mod level;
mod multiply;
mod norm;
mod packed;
mod quantize;
mod scalar;
#[cfg(test)]
mod tests;

pub use attention::{Attention, AttentionScratch};
pub use level::Level;
pub use multiply::{Activation, Scratch};
pub use norm::add_and_normalize;
pub use packed::{Format, Matrix};

use kernel::{Kernel, Pass};
