//! Rounding of numbers to the formats of a page: to the nearest, to even between two.

use crate::logits::f16_to_f32;

/// bfloat16 bits; a NaN stays one.
#[inline(always)]
pub fn bf16_from_f32(value: f32) -> u16 {
    let bits = value.to_bits();
    let odd = bits >> 16 & 1;
    let rounded = bits.wrapping_add(0x7FFF + odd) >> 16;
    let quiet = bits >> 16 | 0x40;
    (if value.is_nan() { quiet } else { rounded }) as u16
}

/// IEEE half precision bits; a NaN stays one.
#[inline(always)]
pub fn f16_from_f32(value: f32) -> u16 {
    let sign = value.to_bits() >> 16 & 0x8000;
    let bits = value.to_bits() & 0x7FFF_FFFF;
    // The unit of 0.5 is the smallest number there is.
    let small = (f32::from_bits(bits) + 0.5)
        .to_bits()
        .wrapping_sub(0.5_f32.to_bits());
    let odd = bits >> 13 & 1;
    let normal = bits.wrapping_sub(112 << 23).wrapping_add(0xFFF + odd) >> 13;
    let magnitude = match bits {
        0x7F80_0001.. => 0x7E00,
        // 65,536
        0x4780_0000.. => 0x7C00,
        // 2⁻¹⁴
        0x3880_0000.. => normal,
        _ => small,
    };
    (sign | magnitude) as u16
}

/// FP8 E4M3 bits; 448 for what is larger, infinite too, and a NaN stays one.
#[inline(always)]
pub fn fp8_from_f32(value: f32) -> u8 {
    let sign = value.to_bits() >> 24 & 0x80;
    let bits = value.to_bits() & 0x7FFF_FFFF;
    // The unit of 16,384 is 2⁻⁹, the smallest number there is.
    let small = (f32::from_bits(bits) + 16_384.0)
        .to_bits()
        .wrapping_sub(16_384_f32.to_bits());
    let odd = bits >> 20 & 1;
    let normal = bits.wrapping_sub(120 << 23).wrapping_add(0x7_FFFF + odd) >> 20;
    let magnitude = match bits {
        0x7F80_0001.. => 0x7F,
        // 448
        0x43E0_0000.. => 0x7E,
        // 2⁻⁶
        0x3C80_0000.. => normal,
        _ => small,
    };
    (sign | magnitude) as u8
}

/// The number whose FP8 E4M3 bits these are, exactly.
#[inline(always)]
pub fn fp8_to_f32(bits: u8) -> f32 {
    let magnitude = match bits & 0x7F {
        0x7F => 0x7E00,
        magnitude => u16::from(magnitude) << 7,
    };
    256.0 * f16_to_f32(u16::from(bits & 0x80) << 8 | magnitude)
}
