//! One vector, made ready to be kept or to be compared.

use inferail_simd::logits::f16_to_f32;
use inferail_simd::vectors::Level;

use crate::partition::rows::KeptRef;
use crate::{Error, Metric, Precision, Settings};

/// Largest number of a vector: its square times [`crate::MAX_DIM`] is still finite.
const LARGEST: f32 = 1e16;

/// A vector as it is compared: checked, of length 1 for cosine, padded with zeros.
#[derive(Debug, Clone)]
pub(crate) struct Vector {
    /// `[width]`
    pub(crate) numbers: Box<[f32]>,
    /// Its length, not below the true one.
    pub(crate) norm: f32,
}

impl Vector {
    /// Vector `row` of a call.
    pub(crate) fn new(
        level: Level,
        settings: &Settings,
        given: &[f32],
        row: usize,
    ) -> Result<Self, Error> {
        let dim = settings.dim();
        if given.len() != dim {
            return Err(Error::Dimension {
                expected: dim,
                found: given.len(),
            });
        }
        let mut numbers = vec![0.0; settings.width()].into_boxed_slice();
        numbers[..dim].copy_from_slice(given);
        if level.largest(&numbers) > LARGEST {
            let column = given
                .iter()
                .position(|number| number.is_nan() || number.abs() > LARGEST);
            let column = column.unwrap_or_default();
            let value = given[column];
            return Err(Error::NotFinite { row, column, value });
        }
        if settings.metric() == Metric::Cosine {
            normalise(level, &mut numbers);
        }
        Ok(Self::of_kept(level, numbers))
    }

    /// Of numbers that were kept: they are as they shall be.
    pub(crate) fn of_kept(level: Level, numbers: Box<[f32]>) -> Self {
        let norm = above(length(level, &numbers));
        Self { numbers, norm }
    }
}

/// The codes of a vector, for the second look.
#[derive(Debug, Clone)]
#[expect(clippy::struct_field_names, reason = "they are the codes")]
pub(crate) struct Codes {
    /// `[width]`, -127 to 127.
    pub(crate) codes: Box<[i8]>,
    /// What a code of 1 is worth.
    pub(crate) scale: f32,
    /// Length of the difference between the vector and its codes, not below the true one.
    pub(crate) error: f32,
}

impl Codes {
    pub(crate) fn new(level: Level, numbers: &[f32]) -> Self {
        let largest = level.largest(numbers);
        // A divisor that is not tiny: the codes of a vector of tiny numbers are zeros, and the error says so.
        let scale = (largest / 127.0).max(1e-30);
        let mut codes = vec![0; numbers.len()].into_boxed_slice();
        let squares = level.encode(numbers, scale, &mut codes);
        let mut error = squares.sqrt() * 1.0001 + largest * 1e-6;
        if scale < 1e-15 {
            // The squares of such errors vanish; each of them is at most a code.
            error += scale * (numbers.len() as f32).sqrt();
        }
        Self {
            codes,
            scale,
            error,
        }
    }
}

/// The numbers of a vector as they are kept.
#[derive(Debug, Clone)]
pub(crate) enum Kept {
    Float32(Box<[f32]>),
    Float16(Box<[u16]>),
    /// The codes are all there is.
    Int8,
}

/// What an entry keeps of its vector.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) codes: Codes,
    pub(crate) kept: Kept,
    /// The vector that the kept numbers are.
    pub(crate) vector: Vector,
}

impl Stored {
    pub(crate) fn new(level: Level, settings: &Settings, vector: Vector) -> Self {
        let mut codes = Codes::new(level, &vector.numbers);
        match settings.precision() {
            Precision::Float32 => Self {
                codes,
                kept: Kept::Float32(vector.numbers.clone()),
                vector,
            },
            Precision::Float16 => {
                let bits: Box<[u16]> = vector.numbers.iter().map(|n| f32_to_f16(*n)).collect();
                let numbers: Box<[f32]> = bits.iter().map(|bits| f16_to_f32(*bits)).collect();
                Self {
                    codes: Codes::new(level, &numbers),
                    kept: Kept::Float16(bits),
                    vector: Vector::of_kept(level, numbers),
                }
            }
            Precision::Int8 => {
                let length = codes_length(&codes.codes);
                if settings.metric() == Metric::Cosine && length > 0.0 {
                    // The codes of a vector of length 1 are of another length: its own scale makes up for it.
                    codes.scale = (1.0 / length) as f32;
                }
                codes.error = 0.0;
                let scale = codes.scale;
                let numbers = codes.codes.iter().map(|code| f32::from(*code) * scale);
                let vector = Vector::of_kept(level, numbers.collect());
                codes.error = vector.norm * 1e-6;
                Self {
                    codes,
                    kept: Kept::Int8,
                    vector,
                }
            }
        }
    }
}

