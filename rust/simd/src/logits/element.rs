//! The number formats that engines hand over.

use super::lanes::{Lanes, WIDTH};

/// Logits of one row, `[vocab]`.
#[derive(Debug, Clone, Copy)]
pub enum Row<'a> {
    /// IEEE 754 binary32.
    F32(&'a [f32]),
    /// IEEE 754 binary16, as bits.
    F16(&'a [u16]),
    /// bfloat16, as bits: the upper half of a binary32.
    Bf16(&'a [u16]),
}

impl Row<'_> {
    /// How many logits there are.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Self::F32(row) => row.len(),
            Self::F16(row) | Self::Bf16(row) => row.len(),
        }
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The logit of token `id`; `None` behind the end.
    #[inline]
    pub fn get(&self, id: usize) -> Option<f32> {
        match self {
            Self::F32(row) => row.get(id).copied(),
            Self::F16(row) => row.get(id).map(|bits| f16_to_f32(*bits)),
            Self::Bf16(row) => row.get(id).map(|bits| bf16_to_f32(*bits)),
        }
    }
}

/// The number whose binary16 bits these are, exactly.
pub fn f16_to_f32(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let exponent = u32::from(bits >> 10 & 0x1F);
    let fraction = u32::from(bits & 0x3FF);
    let magnitude = match (exponent, fraction) {
        (0, _) => return f32::from_bits((fraction as f32 * 2.0_f32.powi(-24)).to_bits() | sign),
        (0x1F, 0) => 0x7F80_0000,
        // A NaN stays one, and becomes quiet as the hardware makes it.
        (0x1F, _) => 0x7FC0_0000 | fraction << 13,
        _ => (exponent + 112) << 23 | fraction << 13,
    };
    f32::from_bits(magnitude | sign)
}

/// The number whose bfloat16 bits these are, exactly.
pub fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// A number format, for a pass that is compiled for each.
pub(super) trait Format {
    /// What a row of it is made of.
    type Number: Copy + Default;

    fn load<L: Lanes>(lanes: L, values: &[Self::Number; WIDTH]) -> L::F;
}

/// binary32.
#[derive(Debug)]
pub(super) struct F32;

/// binary16.
#[derive(Debug)]
pub(super) struct F16;

/// bfloat16.
#[derive(Debug)]
pub(super) struct Bf16;

impl Format for F32 {
    type Number = f32;

    #[inline(always)]
    fn load<L: Lanes>(lanes: L, values: &[f32; WIDTH]) -> L::F {
        lanes.load(values)
    }
}

impl Format for F16 {
    type Number = u16;

    #[inline(always)]
    fn load<L: Lanes>(lanes: L, values: &[u16; WIDTH]) -> L::F {
        lanes.load_f16(values)
    }
}

impl Format for Bf16 {
    type Number = u16;

    #[inline(always)]
    fn load<L: Lanes>(lanes: L, values: &[u16; WIDTH]) -> L::F {
        lanes.load_bf16(values)
    }
}
