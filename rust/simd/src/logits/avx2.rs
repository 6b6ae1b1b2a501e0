//! AVX2 with FMA and half-precision conversion (Haswell, Zen and later): sixteen lanes are two registers.

#![cfg_attr(
    not(test),
    expect(
        clippy::wildcard_imports,
        reason = "the intrinsics have prefixes of their own"
    )
)]

use std::arch::x86_64::*;

use super::Pass;
use super::lanes::{Lanes, WIDTH};

type F = (__m256, __m256);
type D = [__m256d; 4];

/// The proof that the CPU has the instructions: only [`run`] makes one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx2(());

pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
        && is_x86_feature_detected!("popcnt")
}

/// Compiles `pass` for this instruction set.
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
pub(super) fn run<P: Pass>(pass: P) -> P::Output {
    pass.run(Avx2(()))
}

/// Defines the methods of [`Lanes`]: each is the function of the same name in [`inner`].
macro_rules! lanes {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $output:ty;)*) => {
        impl Lanes for Avx2 {
            type F = F;
            type D = D;
            const WIDE: bool = false;

            $(
                #[inline(always)]
                fn $name(self, $($argument: $type),*) -> $output {
                    // SAFETY: an `Avx2` exists only where the CPU has the instructions.
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

/// For every set of eight lanes, their numbers in ascending order, then zeros.
static ORDERS: [[u32; 8]; 256] = orders();

const fn orders() -> [[u32; 8]; 256] {
    let mut orders = [[0; 8]; 256];
    let mut lanes = 0;
    while lanes < 256 {
        let (mut count, mut lane) = (0, 0);
        while lane < 8 {
            if lanes >> lane & 1 == 1 {
                orders[lanes][count] = lane;
                count += 1;
            }
            lane += 1;
        }
        lanes += 1;
    }
    orders
}

pub(super) mod inner {
    use super::*;

    /// All bits of the lanes whose bit is set.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    fn lanes_of(lanes: u16) -> (__m256, __m256) {
        let bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
        let spread = |half: u16| {
            let half = _mm256_and_si256(_mm256_set1_epi32(i32::from(half)), bits);
            _mm256_castsi256_ps(_mm256_cmpeq_epi32(half, bits))
        };
        (spread(lanes & 0xFF), spread(lanes >> 8))
    }

    /// All bits of the four lanes whose bit is set.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    fn lanes_of_f64(lanes: u16) -> __m256d {
        let bits = _mm256_setr_epi64x(1, 2, 4, 8);
        let lanes = _mm256_and_si256(_mm256_set1_epi64x(i64::from(lanes)), bits);
        _mm256_castsi256_pd(_mm256_cmpeq_epi64(lanes, bits))
    }

    /// The numbers of the lanes of `half`, to the front.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    fn order_of(half: u16) -> __m256i {
        let order = &ORDERS[usize::from(half & 0xFF)];
        // SAFETY: the array has the 32 bytes that are read, and the load needs no alignment.
        unsafe { _mm256_loadu_si256(order.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(super) fn splat(value: f32) -> F {
        (_mm256_set1_ps(value), _mm256_set1_ps(value))
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(super) fn load(values: &[f32; WIDTH]) -> F {
        let (low, high) = values.split_at(8);
        // SAFETY: each half has the 32 bytes that are read, and the load needs no alignment.
        let low = unsafe { _mm256_loadu_ps(low.as_ptr()) };
        // SAFETY: as above.
        let high = unsafe { _mm256_loadu_ps(high.as_ptr()) };
        (low, high)
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(super) fn load_f16(values: &[u16; WIDTH]) -> F {
        let (low, high) = values.split_at(8);
        // SAFETY: each half has the 16 bytes that are read, and the load needs no alignment.
        let low = unsafe { _mm_loadu_si128(low.as_ptr().cast()) };
        // SAFETY: as above.
        let high = unsafe { _mm_loadu_si128(high.as_ptr().cast()) };
        (_mm256_cvtph_ps(low), _mm256_cvtph_ps(high))
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(super) fn load_bf16(values: &[u16; WIDTH]) -> F {
        let (low, high) = values.split_at(8);
        // SAFETY: each half has the 16 bytes that are read, and the load needs no alignment.
        let low = unsafe { _mm_loadu_si128(low.as_ptr().cast()) };
        // SAFETY: as above.
        let high = unsafe { _mm_loadu_si128(high.as_ptr().cast()) };
        let widen =
            |half| _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(half)));
        (widen(low), widen(high))
    }

    /// From four sums of four lanes each, the sums: lanes 2 apart, then 1 apart.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(in super::super) fn join(fours: [__m128; 4]) -> [f32; 4] {
        let halves =
            |left, right| _mm_add_ps(_mm_movelh_ps(left, right), _mm_movehl_ps(right, left));
        let (first, second) = (halves(fours[0], fours[1]), halves(fours[2], fours[3]));
        let sums = _mm_add_ps(
            _mm_shuffle_ps::<0b10_00_10_00>(first, second),
            _mm_shuffle_ps::<0b11_01_11_01>(first, second),
        );
        let mut out = [0.0; 4];
        // SAFETY: the array has the 16 bytes that are written, and the store needs no alignment.
        unsafe { _mm_storeu_ps(out.as_mut_ptr(), sums) };
        out
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(super) fn load_int8(values: &[i8; WIDTH]) -> F {
        // SAFETY: the array has the 16 bytes that are read, and the load needs no alignment.
        let bytes = unsafe { _mm_loadu_si128(values.as_ptr().cast()) };
        let widen = |bytes| _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
        (widen(bytes), widen(_mm_srli_si128::<8>(bytes)))
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(super) fn load_fp8(values: &[u8; WIDTH]) -> F {
        // SAFETY: the array has the 16 bytes that are read, and the load needs no alignment.
        let bytes = unsafe { _mm_loadu_si128(values.as_ptr().cast()) };
        let upper = _mm256_slli_epi16::<8>(_mm256_cvtepu8_epi16(bytes));
        // The sign stays, the rest moves one place down.
        let sign = _mm256_set1_epi16(0x8000_u16.cast_signed());
        let moved = _mm256_andnot_si256(sign, upper);
        let halves = _mm256_or_si256(_mm256_and_si256(upper, sign), _mm256_srli_epi16::<1>(moved));
        let nan = _mm256_cmpeq_epi16(moved, _mm256_set1_epi16(0x7F00));
        let halves = _mm256_blendv_epi8(halves, _mm256_set1_epi16(0x7E00), nan);
        (
            _mm256_cvtph_ps(_mm256_castsi256_si128(halves)),
            _mm256_cvtph_ps(_mm256_extracti128_si256::<1>(halves)),
        )
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(super) fn store(values: F, out: &mut [f32; WIDTH]) {
        let (low, high) = out.split_at_mut(8);
        // SAFETY: each half has the 32 bytes that are written, and the store needs no alignment.
        unsafe { _mm256_storeu_ps(low.as_mut_ptr(), values.0) };
        // SAFETY: as above.
        unsafe { _mm256_storeu_ps(high.as_mut_ptr(), values.1) };
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(super) fn totals(values: [F; 4]) -> [f32; 4] {
        join(values.map(|values| {
            let eight = _mm256_add_ps(values.0, values.1);
            _mm_add_ps(
                _mm256_castps256_ps128(eight),
                _mm256_extractf128_ps::<1>(eight),
            )
        }))
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(super) fn keep(values: F, lanes: u16) -> F {
        let otherwise = _mm256_set1_ps(f32::NEG_INFINITY);
        let lanes = lanes_of(lanes);
        (
            _mm256_blendv_ps(otherwise, values.0, lanes.0),
            _mm256_blendv_ps(otherwise, values.1, lanes.1),
        )
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(super) fn keep_or_zero(values: F, lanes: u16) -> F {
        let lanes = lanes_of(lanes);
        (
            _mm256_and_ps(values.0, lanes.0),
            _mm256_and_ps(values.1, lanes.1),
        )
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(super) fn max(values: F, other: F) -> F {
        (
            _mm256_max_ps(values.0, other.0),
            _mm256_max_ps(values.1, other.1),
        )
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(super) fn largest(values: F) -> f32 {
        let eight = _mm256_max_ps(values.0, values.1);
        let four = _mm_max_ps(
            _mm256_castps256_ps128(eight),
            _mm256_extractf128_ps::<1>(eight),
        );
        let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)))
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(super) fn at_least(left: F, right: F) -> u16 {
        let low = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(left.0, right.0));
        let high = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(left.1, right.1));
        (low | high << 8) as u16
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(super) fn unordered(left: F, right: F) -> u16 {
        let low = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_UNORD_Q>(left.0, right.0));
        let high = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_UNORD_Q>(left.1, right.1));
        (low | high << 8) as u16
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(super) fn add(left: F, right: F) -> F {
        (
            _mm256_add_ps(left.0, right.0),
            _mm256_add_ps(left.1, right.1),
        )
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(super) fn sub(left: F, right: F) -> F {
        (
            _mm256_sub_ps(left.0, right.0),
            _mm256_sub_ps(left.1, right.1),
        )
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(super) fn mul(left: F, right: F) -> F {
        (
            _mm256_mul_ps(left.0, right.0),
            _mm256_mul_ps(left.1, right.1),
        )
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(super) fn mul_add(left: F, right: F, plus: F) -> F {
        (
            _mm256_fmadd_ps(left.0, right.0, plus.0),
            _mm256_fmadd_ps(left.1, right.1, plus.1),
        )
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(super) fn raise(values: F, powers: F) -> F {
        let add = |values, powers| {
            let powers = _mm256_slli_epi32::<23>(_mm256_castps_si256(powers));
            _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(values), powers))
        };
        (add(values.0, powers.0), add(values.1, powers.1))
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(super) fn compress(values: F, lanes: u16, out: &mut [f32; WIDTH]) {
        let (low, high) = (lanes & 0xFF, lanes >> 8);
        let first = _mm256_permutevar8x32_ps(values.0, order_of(low));
        let second = _mm256_permutevar8x32_ps(values.1, order_of(high));
        // SAFETY: the array has more than the 32 bytes that are written, and the store needs no alignment.
        unsafe { _mm256_storeu_ps(out.as_mut_ptr(), first) };
        if let Some(rest) = out[low.count_ones() as usize..].first_chunk_mut::<8>() {
            // SAFETY: the array has the 32 bytes that are written, and the store needs no alignment.
            unsafe { _mm256_storeu_ps(rest.as_mut_ptr(), second) };
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(super) fn positions(lanes: u16, first: u32, out: &mut [u32; WIDTH]) {
        let (low, high) = (lanes & 0xFF, lanes >> 8);
        let place = |half, base: u32| {
            _mm256_add_epi32(order_of(half), _mm256_set1_epi32(base.cast_signed()))
        };
        // SAFETY: the array has more than the 32 bytes that are written, and the store needs no alignment.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), place(low, first)) };
        if let Some(rest) = out[low.count_ones() as usize..].first_chunk_mut::<8>() {
            // SAFETY: the array has the 32 bytes that are written, and the store needs no alignment.
            unsafe { _mm256_storeu_si256(rest.as_mut_ptr().cast(), place(high, first + 8)) };
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(super) fn widen(values: F) -> D {
        let parts = [
            _mm256_castps256_ps128(values.0),
            _mm256_extractf128_ps::<1>(values.0),
            _mm256_castps256_ps128(values.1),
            _mm256_extractf128_ps::<1>(values.1),
        ];
        std::array::from_fn(|part| _mm256_cvtps_pd(parts[part]))
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(super) fn splat_f64(value: f64) -> D {
        [_mm256_set1_pd(value); 4]
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(super) fn store_f64(values: D, out: &mut [f64; WIDTH]) {
        for (out, values) in out.as_chunks_mut::<4>().0.iter_mut().zip(values) {
            // SAFETY: the array has the 32 bytes that are written, and the store needs no alignment.
            unsafe { _mm256_storeu_pd(out.as_mut_ptr(), values) };
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(super) fn keep_f64(values: D, lanes: u16) -> D {
        std::array::from_fn(|part| _mm256_and_pd(values[part], lanes_of_f64(lanes >> (part * 4))))
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(super) fn at_least_f64(left: D, right: D) -> u16 {
        let mut lanes = 0;
        for part in 0..4 {
            let is = _mm256_cmp_pd::<_CMP_GE_OQ>(left[part], right[part]);
            lanes |= (_mm256_movemask_pd(is) as u16) << (part * 4);
        }
        lanes
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(super) fn add_f64(left: D, right: D) -> D {
        std::array::from_fn(|part| _mm256_add_pd(left[part], right[part]))
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(super) fn sub_f64(left: D, right: D) -> D {
        std::array::from_fn(|part| _mm256_sub_pd(left[part], right[part]))
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(super) fn mul_f64(left: D, right: D) -> D {
        std::array::from_fn(|part| _mm256_mul_pd(left[part], right[part]))
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(super) fn mul_add_f64(left: D, right: D, plus: D) -> D {
        std::array::from_fn(|part| _mm256_fmadd_pd(left[part], right[part], plus[part]))
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(super) fn max_f64(values: D, other: D) -> D {
        std::array::from_fn(|part| _mm256_max_pd(values[part], other[part]))
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(super) fn raise_f64(values: D, powers: D) -> D {
        std::array::from_fn(|part| {
            let powers = _mm256_slli_epi64::<52>(_mm256_castpd_si256(powers[part]));
            _mm256_castsi256_pd(_mm256_add_epi64(_mm256_castpd_si256(values[part]), powers))
        })
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    pub(super) fn sum_f64(values: D) -> f64 {
        let low = _mm256_add_pd(values[0], values[2]);
        let high = _mm256_add_pd(values[1], values[3]);
        let four = _mm256_add_pd(low, high);
        let two = _mm_add_pd(
            _mm256_castpd256_pd128(four),
            _mm256_extractf128_pd::<1>(four),
        );
        _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)))
    }
}