/// The score of a kept vector, more is nearer.
#[inline]
pub(crate) fn score(
    level: Level,
    metric: Metric,
    query: &[f32],
    codes: &[i8],
    scale: f32,
    kept: KeptRef<'_>,
) -> f32 {
    match (metric, kept) {
        (Metric::L2, KeptRef::Float32(numbers)) => -level.distance(query, numbers),
        (Metric::L2, KeptRef::Float16(bits)) => -level.distance_half(query, bits),
        (Metric::L2, KeptRef::Int8) => -level.distance_coded(query, codes, scale),
        (_, KeptRef::Float32(numbers)) => level.dot(query, numbers),
        (_, KeptRef::Float16(bits)) => level.dot_half(query, bits),
        (_, KeptRef::Int8) => level.dot_coded(query, codes) * scale,
    }
}

/// A bit more than `value`, which was rounded on the way.
pub(crate) fn above(value: f64) -> f32 {
    (value * (1.0 + 2e-6)) as f32
}

/// Sum of squares.
pub(crate) fn squares(numbers: &[f32]) -> f64 {
    // Eight sums side by side: one alone waits for every addition.
    let (blocks, rest) = numbers.as_chunks::<8>();
    let mut sums = [0.0_f64; 8];
    for block in blocks {
        for (sum, number) in sums.iter_mut().zip(block) {
            *sum += f64::from(*number) * f64::from(*number);
        }
    }
    let rest: f64 = rest.iter().map(|n| f64::from(*n) * f64::from(*n)).sum();
    sums.iter().sum::<f64>() + rest
}

fn normalise(level: Level, numbers: &mut [f32]) {
    let length = length(level, numbers);
    if length > 0.0 {
        // A vector of length 1 stays as it is.
        for number in numbers {
            *number = (f64::from(*number) / length) as f32;
        }
    }
}

/// In float32 where no square vanishes, which is all but always.
fn length(level: Level, numbers: &[f32]) -> f64 {
    let in_short = level.dot(numbers, numbers);
    if in_short > 1e-20 {
        return f64::from(in_short).sqrt();
    }
    squares(numbers).sqrt()
}

fn codes_length(codes: &[i8]) -> f64 {
    let squares: i64 = codes.iter().map(|c| i64::from(*c) * i64::from(*c)).sum();
    (squares as f64).sqrt()
}

/// The bits of the nearest float16, ties to even; what is too large becomes the largest finite one.
fn f32_to_f16(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = ((bits >> 16) & 0x8000) as u16;
    let magnitude = bits & 0x7FFF_FFFF;
    // 65520 and above round to infinity.
    if magnitude >= 0x477F_F000 {
        return sign | 0x7BFF;
    }
    // Below the smallest normal number: a multiple of 2⁻²⁴.
    if magnitude < 0x3880_0000 {
        let steps = f32::from_bits(magnitude) * 16_777_216.0;
        return sign | steps.round_ties_even() as u16;
    }
    let odd = (magnitude >> 13) & 1;
    let rounded = magnitude + 0x0FFF + odd;
    sign | ((rounded >> 13) - ((127 - 15) << 10)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_float16_survives() {
        for bits in (0..0x7C00).chain(0x8000..0xFC00) {
            assert_eq!(f32_to_f16(f16_to_f32(bits)), bits);
        }
    }

    #[test]
    fn a_number_between_two_float16_goes_to_the_nearer_one_or_the_even_one() {
        for bits in 0..0x7BFF_u16 {
            let (low, high) = (f16_to_f32(bits), f16_to_f32(bits + 1));
            let middle = f32::midpoint(low, high);
            let even = bits + bits % 2;
            assert_eq!(f32_to_f16(middle), even);
            assert_eq!(f32_to_f16(middle.next_up()), bits + 1);
            assert_eq!(f32_to_f16(middle.next_down()), bits);
        }
        assert_eq!(f32_to_f16(1e9), 0x7BFF);
    }
}
