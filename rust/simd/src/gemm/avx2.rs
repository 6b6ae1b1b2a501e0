//! AVX2 with FMA (Haswell, Zen and later): a panel is two registers wide.

#![cfg_attr(
    not(test),
    expect(
        clippy::wildcard_imports,
        reason = "the intrinsics have prefixes of their own"
    )
)]

use std::arch::x86_64::*;

use super::Pass;
use super::kernel::{Bf16Line, COLUMNS, F32Line, Int8Line, Kernel, check_lengths};
use super::scalar::Scalar;

/// The proof that the CPU has the instructions: only [`run`] makes one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx2(());

pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

/// Compiles `pass` for this instruction set.
#[target_feature(enable = "avx2,fma")]
pub(super) fn run<P: Pass>(pass: P) -> P::Output {
    pass.run(Avx2(()))
}

impl Kernel for Avx2 {
    // Twelve sums, two registers of weights and one input: fifteen of sixteen registers.
    const ROWS: usize = 6;

    #[inline(always)]
    fn f32<const R: usize>(self, rows: [&[f32]; R], panel: &[F32Line]) -> [[f32; COLUMNS]; R] {
        // SAFETY: an `Avx2` exists only where the CPU has the instructions.
        unsafe { inner::f32(rows, panel) }
    }

    #[inline(always)]
    fn bf16<const R: usize>(
        self,
        rows: [&[[f32; 2]]; R],
        panel: &[Bf16Line],
    ) -> [[f32; COLUMNS]; R] {
        // SAFETY: as above.
        unsafe { inner::bf16(rows, panel) }
    }

    #[inline(always)]
    fn rounded<const R: usize>(
        self,
        rows: [&[[u16; 2]]; R],
        panel: &[Bf16Line],
    ) -> [[f32; COLUMNS]; R] {
        Scalar.rounded(rows, panel)
    }

    #[inline(always)]
    fn int8<const R: usize>(
        self,
        rows: [&[[i16; 4]]; R],
        panel: &[Int8Line],
    ) -> [[i32; COLUMNS]; R] {
        // SAFETY: as above.
        unsafe { inner::int8(rows, panel) }
    }
}

mod inner {
    use super::*;

