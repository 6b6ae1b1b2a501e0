//! What the kernels compute, one number after the other.

use super::{LANES, LEAD, LeadBlock, LeadQuery, WIDTH};
use crate::logits::f16_to_f32;

pub(super) fn dot(left: &[[f32; WIDTH]], right: &[[f32; WIDTH]]) -> f32 {
    sum(left, right, |sum, a, b| a.mul_add(b, sum))
}

pub(super) fn dot_half(left: &[[f32; WIDTH]], right: &[[u16; WIDTH]]) -> f32 {
    sum(left, right, |sum, a, b| a.mul_add(f16_to_f32(b), sum))
}

pub(super) fn dot_coded(left: &[[f32; WIDTH]], right: &[[i8; WIDTH]]) -> f32 {
    sum(left, right, |sum, a, b: i8| a.mul_add(f32::from(b), sum))
}

pub(super) fn distance(left: &[[f32; WIDTH]], right: &[[f32; WIDTH]]) -> f32 {
    sum(left, right, |sum, a, b| square(a - b, sum))
}

pub(super) fn distance_half(left: &[[f32; WIDTH]], right: &[[u16; WIDTH]]) -> f32 {
    sum(left, right, |sum, a, b| square(a - f16_to_f32(b), sum))
}

pub(super) fn distance_coded(left: &[[f32; WIDTH]], right: &[[i8; WIDTH]], scale: f32) -> f32 {
    sum(left, right, |sum, a, b: i8| {
        square((-scale).mul_add(f32::from(b), a), sum)
    })
}

pub(super) fn dot_codes(left: &[[i8; WIDTH]], right: &[[i8; WIDTH]]) -> i32 {
    let pairs = left.as_flattened().iter().zip(right.as_flattened());
    pairs.map(|(a, b)| i32::from(*a) * i32::from(*b)).sum()
}

pub(super) fn encode(numbers: &[[f32; WIDTH]], scale: f32, codes: &mut [[i8; WIDTH]]) -> f32 {
    let per_unit = 1.0 / scale;
    for (numbers, codes) in numbers.iter().zip(codes.iter_mut()) {
        for (number, code) in numbers.iter().zip(codes) {
            *code = (number * per_unit).round_ties_even().clamp(-127.0, 127.0) as i8;
        }
    }
    distance_coded(numbers, codes, scale)
}

pub(super) fn largest(numbers: &[[f32; WIDTH]]) -> f32 {
    let numbers = numbers.as_flattened().iter();
    numbers.fold(0.0, |most, number| {
        let magnitude = number.abs();
        if magnitude.is_finite() {
            magnitude.max(most)
        } else {
            f32::INFINITY
        }
    })
}

pub(super) fn project(columns: &[[f32; LEAD]], vector: &[f32]) -> [f32; LEAD] {
    let mut sums = [[0.0_f32; LEAD]; 2];
    for (place, (column, number)) in columns.iter().zip(vector).enumerate() {
        for (sum, other) in sums[place % 2].iter_mut().zip(column) {
            *sum = number.mul_add(*other, *sum);
        }
    }
    std::array::from_fn(|row| sums[0][row] + sums[1][row])
}

pub(super) fn add_scaled(sum: &mut [[f32; WIDTH]], vector: &[[f32; WIDTH]], factor: f32) {
    let numbers = vector.as_flattened().iter();
    for (sum, number) in sum.as_flattened_mut().iter_mut().zip(numbers) {
        *sum = factor.mul_add(*number, *sum);
    }
}

pub(super) fn lead_bounds<const N: usize>(
    blocks: [&LeadBlock; N],
    bias: &[f32; LANES],
    queries: &[LeadQuery; N],
) -> [f32; LANES] {
    std::array::from_fn(|lane| {
        let mut bound = bias[lane];
        for (block, query) in blocks.iter().zip(queries) {
            let products = query.weights.iter().enumerate();
            let products = products.map(|(dimension, weight)| {
                i32::from(block.code(lane, dimension)) * i32::from(*weight)
            });
            let sum = products.sum::<i32>() - query.zero;
            bound = query.error.mul_add(f32::from(block.errors[lane]), bound);
            bound = query.unit.mul_add(sum as f32, bound);
        }
        let last = blocks.last().zip(queries.last());
        last.map_or(bound, |(block, query)| {
            query.rest.mul_add(f32::from(block.rests[lane]), bound)
        })
    })
}

pub(super) fn scan_leads<const N: usize>(
    groups: [&[LeadBlock]; N],
    bias: Option<&[[f32; LANES]]>,
    queries: &[LeadQuery; N],
    threshold: f32,
    masks: &mut [u16],
) {
    for (number, mask) in masks.iter_mut().enumerate() {
        let bias = bias.map_or(&[0.0; LANES], |bias| &bias[number]);
        let blocks = groups.map(|blocks| &blocks[number]);
        for (lane, bound) in lead_bounds(blocks, bias, queries).into_iter().enumerate() {
            *mask &= !(u16::from(bound < threshold) << lane);
        }
    }
}

/// [`WIDTH`] sums side by side, then the upper half added to the lower one until one is left.
fn sum<T: Copy>(
    left: &[[f32; WIDTH]],
    right: &[[T; WIDTH]],
    step: impl Fn(f32, f32, T) -> f32,
) -> f32 {
    let mut sums = [0.0_f32; WIDTH];
    for (left, right) in left.iter().zip(right) {
        for (sum, (a, b)) in sums.iter_mut().zip(left.iter().zip(right)) {
            *sum = step(*sum, *a, *b);
        }
    }
    let mut half = WIDTH / 2;
    while half > 0 {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
        half /= 2;
    }
    sums[0]
}

fn square(value: f32, plus: f32) -> f32 {
    value.mul_add(value, plus)
}
