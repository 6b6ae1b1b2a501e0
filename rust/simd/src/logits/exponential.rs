//! 2 to the power of numbers that are not above 0.
//!
//! `2^t = 2^n · 2^f` with the whole number `n` nearest to `t`; the polynomials interpolate `(2^f − 1) / f` at the Chebyshev
//! nodes of ±1/2, which is within 5.1e-9 of the power in single precision and 8.5e-18 in double.

use super::lanes::Lanes;

/// Powers below are 0: what they would give is not a normal number.
const LEAST: f32 = -126.0;
const LEAST_F64: f64 = -1022.0;

/// Added to a number below 2^21, it rounds it to a whole one, which then stands in the lowest bits.
const ROUND: f32 = 12_582_912.0;
const ROUND_F64: f64 = 6_755_399_441_055_744.0;

/// Highest power first.
const POLYNOMIAL: [f32; 7] = [
    1.545_316_3e-4,
    1.339_086_3e-3,
    9.618_083e-3,
    5.550_357e-2,
    2.402_265e-1,
    std::f32::consts::LN_2,
    1.0,
];

const POLYNOMIAL_F64: [f64; 12] = [
    4.454_960_598_186_518_6e-10,
    7.072_585_949_269_223e-9,
    1.017_806_244_584_577_4e-7,
    1.321_544_258_792_169e-6,
    1.525_273_382_983_612e-5,
    1.540_353_044_173_605e-4,
    1.333_355_814_641_693_4e-3,
    9.618_129_107_606_888e-3,
    5.550_410_866_482_16e-2,
    2.402_265_069_591_009_7e-1,
    std::f64::consts::LN_2,
    1.0,
];

/// 2^powers within 2 units in the last place; 0 below 2^−126 and of what is not a number.
#[inline(always)]
pub(crate) fn exponential<L: Lanes>(lanes: L, powers: L::F) -> L::F {
    let counted = lanes.at_least(powers, lanes.splat(LEAST));
    let round = lanes.splat(ROUND);
    let rounded = lanes.add(powers, round);
    let rest = lanes.sub(powers, lanes.sub(rounded, round));
    let mut sum = lanes.splat(POLYNOMIAL[0]);
    for coefficient in &POLYNOMIAL[1..] {
        sum = lanes.mul_add(sum, rest, lanes.splat(*coefficient));
    }
    lanes.keep_or_zero(lanes.raise(sum, rounded), counted)
}

/// 2^powers within 2 units in the last place; 0 below 2^−1022 and of what is not a number.
#[inline(always)]
pub(super) fn exponential_f64<L: Lanes>(lanes: L, powers: L::D) -> L::D {
    let counted = lanes.at_least_f64(powers, lanes.splat_f64(LEAST_F64));
    let round = lanes.splat_f64(ROUND_F64);
    let rounded = lanes.add_f64(powers, round);
    let rest = lanes.sub_f64(powers, lanes.sub_f64(rounded, round));
    let mut sum = lanes.splat_f64(POLYNOMIAL_F64[0]);
    for coefficient in &POLYNOMIAL_F64[1..] {
        sum = lanes.mul_add_f64(sum, rest, lanes.splat_f64(*coefficient));
    }
    lanes.keep_f64(lanes.raise_f64(sum, rounded), counted)
}