    /// Half of a line of numbers.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn load_f32(half: &[f32; 8]) -> __m256 {
        // SAFETY: the array has the 32 bytes that are read, and the load needs no alignment.
        unsafe { _mm256_loadu_ps(half.as_ptr()) }
    }

    /// Eight pairs.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn load_pairs(half: &[[u16; 2]; 8]) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_loadu_si256(half.as_ptr().cast()) }
    }

    /// Four times four numbers, widened.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn load_quads(quads: &[[i8; 4]; 4]) -> __m256i {
        // SAFETY: the array has the 16 bytes that are read, and the load needs no alignment.
        let quads = unsafe { _mm_loadu_si128(quads.as_ptr().cast()) };
        _mm256_cvtepi8_epi16(quads)
    }

    /// Four numbers, four times.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn spread(inputs: &[i16; 4]) -> __m256i {
        // SAFETY: the array has the 8 bytes that are read, and the load needs no alignment.
        let inputs = unsafe { inputs.as_ptr().cast::<i64>().read_unaligned() };
        _mm256_set1_epi64x(inputs)
    }

    /// Writes a row of a tile.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn store(sums: [__m256; 2], out: &mut [f32; COLUMNS]) {
        let (halves, _) = out.as_chunks_mut::<8>();
        for (half, sum) in halves.iter_mut().zip(sums) {
            // SAFETY: the array has the 32 bytes that are written, and the store needs no alignment.
            unsafe { _mm256_storeu_ps(half.as_mut_ptr(), sum) };
        }
    }

    // The tiles are functions of their own, and their loops go by index: inlined into a pass, or written with closures,
    // their sums went through memory, and a product took five times as long.

    #[inline(never)]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn f32<const R: usize>(rows: [&[f32]; R], panel: &[F32Line]) -> [[f32; COLUMNS]; R] {
        check_lengths(&rows, panel);
        let mut sums = [[_mm256_setzero_ps(); 2]; R];
        for (at, line) in panel.iter().enumerate() {
            let (halves, _) = line.0.as_chunks::<8>();
            let weights = [load_f32(&halves[0]), load_f32(&halves[1])];
            for row in 0..R {
                // SAFETY: no row is shorter than the panel.
                let input = unsafe { rows[row].get_unchecked(at) };
                let input = _mm256_set1_ps(*input);
                sums[row][0] = _mm256_fmadd_ps(input, weights[0], sums[row][0]);
                sums[row][1] = _mm256_fmadd_ps(input, weights[1], sums[row][1]);
            }
        }
        let mut out = [[0.0; COLUMNS]; R];
        for row in 0..R {
            store(sums[row], &mut out[row]);
        }
        out
    }

    #[inline(never)]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn bf16<const R: usize>(
        rows: [&[[f32; 2]]; R],
        panel: &[Bf16Line],
    ) -> [[f32; COLUMNS]; R] {
        check_lengths(&rows, panel);
        let upper = _mm256_set1_epi32(0xFFFF_0000_u32.cast_signed());
        let mut sums = [[_mm256_setzero_ps(); 2]; R];
        for (at, line) in panel.iter().enumerate() {
            let (halves, _) = line.0.as_chunks::<8>();
            for input in 0..2 {
                let mut weights = [_mm256_setzero_ps(); 2];
                for half in 0..2 {
                    let pairs = load_pairs(&halves[half]);
                    weights[half] = _mm256_castsi256_ps(if input == 0 {
                        _mm256_slli_epi32::<16>(pairs)
                    } else {
                        _mm256_and_si256(pairs, upper)
                    });
                }
                for row in 0..R {
                    // SAFETY: no row is shorter than the panel.
                    let inputs = unsafe { rows[row].get_unchecked(at) };
                    let spread = _mm256_set1_ps(inputs[input]);
                    sums[row][0] = _mm256_fmadd_ps(spread, weights[0], sums[row][0]);
                    sums[row][1] = _mm256_fmadd_ps(spread, weights[1], sums[row][1]);
                }
            }
        }
        let mut out = [[0.0; COLUMNS]; R];
        for row in 0..R {
            store(sums[row], &mut out[row]);
        }
        out
    }

    /// The panel in two halves: eight columns of four inputs are two registers once they are widened, so that each sum
    /// is in two parts, added at the end.
    #[inline(never)]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn int8<const R: usize>(
        rows: [&[[i16; 4]]; R],
        panel: &[Int8Line],
    ) -> [[i32; COLUMNS]; R] {
        check_lengths(&rows, panel);
        let mut out = [[0; COLUMNS]; R];
        for half in 0..2 {
            let mut sums = [[_mm256_setzero_si256(); 2]; R];
            for (at, line) in panel.iter().enumerate() {
                let (quarters, _) = line.0.as_chunks::<4>();
                let weights = [
                    load_quads(&quarters[2 * half]),
                    load_quads(&quarters[2 * half + 1]),
                ];
                for row in 0..R {
                    // SAFETY: no row is shorter than the panel.
                    let inputs = spread(unsafe { rows[row].get_unchecked(at) });
                    for part in 0..2 {
                        let products = _mm256_madd_epi16(inputs, weights[part]);
                        sums[row][part] = _mm256_add_epi32(sums[row][part], products);
                    }
                }
            }
            for row in 0..R {
                // Columns 0 1 4 5 and 2 3 6 7 of the half.
                let joined = _mm256_hadd_epi32(sums[row][0], sums[row][1]);
                let ordered = _mm256_permute4x64_epi64::<0b11_01_10_00>(joined);
                let (halves, _) = out[row].as_chunks_mut::<8>();
                // SAFETY: the array has the 32 bytes that are written, and the store needs no alignment.
                unsafe { _mm256_storeu_si256(halves[half].as_mut_ptr().cast(), ordered) };
            }
        }
        out
    }
}
