//! Pages of a key/value cache: their memory, the numbers in them, and attention that reads them where they lie.
//!
//! A page is one block of one layer: `[2 (keys, values)][kv_heads][block_size][head_dim]` numbers, then, for the
//! quantised formats, `[2][kv_heads][block_size]` f32 scales, padded to a multiple of 64 bytes. So a page is complete in
//! itself and moves between devices as plain bytes.
//!
//! # What is not a number
//!
//! F32, bf16 and f16 keep NaN and infinities; what is too large for bf16 or f16 becomes infinite, as IEEE 754 rounds. In
//! the quantised formats a head's vector with one number that is not finite reads back as NaN throughout, since its scale
//! is NaN. Attention that meets one of them gives NaN, never a number that looks right.
#![expect(
    clippy::inline_always,
    reason = "code that is not inlined into a pass is compiled for the oldest CPU"
)]

mod attend;
mod convert;
mod memory;
mod number;
mod partials;
mod rows;
mod shape;

pub use crate::logits::{Level, Row};
pub use attend::Context;
pub use convert::{bf16_from_f32, f16_from_f32, fp8_from_f32, fp8_to_f32};
pub use memory::Memory;
pub use partials::{Partials, Scaling};
pub use rows::{read, write};
pub use shape::{Format, Part, Shape};
