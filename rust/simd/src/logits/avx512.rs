//! AVX-512 with the byte, double-word and vector-length extensions (Skylake-X, Zen 4 and later): sixteen lanes are one register.

#![cfg_attr(
    not(test),
    expect(
        clippy::wildcard_imports,
        reason = "the intrinsics have prefixes of their own"
    )
)]

use std::arch::x86_64::*;

use super::Pass;
use super::avx2::inner as avx2;
use super::lanes::{Lanes, WIDTH};

type F = __m512;
type D = (__m512d, __m512d);

/// The proof that the CPU has the instructions: only [`run`] makes one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx512(());

pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
        && is_x86_feature_detected!("popcnt")
}

/// Compiles `pass` for this instruction set.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
pub(super) fn run<P: Pass>(pass: P) -> P::Output {
    pass.run(Avx512(()))
}

/// Defines the methods of [`Lanes`]: each is the function of the same name in [`inner`].
macro_rules! lanes {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $output:ty;)*) => {
        impl Lanes for Avx512 {
            type F = F;
            type D = D;
            const WIDE: bool = true;

            $(
                #[inline(always)]
                fn $name(self, $($argument: $type),*) -> $output {
                    // SAFETY: an `Avx512` exists only where the CPU has the instructions.
                    unsafe { inner::$name($($argument),*) }
                }
            )*
        }
    };
}

lanes! {
    fn splat(value: f32) -> F;
    fn load(values: &[f32; WIDTH]) -> F;
    fn load_f16(values: &[u16; WIDTH]) -> F;
    fn load_bf16(values: &[u16; WIDTH]) -> F;
    fn load_int8(values: &[i8; WIDTH]) -> F;
    fn load_fp8(values: &[u8; WIDTH]) -> F;
    fn store(values: F, out: &mut [f32; WIDTH]) -> ();
    fn totals(values: [F; 4]) -> [f32; 4];
    fn keep(values: F, lanes: u16) -> F;
    fn keep_or_zero(values: F, lanes: u16) -> F;
    fn max(values: F, other: F) -> F;
    fn largest(values: F) -> f32;
    fn at_least(left: F, right: F) -> u16;
    fn unordered(left: F, right: F) -> u16;
    fn add(left: F, right: F) -> F;
    fn sub(left: F, right: F) -> F;
    fn mul(left: F, right: F) -> F;
    fn mul_add(left: F, right: F, plus: F) -> F;
    fn raise(values: F, powers: F) -> F;
    fn compress(values: F, lanes: u16, out: &mut [f32; WIDTH]) -> ();
    fn positions(lanes: u16, first: u32, out: &mut [u32; WIDTH]) -> ();
    fn widen(values: F) -> D;
    fn splat_f64(value: f64) -> D;
    fn store_f64(values: D, out: &mut [f64; WIDTH]) -> ();
    fn keep_f64(values: D, lanes: u16) -> D;
    fn at_least_f64(left: D, right: D) -> u16;
    fn add_f64(left: D, right: D) -> D;
    fn sub_f64(left: D, right: D) -> D;
    fn mul_f64(left: D, right: D) -> D;
    fn mul_add_f64(left: D, right: D, plus: D) -> D;
    fn max_f64(values: D, other: D) -> D;
    fn raise_f64(values: D, powers: D) -> D;
    fn sum_f64(values: D) -> f64;
}

