//! Vectors: dot products of several number formats, and the scan of leading codes.
//!
//! Sums have one order on every instruction set, so that all of them give the same bits.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod level;
mod scalar;

pub use level::Level;

use bytemuck::{Pod, Zeroable};

/// Numbers that are multiplied side by side: vectors are padded with zeros to a multiple of it.
pub const WIDTH: usize = 64;

/// Vectors that are scanned side by side.
pub const LANES: usize = 16;

/// Leading dimensions of a vector that have a code.
pub const LEAD: usize = 32;

/// Code of zero; codes are 0 to 15.
pub const ZERO_CODE: u8 = 8;

/// Largest weight of a [`LeadQuery`]: sixteen products of it and a code fit into 16 bits.
pub const MAX_WEIGHT: i8 = 127;

/// What is scanned of [`LANES`] vectors, four bits for a code: half the bytes of whole ones, and the scan of many vectors
/// waits for bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct LeadBlock {
    /// Four dimensions of every vector in the lower halves, the next four in the upper ones, and so on.
    codes: [u8; LANES * LEAD / 2],
    /// Lengths of what is in no leading dimension, in a unit of the caller's.
    pub rests: [u8; LANES],
    /// Lengths of what the codes leave out, in a unit of the caller's.
    pub errors: [u8; LANES],
}

/// What is asked of the leading codes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeadQuery {
    /// What a step of each code is worth, in units of `unit`.
    weights: [i8; LEAD],
    /// What a vector of codes that are all [`ZERO_CODE`] adds up to, in weights.
    zero: i32,
    /// The worth of a weight of 1.
    unit: f32,
    /// Factor of a vector's rest.
    rest: f32,
    /// Factor of a vector's error.
    error: f32,
}

impl LeadQuery {
    /// A query of these weights, none beyond [`MAX_WEIGHT`] either way; the worth of a weight of 1, and the factors of a
    /// vector's rest and of its error.
    pub fn new(weights: [i8; LEAD], [unit, rest, error]: [f32; 3]) -> Self {
        let sum: i32 = weights.iter().map(|weight| i32::from(*weight)).sum();
        Self {
            weights,
            zero: sum * i32::from(ZERO_CODE),
            unit,
            rest,
            error,
        }
    }

    /// The same for vectors whose rests and errors are in these units.
    #[must_use]
    pub fn in_units(self, rest: f32, error: f32) -> Self {
        Self {
            rest: self.rest * rest,
            error: self.error * error,
            ..self
        }
    }
}

impl LeadBlock {
    /// Vectors of zeros.
    pub const ZERO: Self = Self {
        codes: [ZERO_CODE << 4 | ZERO_CODE; LANES * LEAD / 2],
        rests: [0; LANES],
        errors: [0; LANES],
    };

    /// The code of a dimension of a vector.
    #[inline]
    pub fn code(&self, lane: usize, dimension: usize) -> u8 {
        let (byte, shift) = position(lane, dimension);
        (self.codes[byte] >> shift) & 15
    }

    /// Sets it; `code` is 0 to 15.
    #[inline]
    pub fn set_code(&mut self, lane: usize, dimension: usize, code: u8) {
        let (byte, shift) = position(lane, dimension);
        let other = self.codes[byte] & (0xF0 >> shift);
        self.codes[byte] = other | (code & 15) << shift;
    }
}

/// Byte and shift of a code.
#[inline]
fn position(lane: usize, dimension: usize) -> (usize, usize) {
    let group = dimension / 4;
    (
        group / 2 * (LANES * 4) + lane * 4 + dimension % 4,
        group % 2 * 4,
    )
}
