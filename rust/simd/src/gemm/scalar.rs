//! Every instruction set, one number at a time: what the others have to give.

use super::kernel::{Bf16Line, COLUMNS, F32Line, Int8Line, Kernel};

/// No particular instructions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scalar;

/// The number whose upper half this is.
#[inline(always)]
pub(super) fn widen(half: u16) -> f32 {
    f32::from_bits(u32::from(half) << 16)
}

impl Kernel for Scalar {
    const ROWS: usize = 4;

    #[inline(always)]
    fn f32<const R: usize>(self, rows: [&[f32]; R], panel: &[F32Line]) -> [[f32; COLUMNS]; R] {
        rows.map(|row| {
            let mut sums = [0.0_f32; COLUMNS];
            for (&input, line) in row.iter().zip(panel) {
                for (sum, weight) in sums.iter_mut().zip(line.0) {
                    *sum = input.mul_add(weight, *sum);
                }
            }
            sums
        })
    }

    #[inline(always)]
    fn bf16<const R: usize>(
        self,
        rows: [&[[f32; 2]]; R],
        panel: &[Bf16Line],
    ) -> [[f32; COLUMNS]; R] {
        rows.map(|row| {
            let mut sums = [0.0_f32; COLUMNS];
            for (inputs, line) in row.iter().zip(panel) {
                for (at, input) in inputs.iter().enumerate() {
                    for (sum, weights) in sums.iter_mut().zip(line.0) {
                        *sum = input.mul_add(widen(weights[at]), *sum);
                    }
                }
            }
            sums
        })
    }

    #[inline(always)]
    fn rounded<const R: usize>(
        self,
        rows: [&[[u16; 2]]; R],
        panel: &[Bf16Line],
    ) -> [[f32; COLUMNS]; R] {
        rows.map(|row| {
            let mut sums = [0.0_f32; COLUMNS];
            for (inputs, line) in row.iter().zip(panel) {
                for (sum, weights) in sums.iter_mut().zip(line.0) {
                    let first = widen(inputs[0]) * widen(weights[0]);
                    *sum += widen(inputs[1]).mul_add(widen(weights[1]), first);
                }
            }
            sums
        })
    }

    #[inline(always)]
    fn int8<const R: usize>(
        self,
        rows: [&[[i16; 4]]; R],
        panel: &[Int8Line],
    ) -> [[i32; COLUMNS]; R] {
        rows.map(|row| {
            let mut sums = [0_i32; COLUMNS];
            for (inputs, line) in row.iter().zip(panel) {
                for (sum, weights) in sums.iter_mut().zip(line.0) {
                    for (&input, weight) in inputs.iter().zip(weights) {
                        *sum += i32::from(input) * i32::from(weight);
                    }
                }
            }
            sums
        })
    }
}
