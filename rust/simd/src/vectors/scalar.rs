//! What the kernels compute, one number after the other.

use super::{LANES, LEAD, LeadBlock, LeadQuery, WIDTH, lead_position};
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

pub(super) fn project(matrix: &[[f32; WIDTH]], vector: &[[f32; WIDTH]], out: &mut [f32]) {
    if vector.is_empty() {
        return;
    }
    for (row, product) in matrix.chunks_exact(vector.len()).zip(out) {
        *product = dot(row, vector);
    }
}

pub(super) fn scan_lead(
    codes: &[LeadBlock],
    rest: &[[f32; LANES]],
    bias: Option<&[[f32; LANES]]>,
    query: &LeadQuery,
    masks: &mut [u16],
) {
    let zero = query.zero();
    for (block, (codes, (rest, mask))) in codes.iter().zip(rest.iter().zip(masks)).enumerate() {
        *mask = 0;
        for lane in 0..LANES {
            let products = (0..LEAD).map(|dimension| {
                let code = codes[lead_position(lane, dimension)];
                i32::from(code) * i32::from(query.weights[dimension])
            });
            let sum = products.sum::<i32>() - zero;
            let bias = bias
                .and_then(|bias| bias.get(block))
                .map_or(0.0, |bias| bias[lane]);
            let bound = query.rest.mul_add(rest[lane], bias);
            let bound = query.unit.mul_add(sum as f32, bound);
            *mask |= u16::from(bound >= query.threshold) << lane;
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
