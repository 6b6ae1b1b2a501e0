//! Functions of one number, without a branch, so that a loop over them becomes vector code of the pass it is in.
//!
//! Each step is an operation that IEEE 754 rounds, so that every instruction set gives the same bits.

use std::f32::consts::{FRAC_1_SQRT_2, LOG2_E};

/// Adding it moves the integer part of a small number into the lowest bits, rounded to even.
const ROUNDING: f32 = 12_582_912.0;

/// `round(value)` of a number below 2²² in magnitude.
#[inline(always)]
pub(super) fn rounded(value: f32) -> i32 {
    (value + ROUNDING)
        .to_bits()
        .wrapping_sub(ROUNDING.to_bits())
        .cast_signed()
}

/// `eˣ`, at most 2 units in the last place off from −87 to 88. Below it is `e⁻⁸⁷`, above `e⁸⁸`.
#[inline(always)]
pub(super) fn exp(value: f32) -> f32 {
    // ln 2 in two parts: the first has so few digits that its products are exact.
    const HIGH: f32 = 0.693_359_4;
    const LOW: f32 = -2.121_944_4e-4;
    let value = value.clamp(-87.0, 88.0);
    let power = rounded(value * LOG2_E);
    let whole = power as f32;
    let rest = whole.mul_add(-LOW, whole.mul_add(-HIGH, value));
    // The polynomial of Cephes' expf.
    let mut sum = 1.987_569_1e-4_f32;
    sum = sum.mul_add(rest, 1.398_2e-3);
    sum = sum.mul_add(rest, 8.333_452e-3);
    sum = sum.mul_add(rest, 4.166_579_6e-2);
    sum = sum.mul_add(rest, 1.666_666_5e-1);
    sum = sum.mul_add(rest, 0.5);
    let near = sum.mul_add(rest * rest, rest) + 1.0;
    near * f32::from_bits(((power + 127) << 23).cast_unsigned())
}

/// `x Φ(x)`, with the normal distribution: at most 4·10⁻⁷ off, or as much of x where that is more.
#[inline(always)]
pub(super) fn gelu(value: f32) -> f32 {
    // erfc after Abramowitz and Stegun 7.1.26, which is at most 1.5·10⁻⁷ off.
    let size = value.abs() * FRAC_1_SQRT_2;
    let near = 1.0 / 0.327_591_1_f32.mul_add(size, 1.0);
    let mut sum = 1.061_405_4_f32;
    sum = sum.mul_add(near, -1.453_152);
    sum = sum.mul_add(near, 1.421_413_8);
    sum = sum.mul_add(near, -0.284_496_72);
    sum = sum.mul_add(near, 0.254_829_6);
    let tail = sum * near * exp(-size * size);
    value.max(0.0) - 0.5 * value.abs() * tail
}

/// The approximation of [`gelu`] with a hyperbolic tangent, which some models were trained with.
#[inline(always)]
pub(super) fn gelu_tanh(value: f32) -> f32 {
    // ½ (1 + tanh u) = 1 / (1 + e⁻²ᵘ).
    const SCALE: f32 = 0.797_884_6;
    let inner = SCALE * (0.044_715 * value * value).mul_add(value, value);
    value / (1.0 + exp(-2.0 * inner))
}

/// Numbers that are added at a time.
const LANES: usize = 16;

/// The sum of `of(value)` over all values, in an order that depends on their number alone.
#[inline(always)]
pub(super) fn sum(values: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += of(*value);
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane += of(*value);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for at in 0..width {
            lanes[at] += lanes[at + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// The largest magnitude; not a number if one of them is none.
#[inline(always)]
pub(super) fn largest_magnitude(values: &[f32]) -> f32 {
    let mut lanes = [0_i32; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    // As integers, magnitudes have the same order, and what is not a number comes last.
    let magnitude = |value: f32| value.abs().to_bits().cast_signed();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = (*lane).max(magnitude(*value));
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane = (*lane).max(magnitude(*value));
    }
    f32::from_bits(lanes.into_iter().max().unwrap_or(0).cast_unsigned())
}

/// The largest value, −∞ of none.
#[inline(always)]
pub(super) fn largest(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = if *value > *lane { *value } else { *lane };
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane = if *value > *lane { *value } else { *lane };
    }
    lanes.into_iter().fold(f32::NEG_INFINITY, f32::max)
}
