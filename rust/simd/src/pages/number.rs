//! The formats as types, so that a pass is compiled for each.

use bytemuck::Pod;

use crate::logits::{Lanes, WIDTH};

/// A number format of pages.
pub(super) trait Number {
    /// What a page is made of.
    type Bits: Pod;

    /// Whether a page has scales.
    const QUANTIZED: bool;

    /// What a loaded number has to be multiplied with, besides its scale.
    const UNIT: f32;

    fn load<L: Lanes>(lanes: L, bits: &[Self::Bits; WIDTH]) -> L::F;
}

macro_rules! number {
    ($(#[$about:meta])* $name:ident, $bits:ty, $load:ident, $quantized:expr, $unit:expr) => {
        $(#[$about])*
        #[derive(Debug)]
        pub(super) struct $name;

        impl Number for $name {
            type Bits = $bits;

            const QUANTIZED: bool = $quantized;
            const UNIT: f32 = $unit;

            #[inline(always)]
            fn load<L: Lanes>(lanes: L, bits: &[$bits; WIDTH]) -> L::F {
                lanes.$load(bits)
            }
        }
    };
}

number!(
    /// binary32.
    F32, f32, load, false, 1.0
);
number!(
    /// bfloat16.
    Bf16, u16, load_bf16, false, 1.0
);
number!(
    /// binary16.
    F16, u16, load_f16, false, 1.0
);
number!(
    /// Signed bytes.
    Int8, i8, load_int8, true, 1.0
);
number!(
    /// E4M3, loaded in units of 2⁻⁸.
    Fp8, u8, load_fp8, true, 256.0
);
