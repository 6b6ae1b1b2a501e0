//! The instruction set that a kernel runs on.

use super::{LANES, LEAD, LeadBlock, LeadQuery, WIDTH, scalar};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};

/// An instruction set that this CPU has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level(Set);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// Calls the function of this name of the level's module.
macro_rules! call {
    ($level:expr, $name:ident($($argument:expr),*)) => {
        match $level.0 {
            Set::Scalar => scalar::$name($($argument),*),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a `Level` of this set is made only where the CPU has it.
            Set::Avx2 => unsafe { avx2::$name($($argument),*) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Set::Avx512 => unsafe { avx512::$name($($argument),*) },
        }
    };
}

impl Level {
    /// Every one that this CPU has, the slowest first.
    pub fn all() -> Vec<Self> {
        let mut levels = vec![Self(Set::Scalar)];
        #[cfg(target_arch = "x86_64")]
        {
            if avx2::is_available() {
                levels.push(Self(Set::Avx2));
            }
            if avx512::is_available() {
                levels.push(Self(Set::Avx512));
            }
        }
        levels
    }

    /// The fastest one.
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if avx512::is_available() {
                return Self(Set::Avx512);
            }
            if avx2::is_available() {
                return Self(Set::Avx2);
            }
        }
        Self(Set::Scalar)
    }

    /// Its name: `scalar`, `avx2` or `avx512`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Set::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => "avx512",
        }
    }

    /// Sum of the products, in float32; what is longer than the other, and behind the last whole [`WIDTH`], is left out.
    #[inline]
    pub fn dot(self, left: &[f32], right: &[f32]) -> f32 {
        call!(self, dot(blocks(left), blocks(right)))
    }

    /// The same of a row of float16, given as their bits.
    #[inline]
    pub fn dot_half(self, left: &[f32], right: &[u16]) -> f32 {
        call!(self, dot_half(blocks(left), blocks(right)))
    }

    /// The same of a row of codes.
    #[inline]
    pub fn dot_coded(self, left: &[f32], right: &[i8]) -> f32 {
        call!(self, dot_coded(blocks(left), blocks(right)))
    }

    /// The same of two rows of codes, exactly; none of them may be -128.
    #[inline]
    pub fn dot_codes(self, left: &[i8], right: &[i8]) -> i32 {
        call!(self, dot_codes(blocks(left), blocks(right)))
    }

    /// Sum of the squares of the differences, in float32, of the same numbers.
    #[inline]
    pub fn distance(self, left: &[f32], right: &[f32]) -> f32 {
        call!(self, distance(blocks(left), blocks(right)))
    }

    /// The same of a row of float16, given as their bits.
    #[inline]
    pub fn distance_half(self, left: &[f32], right: &[u16]) -> f32 {
        call!(self, distance_half(blocks(left), blocks(right)))
    }

    /// The same of a row of codes times `scale`.
    #[inline]
    pub fn distance_coded(self, left: &[f32], right: &[i8], scale: f32) -> f32 {
        call!(self, distance_coded(blocks(left), blocks(right), scale))
    }

    /// Rounds `numbers` to multiples of `scale`, at most 127 of them either way, and gives the sum of the squared errors.
    ///
    /// `scale` is a normal number, and every number at most 1e6 times as large.
    #[inline]
    pub fn encode(self, numbers: &[f32], scale: f32, codes: &mut [i8]) -> f32 {
        let codes = codes.as_chunks_mut::<WIDTH>().0;
        call!(self, encode(blocks(numbers), scale, codes))
    }

    /// The largest magnitude; infinite where a number is not finite.
    #[inline]
    pub fn largest(self, numbers: &[f32]) -> f32 {
        call!(self, largest(blocks(numbers)))
    }

    /// Products of the vector with [`LEAD`] others, whose numbers stand side by side: `columns` is `[vector.len(), LEAD]`.
    ///
    /// Products of numbers at even and at odd places are added up apart.
    #[inline]
    pub fn project(self, columns: &[f32], vector: &[f32]) -> [f32; LEAD] {
        call!(self, project(columns.as_chunks::<LEAD>().0, vector))
    }

    /// Adds `factor` times each number of `vector` to the one of `sum`.
    #[inline]
    pub fn add_scaled(self, sum: &mut [f32], vector: &[f32], factor: f32) {
        let sum = sum.as_chunks_mut::<WIDTH>().0;
        call!(self, add_scaled(sum, blocks(vector), factor));
    }

    /// What the vectors of a block reach at most, by the leading parts of some groups, the first ones.
    ///
    /// That is the bias, and for each group the weighted sum of the codes' distances from zero and
    /// `query.error * error`, and `query.rest * rest` of the last group.
    #[inline]
    pub fn lead_bounds<const N: usize>(
        self,
        blocks: [&LeadBlock; N],
        bias: &[f32; LANES],
        queries: &[LeadQuery; N],
    ) -> [f32; LANES] {
        call!(self, lead_bounds(blocks, bias, queries))
    }

    /// Clears the bits of the vectors that are below the threshold: bit `i` of `masks[b]` is about vector `i` of block `b`.
    ///
    /// Blocks without a bit are left out. All slices have one item for each block, as `masks` has; without `bias` it is 0
    /// everywhere.
    ///
    /// # Panics
    ///
    /// If a slice is shorter than `masks`.
    #[inline]
    pub fn scan_leads<const N: usize>(
        self,
        groups: [&[LeadBlock]; N],
        bias: Option<&[[f32; LANES]]>,
        queries: &[LeadQuery; N],
        threshold: f32,
        masks: &mut [u16],
    ) {
        call!(self, scan_leads(groups, bias, queries, threshold, masks));
    }
}

#[inline]
fn blocks<T>(values: &[T]) -> &[[T; WIDTH]] {
    values.as_chunks::<WIDTH>().0
}
