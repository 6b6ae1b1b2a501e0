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

/// Numbers that are multiplied side by side: vectors are padded with zeros to a multiple of it.
pub const WIDTH: usize = 64;

/// Vectors that are scanned side by side.
pub const LANES: usize = 16;

/// Leading dimensions of a vector that have a code.
pub const LEAD: usize = 32;

/// Code of zero; codes are 0 to 127.
pub const ZERO_CODE: u8 = 64;

/// Largest weight of a [`LeadQuery`]: four products of it and a code fit into 16 bits.
pub const MAX_WEIGHT: i8 = 63;

/// Leading codes of [`LANES`] vectors: four dimensions of every vector, then the next four.
pub type LeadBlock = [u8; LANES * LEAD];

/// What is asked of the leading codes.
#[derive(Debug, Clone, PartialEq)]
pub struct LeadQuery {
    /// What a step of each code is worth, in units of `unit`; at most [`MAX_WEIGHT`] either way.
    pub weights: [i8; LEAD],
    /// The worth of a weight of 1.
    pub unit: f32,
    /// Factor of a vector's rest.
    pub rest: f32,
    /// What the sum must reach.
    pub threshold: f32,
}

impl LeadQuery {
    /// What a vector of codes that are all [`ZERO_CODE`] adds up to, in weights.
    #[inline]
    fn zero(&self) -> i32 {
        let sum: i32 = self.weights.iter().map(|weight| i32::from(*weight)).sum();
        sum * i32::from(ZERO_CODE)
    }
}

/// Where dimension `dimension` of vector `lane` stands in a [`LeadBlock`].
#[inline]
pub fn lead_position(lane: usize, dimension: usize) -> usize {
    (dimension / 4) * (LANES * 4) + lane * 4 + dimension % 4
}
