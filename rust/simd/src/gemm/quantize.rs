//! Rows of inputs as small integers, for weights that are small integers.

use super::functions::{largest_magnitude, rounded};

/// The largest weight.
pub(super) const WEIGHT_LIMIT: i32 = 127;

/// The most inputs of a row: with more, an input would have fewer than 8 bits.
pub(super) const MOST_INPUTS: usize = 1 << 16;

/// The largest input, so that a sum of `depth` products is no more than an `i32` holds.
///
/// 13 bits at most: with 7, as is usual, embeddings of MiniLM are at a cosine of 0.995 to those of the numbers that were not
/// rounded, with 12 bits at 0.99999.
pub(super) fn input_limit(depth: usize) -> i32 {
    let most = i32::MAX as usize / (WEIGHT_LIMIT as usize * depth.max(1));
    most.min(8191) as i32
}

/// Writes `row · factors` as integers, with zeros behind them, and gives what an integer stands for.
///
/// `spare` is where the products are kept meanwhile. Of a row with an infinite number or none the scale is not a number,
/// and what it is multiplied with neither.
#[inline(always)]
pub(super) fn quantize(
    row: &[f32],
    factors: &[f32],
    spare: &mut [f32],
    out: &mut [[i16; 4]],
) -> f32 {
    let spare = &mut spare[..row.len()];
    for ((scaled, value), factor) in spare.iter_mut().zip(row).zip(factors) {
        *scaled = value * factor;
    }
    let largest = largest_magnitude(spare);
    let limit = input_limit(row.len()) as f32;
    // Of anything smaller the reciprocal would be infinite; it is as good as zero.
    let inverse = if largest < 1e-30 {
        0.0
    } else {
        limit / largest
    };
    let out = out.as_flattened_mut();
    for (integer, value) in out.iter_mut().zip(&*spare) {
        *integer = rounded(value * inverse) as i16;
    }
    out[row.len()..].fill(0);
    if largest.is_infinite() {
        return f32::NAN;
    }
    largest / limit
}
