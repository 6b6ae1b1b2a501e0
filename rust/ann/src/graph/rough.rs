//! Codes of four bits: what a walk compares.

use inferail_simd::nibbles::pack;

/// The middle of the codes 0 to 15, doubled.
pub(super) const MIDDLE: i32 = 15;

/// Largest numbers, as shares of the vector's largest one, that the codes may reach to; what is beyond is cut off.
const REACHES: [f32; 7] = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4];

/// A vector in codes of four bits.
#[derive(Debug)]
pub(super) struct Rough {
    /// Packed, `[width / 2]`.
    pub(super) codes: Box<[u8]>,
    /// What a step between two codes is worth, halved.
    pub(super) scale: f32,
}

impl Rough {
    /// `dim` of the numbers are more than padding.
    pub(super) fn new(numbers: &[f32]) -> Self {
        let largest = numbers.iter().fold(0.0_f32, |most, n| most.max(n.abs()));
        let steps = REACHES.map(|reach| (reach * largest / 7.5).max(1e-30));
        let errors = steps.map(|step| {
            let errors = numbers.iter().map(|number| {
                let kept = (f32::from(code(*number, step)) - 7.5) * step;
                (number - kept).powi(2)
            });
            (errors.sum::<f32>(), step)
        });
        let best = errors.into_iter().min_by(|a, b| a.0.total_cmp(&b.0));
        let step = best.map_or(1e-30, |(_, step)| step);
        let codes: Vec<u8> = numbers.iter().map(|number| code(*number, step)).collect();
        // With this worth the products of the vector with itself are right, and others right on average.
        let pairs = numbers.iter().zip(&codes);
        let along: f32 = pairs
            .map(|(number, code)| number * (f32::from(*code) - 7.5))
            .sum();
        let square: f32 = numbers.iter().map(|number| number * number).sum();
        Self {
            codes: pack(&codes),
            scale: if along > 0.0 {
                square / along * 0.5
            } else {
                0.0
            },
        }
    }
}

fn code(number: f32, step: f32) -> u8 {
    (number / step + 8.0).clamp(0.0, 15.0) as u8
}
