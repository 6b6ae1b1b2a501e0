//! AVX-512 with VNNI (Cascade Lake, Zen 4 and later), with or without products of bf16: a panel is one register wide.

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

/// The proof that the CPU has the instructions, those for bf16 only if `BF16`: nothing else makes one than [`run`] and
/// [`run_with_bf16`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx512<const BF16: bool>(());

pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vnni")
        && is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
}

pub(super) fn has_bf16() -> bool {
    is_available() && is_x86_feature_detected!("avx512bf16")
}

/// Compiles `pass` for this instruction set.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma")]
pub(super) fn run<P: Pass>(pass: P) -> P::Output {
    pass.run(Avx512::<false>(()))
}

/// The same with products of bf16.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512bf16,avx2,fma")]
pub(super) fn run_with_bf16<P: Pass>(pass: P) -> P::Output {
    pass.run(Avx512::<true>(()))
}

impl<const BF16: bool> Kernel for Avx512<BF16> {
    const ROWS: usize = 12;
    const ROUNDS: bool = BF16;

    #[inline(always)]
    fn f32<const R: usize>(self, rows: [&[f32]; R], panel: &[F32Line]) -> [[f32; COLUMNS]; R] {
        // SAFETY: an `Avx512` exists only where the CPU has the instructions.
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
        if BF16 {
            // SAFETY: an `Avx512<true>` exists only where the CPU has the instructions for bf16 too.
            unsafe { inner::rounded(rows, panel) }
        } else {
            Scalar.rounded(rows, panel)
        }
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

    /// Lines of weights that are asked for ahead, across panels: twelve rows of MiniLM take 8 % less time (10 MB of
    /// weights come from the third cache), 384 rows as much as before.
    const AHEAD: usize = 48;

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load_f32(line: &F32Line) -> __m512 {
        // SAFETY: the line has the 64 bytes that are read, and the load needs no alignment.
        unsafe { _mm512_loadu_ps(line.0.as_ptr()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load_pairs(line: &Bf16Line) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_loadu_si512(line.0.as_ptr().cast()) }
    }

    /// Eight times four numbers, widened.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn load_quads(quads: &[[i8; 4]; 8]) -> __m512i {
        // SAFETY: the array has the 32 bytes that are read, and the load needs no alignment.
        let quads = unsafe { _mm256_loadu_si256(quads.as_ptr().cast()) };
        _mm512_cvtepi8_epi16(quads)
    }

    /// Four numbers, eight times.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn spread(inputs: &[i16; 4]) -> __m512i {
        // SAFETY: the array has the 8 bytes that are read, and the load needs no alignment.
        let inputs = unsafe { inputs.as_ptr().cast::<i64>().read_unaligned() };
        _mm512_set1_epi64(inputs)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn store(sums: __m512, out: &mut [f32; COLUMNS]) {
        // SAFETY: the array has the 64 bytes that are written, and the store needs no alignment.
        unsafe { _mm512_storeu_ps(out.as_mut_ptr(), sums) };
    }

    #[inline(never)]
    #[target_feature(enable = "avx512f")]
    pub(super) fn f32<const R: usize>(rows: [&[f32]; R], panel: &[F32Line]) -> [[f32; COLUMNS]; R] {
        check_lengths(&rows, panel);
        let mut sums = [_mm512_setzero_ps(); R];
        for (at, line) in panel.iter().enumerate() {
            let weights = load_f32(line);
            for row in 0..R {
                // SAFETY: no row is shorter than the panel.
                let input = unsafe { rows[row].get_unchecked(at) };
                sums[row] = _mm512_fmadd_ps(_mm512_set1_ps(*input), weights, sums[row]);
            }
        }
        let mut out = [[0.0; COLUMNS]; R];
        for row in 0..R {
            store(sums[row], &mut out[row]);
        }
        out
    }

    #[inline(never)]
    #[target_feature(enable = "avx512f")]
    pub(super) fn bf16<const R: usize>(
        rows: [&[[f32; 2]]; R],
        panel: &[Bf16Line],
    ) -> [[f32; COLUMNS]; R] {
        check_lengths(&rows, panel);
        let upper = _mm512_set1_epi32(0xFFFF_0000_u32.cast_signed());
        let mut sums = [_mm512_setzero_ps(); R];
        for (at, line) in panel.iter().enumerate() {
            let pairs = load_pairs(line);
            let first = _mm512_castsi512_ps(_mm512_slli_epi32::<16>(pairs));
            let second = _mm512_castsi512_ps(_mm512_and_si512(pairs, upper));
            for row in 0..R {
                // SAFETY: no row is shorter than the panel.
                let inputs = unsafe { rows[row].get_unchecked(at) };
                sums[row] = _mm512_fmadd_ps(_mm512_set1_ps(inputs[0]), first, sums[row]);
                sums[row] = _mm512_fmadd_ps(_mm512_set1_ps(inputs[1]), second, sums[row]);
            }
        }
        let mut out = [[0.0; COLUMNS]; R];
        for row in 0..R {
            store(sums[row], &mut out[row]);
        }
        out
    }

    #[inline(never)]
    #[target_feature(enable = "avx512f,avx512bf16")]
    pub(super) fn rounded<const R: usize>(
        rows: [&[[u16; 2]]; R],
        panel: &[Bf16Line],
    ) -> [[f32; COLUMNS]; R] {
        check_lengths(&rows, panel);
        let mut sums = [_mm512_setzero_ps(); R];
        for (at, line) in panel.iter().enumerate() {
            let weights = as_bf16(load_pairs(line));
            for row in 0..R {
                // SAFETY: no row is shorter than the panel.
                let [first, second] = *unsafe { rows[row].get_unchecked(at) };
                let pair = u32::from(first) | u32::from(second) << 16;
                let inputs = as_bf16(_mm512_set1_epi32(pair.cast_signed()));
                sums[row] = _mm512_dpbf16_ps(sums[row], inputs, weights);
            }
        }
        let mut out = [[0.0; COLUMNS]; R];
        for row in 0..R {
            store(sums[row], &mut out[row]);
        }
        out
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn as_bf16(numbers: __m512i) -> __m512bh {
        // SAFETY: both are 64 bytes of which any are valid.
        unsafe { std::mem::transmute::<__m512i, __m512bh>(numbers) }
    }

    /// Eight columns of four inputs are a register once they are widened, so that each sum is in two parts, added at the
    /// end.
    #[inline(never)]
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    pub(super) fn int8<const R: usize>(
        rows: [&[[i16; 4]]; R],
        panel: &[Int8Line],
    ) -> [[i32; COLUMNS]; R] {
        check_lengths(&rows, panel);
        let mut sums = [[_mm512_setzero_si512(); 2]; R];
        for (at, line) in panel.iter().enumerate() {
            // Behind the last panel it asks for what may not be there, which a prefetch may.
            _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(line).wrapping_add(AHEAD).cast());
            let (halves, _) = line.0.as_chunks::<8>();
            let weights = [load_quads(&halves[0]), load_quads(&halves[1])];
            for row in 0..R {
                // SAFETY: no row is shorter than the panel.
                let inputs = spread(unsafe { rows[row].get_unchecked(at) });
                sums[row][0] = _mm512_dpwssd_epi32(sums[row][0], inputs, weights[0]);
                sums[row][1] = _mm512_dpwssd_epi32(sums[row][1], inputs, weights[1]);
            }
        }
        let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
        let odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
        let mut out = [[0; COLUMNS]; R];
        for row in 0..R {
            let [low, high] = sums[row];
            let first = _mm512_permutex2var_epi32(low, even, high);
            let second = _mm512_permutex2var_epi32(low, odd, high);
            let joined = _mm512_add_epi32(first, second);
            // SAFETY: the array has the 64 bytes that are written, and the store needs no alignment.
            unsafe { _mm512_storeu_si512(out[row].as_mut_ptr().cast(), joined) };
        }
        out
    }
}
