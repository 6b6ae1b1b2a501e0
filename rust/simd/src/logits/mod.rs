//! Rows of logits, sixteen at a time: maxima, sums of exponentials, and what is above a threshold.
//!
//! A pass over a row is written once, over [`Lanes`], and compiled for each instruction set. Every operation of a
//! `Lanes` rounds as IEEE 754 says and every sum has one order, so that all sets give the same bits.
#![expect(
    clippy::inline_always,
    reason = "code that is not inlined into a pass is compiled for the oldest CPU"
)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod element;
mod exponential;
mod lanes;
mod level;
mod passes;
mod scalar;

pub use element::{Row, bf16_to_f32, f16_to_f32};
pub use level::Level;
pub use passes::{BLOCK, Collected, Members, Moments, Scale, Weighed};

pub(crate) use exponential::exponential;
pub(crate) use lanes::{Lanes, WIDTH};
pub(crate) use passes::Pass;