mod inner {
    use super::*;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
    pub(super) fn splat(value: f32) -> F {
        _mm512_set1_ps(value)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
    pub(super) fn load(values: &[f32; WIDTH]) -> F {
        // SAFETY: the array has the 64 bytes that are read, and the load needs no alignment.
        unsafe { _mm512_loadu_ps(values.as_ptr()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
    pub(super) fn load_f16(values: &[u16; WIDTH]) -> F {
        // SAFETY: the array has the 32 bytes that are read, and the load needs no alignment.
        let halves = unsafe { _mm256_loadu_si256(values.as_ptr().cast()) };
        _mm512_cvtph_ps(halves)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
    pub(super) fn load_bf16(values: &[u16; WIDTH]) -> F {
        // SAFETY: the array has the 32 bytes that are read, and the load needs no alignment.
        let halves = unsafe { _mm256_loadu_si256(values.as_ptr().cast()) };
        _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(halves)))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
    pub(super) fn load_int8(values: &[i8; WIDTH]) -> F {
        // SAFETY: the array has the 16 bytes that are read, and the load needs no alignment.
        let bytes = unsafe { _mm_loadu_si128(values.as_ptr().cast()) };
        _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
    pub(super) fn load_fp8(values: &[u8; WIDTH]) -> F {
        // SAFETY: the array has the 16 bytes that are read, and the load needs no alignment.
        let bytes = unsafe { _mm_loadu_si128(values.as_ptr().cast()) };
        let upper = _mm256_slli_epi16::<8>(_mm256_cvtepu8_epi16(bytes));
        // The sign stays, the rest moves one place down.
        let sign = _mm256_set1_epi16(0x8000_u16.cast_signed());
        let moved = _mm256_andnot_si256(sign, upper);
        let halves = _mm256_or_si256(_mm256_and_si256(upper, sign), _mm256_srli_epi16::<1>(moved));
        let nan = _mm256_cmpeq_epi16_mask(moved, _mm256_set1_epi16(0x7F00));
        let halves = _mm256_mask_blend_epi16(nan, halves, _mm256_set1_epi16(0x7E00));
        _mm512_cvtph_ps(halves)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
    pub(super) fn store(values: F, out: &mut [f32; WIDTH]) {
        // SAFETY: the array has the 64 bytes that are written, and the store needs no alignment.
        unsafe { _mm512_storeu_ps(out.as_mut_ptr(), values) };
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
    pub(super) fn totals(values: [F; 4]) -> [f32; 4] {
        avx2::join(values.map(|values| {
            let eight = _mm256_add_ps(
                _mm512_castps512_ps256(values),
                _mm512_extractf32x8_ps::<1>(values),
            );
            _mm_add_ps(
                _mm256_castps256_ps128(eight),
                _mm256_extractf128_ps::<1>(eight),
            )
        }))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
    pub(super) fn keep(values: F, lanes: u16) -> F {
        _mm512_mask_blend_ps(lanes, _mm512_set1_ps(f32::NEG_INFINITY), values)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
    pub(super) fn keep_or_zero(values: F, lanes: u16) -> F {
        _mm512_maskz_mov_ps(lanes, values)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
    pub(super) fn max(values: F, other: F) -> F {
        _mm512_max_ps(values, other)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
    pub(super) fn largest(values: F) -> f32 {
        _mm512_reduce_max_ps(values)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
    pub(super) fn at_least(left: F, right: F) -> u16 {
        _mm512_cmp_ps_mask::<_CMP_GE_OQ>(left, right)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
    pub(super) fn unordered(left: F, right: F) -> u16 {
        _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(left, right)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
    pub(super) fn add(left: F, right: F) -> F {
        _mm512_add_ps(left, right)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
    pub(super) fn sub(left: F, right: F) -> F {
        _mm512_sub_ps(left, right)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
    pub(super) fn mul(left: F, right: F) -> F {
        _mm512_mul_ps(left, right)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
    pub(super) fn mul_add(left: F, right: F, plus: F) -> F {
        _mm512_fmadd_ps(left, right, plus)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
    pub(super) fn raise(values: F, powers: F) -> F {
        let powers = _mm512_slli_epi32::<23>(_mm512_castps_si512(powers));
        _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(values), powers))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
    pub(super) fn compress(values: F, lanes: u16, out: &mut [f32; WIDTH]) {
        let values = _mm512_maskz_compress_ps(lanes, values);
        // SAFETY: the array has the 64 bytes that are written, and the store needs no alignment.
        unsafe { _mm512_storeu_ps(out.as_mut_ptr(), values) };
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
    pub(super) fn positions(lanes: u16, first: u32, out: &mut [u32; WIDTH]) {
        let ids = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        let ids = _mm512_add_epi32(ids, _mm512_set1_epi32(first.cast_signed()));
        let ids = _mm512_maskz_compress_epi32(lanes, ids);
        // SAFETY: the array has the 64 bytes that are written, and the store needs no alignment.
        unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), ids) };
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
    pub(super) fn widen(values: F) -> D {
        let low = _mm512_castps512_ps256(values);
        let high = _mm512_extractf32x8_ps::<1>(values);
        (_mm512_cvtps_pd(low), _mm512_cvtps_pd(high))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
    pub(super) fn splat_f64(value: f64) -> D {
        (_mm512_set1_pd(value), _mm512_set1_pd(value))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
    pub(super) fn store_f64(values: D, out: &mut [f64; WIDTH]) {
        let (low, high) = out.split_at_mut(8);
        // SAFETY: each half has the 64 bytes that are written, and the store needs no alignment.
        unsafe { _mm512_storeu_pd(low.as_mut_ptr(), values.0) };
        // SAFETY: as above.
        unsafe { _mm512_storeu_pd(high.as_mut_ptr(), values.1) };
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
    pub(super) fn keep_f64(values: D, lanes: u16) -> D {
        (
            _mm512_maskz_mov_pd(lanes as u8, values.0),
            _mm512_maskz_mov_pd((lanes >> 8) as u8, values.1),
        )
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
    pub(super) fn at_least_f64(left: D, right: D) -> u16 {
        let low = _mm512_cmp_pd_mask::<_CMP_GE_OQ>(left.0, right.0);
        let high = _mm512_cmp_pd_mask::<_CMP_GE_OQ>(left.1, right.1);
        u16::from(low) | u16::from(high) << 8
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
    pub(super) fn add_f64(left: D, right: D) -> D {
        (
            _mm512_add_pd(left.0, right.0),
            _mm512_add_pd(left.1, right.1),
        )
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
    pub(super) fn sub_f64(left: D, right: D) -> D {
        (
            _mm512_sub_pd(left.0, right.0),
            _mm512_sub_pd(left.1, right.1),
        )
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
    pub(super) fn mul_f64(left: D, right: D) -> D {
        (
            _mm512_mul_pd(left.0, right.0),
            _mm512_mul_pd(left.1, right.1),
        )
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
    pub(super) fn mul_add_f64(left: D, right: D, plus: D) -> D {
        (
            _mm512_fmadd_pd(left.0, right.0, plus.0),
            _mm512_fmadd_pd(left.1, right.1, plus.1),
        )
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
    pub(super) fn max_f64(values: D, other: D) -> D {
        (
            _mm512_max_pd(values.0, other.0),
            _mm512_max_pd(values.1, other.1),
        )
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
    pub(super) fn raise_f64(values: D, powers: D) -> D {
        let add = |values, powers| {
            let powers = _mm512_slli_epi64::<52>(_mm512_castpd_si512(powers));
            _mm512_castsi512_pd(_mm512_add_epi64(_mm512_castpd_si512(values), powers))
        };
        (add(values.0, powers.0), add(values.1, powers.1))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
    pub(super) fn sum_f64(values: D) -> f64 {
        let eight = _mm512_add_pd(values.0, values.1);
        let four = _mm256_add_pd(
            _mm512_castpd512_pd256(eight),
            _mm512_extractf64x4_pd::<1>(eight),
        );
        let two = _mm_add_pd(
            _mm256_castpd256_pd128(four),
            _mm256_extractf128_pd::<1>(four),
        );
        _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)))
    }
}
