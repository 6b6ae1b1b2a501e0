//! e to the power of numbers that are not above 0.

use super::lanes::Lanes;

/// Below this a power is 0: e^−87 is the last one whose result is a normal `f32`.
const LEAST: f32 = -87.0;

/// The same of an `f64`.
const LEAST_F64: f64 = -708.0;

/// Adding it and taking it away rounds a number below 2^22 to the nearest whole one, in every instruction set.
const ROUND: f32 = 12_582_912.0;
const ROUND_F64: f64 = 6_755_399_441_055_744.0;

/// ln 2 in two pieces: a whole number below 2^8 times the first is exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
const LN_2_F64: [f64; 2] = [0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10];

/// e^r = 1 + r + r² p(r) for |r| ≤ ln 2 / 2, highest power first; the coefficients are those of Cephes' `expf`.
const POLYNOMIAL: [f32; 6] = [
    1.987_569_1e-4,
    1.398_2e-3,
    8.333_452e-3,
    4.166_579_6e-2,
    1.666_666_5e-1,
    0.5,
];

/// 1/13!, 1/12!, … 1/2!: what is left out is below 5e-18.
const TAYLOR: [f64; 12] = [
    1.605_904_383_682_161_3e-10,
    2.087_675_698_786_81e-9,
    2.505_210_838_544_172e-8,
    2.755_731_922_398_589_3e-7,
    2.755_731_922_398_589e-6,
    2.480_158_730_158_73e-5,
    1.984_126_984_126_984e-4,
    1.388_888_888_888_889e-3,
    8.333_333_333_333_333e-3,
    4.166_666_666_666_666_4e-2,
    1.666_666_666_666_666_6e-1,
    0.5,
];

/// e^powers within 2 units in the last place; 0 below e^−87 and of what is not a number.
#[inline(always)]
pub(super) fn exponential<L: Lanes>(lanes: L, powers: L::F) -> L::F {
    let least = lanes.splat(LEAST);
    let counted = lanes.at_least(powers, least);
    let powers = lanes.max(powers, least);
    let round = lanes.splat(ROUND);
    let shifted = lanes.mul_add(powers, lanes.splat(std::f32::consts::LOG2_E), round);
    let whole = lanes.sub(shifted, round);
    let rest = lanes.mul_add(whole, lanes.splat(-LN_2[0]), powers);
    let rest = lanes.mul_add(whole, lanes.splat(-LN_2[1]), rest);
    let mut sum = lanes.splat(POLYNOMIAL[0]);
    for coefficient in &POLYNOMIAL[1..] {
        sum = lanes.mul_add(sum, rest, lanes.splat(*coefficient));
    }
    let linear = lanes.add(rest, lanes.splat(1.0));
    let result = lanes.mul_add(sum, lanes.mul(rest, rest), linear);
    lanes.keep_or_zero(lanes.scale(result, whole), counted)
}

/// e^powers within 2 units in the last place; 0 below e^−708 and of what is not a number.
#[inline(always)]
pub(super) fn exponential_f64<L: Lanes>(lanes: L, powers: L::D) -> L::D {
    let least = lanes.splat_f64(LEAST_F64);
    let counted = lanes.at_least_f64(powers, least);
    let powers = lanes.max_f64(powers, least);
    let round = lanes.splat_f64(ROUND_F64);
    let shifted = lanes.mul_add_f64(powers, lanes.splat_f64(std::f64::consts::LOG2_E), round);
    let whole = lanes.sub_f64(shifted, round);
    let rest = lanes.mul_add_f64(whole, lanes.splat_f64(-LN_2_F64[0]), powers);
    let rest = lanes.mul_add_f64(whole, lanes.splat_f64(-LN_2_F64[1]), rest);
    let mut sum = lanes.splat_f64(TAYLOR[0]);
    for coefficient in &TAYLOR[1..] {
        sum = lanes.mul_add_f64(sum, rest, lanes.splat_f64(*coefficient));
    }
    let linear = lanes.add_f64(rest, lanes.splat_f64(1.0));
    let result = lanes.mul_add_f64(sum, lanes.mul_f64(rest, rest), linear);
    lanes.keep_f64(lanes.scale_f64(result, whole), counted)
}
