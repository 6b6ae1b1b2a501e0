//! The vectors of the vocabulary.

use inferail_simd::logits::bf16_to_f32;

use super::Precision;

/// A vector for each token, `[vocabulary, hidden]`.
#[derive(Debug)]
pub(super) struct Table {
    hidden: usize,
    numbers: Numbers,
}

/// Only a few rows are read for a text, so that the numbers are kept small for the memory's sake alone: half of it, and no
/// difference that the weights of a layer do not make anyway.
#[derive(Debug)]
enum Numbers {
    F32(Vec<f32>),
    Bf16(Vec<u16>),
}

impl Table {
    pub(super) fn new(precision: Precision, numbers: Vec<f32>, hidden: usize) -> Self {
        let numbers = match precision {
            Precision::Float32 => Numbers::F32(numbers),
            _ => Numbers::Bf16(numbers.into_iter().map(narrow).collect()),
        };
        Self { hidden, numbers }
    }

    /// Writes the vector of token `id`, which has to be one.
    pub(super) fn read(&self, id: usize, row: &mut [f32]) {
        let range = id * self.hidden..(id + 1) * self.hidden;
        match &self.numbers {
            Numbers::F32(numbers) => row.copy_from_slice(&numbers[range]),
            Numbers::Bf16(numbers) => {
                for (number, half) in row.iter_mut().zip(&numbers[range]) {
                    *number = bf16_to_f32(*half);
                }
            }
        }
    }
}

/// The upper half of a finite number, rounded to even.
fn narrow(number: f32) -> u16 {
    let bits = number.to_bits();
    (bits.wrapping_add(0x7FFF + (bits >> 16 & 1)) >> 16) as u16
}
