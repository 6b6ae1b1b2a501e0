//! One number after the other: what every other instruction set has to agree with.

use super::element::{bf16_to_f32, f16_to_f32};
use super::lanes::{Lanes, WIDTH};

#[derive(Debug, Clone, Copy)]
pub(super) struct Scalar;

#[inline(always)]
fn map2<T: Copy>(left: [T; WIDTH], right: [T; WIDTH], work: impl Fn(T, T) -> T) -> [T; WIDTH] {
    std::array::from_fn(|lane| work(left[lane], right[lane]))
}

#[inline(always)]
fn test<T: Copy>(left: [T; WIDTH], right: [T; WIDTH], is: impl Fn(&T, &T) -> bool) -> u16 {
    (0..WIDTH).fold(0, |bits, lane| {
        bits | u16::from(is(&left[lane], &right[lane])) << lane
    })
}

#[inline(always)]
fn select<T: Copy>(values: [T; WIDTH], lanes: u16, otherwise: T) -> [T; WIDTH] {
    std::array::from_fn(|lane| {
        if lanes >> lane & 1 == 1 {
            values[lane]
        } else {
            otherwise
        }
    })
}

impl Lanes for Scalar {
    const WIDE: bool = false;

    type F = [f32; WIDTH];
    type D = [f64; WIDTH];

    fn splat(self, value: f32) -> Self::F {
        [value; WIDTH]
    }

    fn load(self, values: &[f32; WIDTH]) -> Self::F {
        *values
    }

    fn load_f16(self, values: &[u16; WIDTH]) -> Self::F {
        values.map(f16_to_f32)
    }

    fn load_bf16(self, values: &[u16; WIDTH]) -> Self::F {
        values.map(bf16_to_f32)
    }

    fn load_int8(self, values: &[i8; WIDTH]) -> Self::F {
        values.map(f32::from)
    }

    fn load_fp8(self, values: &[u8; WIDTH]) -> Self::F {
        values.map(|bits| {
            let magnitude = match bits & 0x7F {
                0x7F => 0x7E00,
                magnitude => u16::from(magnitude) << 7,
            };
            f16_to_f32(u16::from(bits & 0x80) << 8 | magnitude)
        })
    }

    fn store(self, values: Self::F, out: &mut [f32; WIDTH]) {
        *out = values;
    }

    fn totals(self, values: [Self::F; 4]) -> [f32; 4] {
        values.map(|mut values| {
            for step in [8, 4, 2, 1] {
                for lane in 0..step {
                    values[lane] += values[lane + step];
                }
            }
            values[0]
        })
    }

    fn keep(self, values: Self::F, lanes: u16) -> Self::F {
        select(values, lanes, f32::NEG_INFINITY)
    }

    fn keep_or_zero(self, values: Self::F, lanes: u16) -> Self::F {
        select(values, lanes, 0.0)
    }

    fn max(self, values: Self::F, other: Self::F) -> Self::F {
        map2(
            values,
            other,
            |value, other| if value > other { value } else { other },
        )
    }

    fn largest(self, values: Self::F) -> f32 {
        values.into_iter().fold(
            f32::NEG_INFINITY,
            |most, value| if value > most { value } else { most },
        )
    }

    fn at_least(self, left: Self::F, right: Self::F) -> u16 {
        test(left, right, |left, right| left >= right)
    }

    fn unordered(self, left: Self::F, right: Self::F) -> u16 {
        test(left, right, |left, right| left.is_nan() || right.is_nan())
    }

    fn add(self, left: Self::F, right: Self::F) -> Self::F {
        map2(left, right, |left, right| left + right)
    }

    fn sub(self, left: Self::F, right: Self::F) -> Self::F {
        map2(left, right, |left, right| left - right)
    }

    fn mul(self, left: Self::F, right: Self::F) -> Self::F {
        map2(left, right, |left, right| left * right)
    }

    fn mul_add(self, left: Self::F, right: Self::F, plus: Self::F) -> Self::F {
        std::array::from_fn(|lane| left[lane].mul_add(right[lane], plus[lane]))
    }

    fn raise(self, values: Self::F, powers: Self::F) -> Self::F {
        map2(values, powers, |value, power| {
            f32::from_bits(value.to_bits().wrapping_add(power.to_bits() << 23))
        })
    }

    fn compress(self, values: Self::F, lanes: u16, out: &mut [f32; WIDTH]) {
        let mut count = 0;
        for (lane, value) in values.into_iter().enumerate() {
            if lanes >> lane & 1 == 1 {
                out[count] = value;
                count += 1;
            }
        }
    }

    fn positions(self, lanes: u16, first: u32, out: &mut [u32; WIDTH]) {
        let mut count = 0;
        for lane in 0..WIDTH as u32 {
            if lanes >> lane & 1 == 1 {
                out[count] = first + lane;
                count += 1;
            }
        }
    }

    fn widen(self, values: Self::F) -> Self::D {
        values.map(f64::from)
    }

    fn splat_f64(self, value: f64) -> Self::D {
        [value; WIDTH]
    }

    fn store_f64(self, values: Self::D, out: &mut [f64; WIDTH]) {
        *out = values;
    }

    fn keep_f64(self, values: Self::D, lanes: u16) -> Self::D {
        select(values, lanes, 0.0)
    }

    fn at_least_f64(self, left: Self::D, right: Self::D) -> u16 {
        test(left, right, |left, right| left >= right)
    }

    fn add_f64(self, left: Self::D, right: Self::D) -> Self::D {
        map2(left, right, |left, right| left + right)
    }

    fn sub_f64(self, left: Self::D, right: Self::D) -> Self::D {
        map2(left, right, |left, right| left - right)
    }

    fn mul_f64(self, left: Self::D, right: Self::D) -> Self::D {
        map2(left, right, |left, right| left * right)
    }

    fn mul_add_f64(self, left: Self::D, right: Self::D, plus: Self::D) -> Self::D {
        std::array::from_fn(|lane| left[lane].mul_add(right[lane], plus[lane]))
    }

    fn max_f64(self, values: Self::D, other: Self::D) -> Self::D {
        map2(
            values,
            other,
            |value, other| if value > other { value } else { other },
        )
    }

    fn raise_f64(self, values: Self::D, powers: Self::D) -> Self::D {
        map2(values, powers, |value, power| {
            f64::from_bits(value.to_bits().wrapping_add(power.to_bits() << 52))
        })
    }

    fn sum_f64(self, values: Self::D) -> f64 {
        let mut values = values;
        for step in [8, 4, 2, 1] {
            for lane in 0..step {
                values[lane] += values[lane + step];
            }
        }
        values[0]
    }
}
