//! AVX2 with FMA and half-precision conversion (Haswell, Zen and later).

#![cfg_attr(
    not(test),
    expect(
        clippy::wildcard_imports,
        reason = "the intrinsics have prefixes of their own"
    )
)]

use std::arch::x86_64::*;

use super::{LANES, LEAD, LeadBlock, LeadQuery, WIDTH};

/// Registers of eight numbers that hold [`WIDTH`] of them.
const REGISTERS: usize = WIDTH / 8;

pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn dot(left: &[[f32; WIDTH]], right: &[[f32; WIDTH]]) -> f32 {
    sum(left, right, |sum, left, right| {
        _mm256_fmadd_ps(left, load(right), sum)
    })
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn dot_half(left: &[[f32; WIDTH]], right: &[[u16; WIDTH]]) -> f32 {
    sum(left, right, |sum, left, right| {
        _mm256_fmadd_ps(left, halves(right), sum)
    })
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn dot_coded(left: &[[f32; WIDTH]], right: &[[i8; WIDTH]]) -> f32 {
    sum(left, right, |sum, left, right| {
        _mm256_fmadd_ps(left, codes(*right), sum)
    })
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn distance(left: &[[f32; WIDTH]], right: &[[f32; WIDTH]]) -> f32 {
    sum(left, right, |sum, left, right| {
        let apart = _mm256_sub_ps(left, load(right));
        _mm256_fmadd_ps(apart, apart, sum)
    })
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn distance_half(left: &[[f32; WIDTH]], right: &[[u16; WIDTH]]) -> f32 {
    sum(left, right, |sum, left, right| {
        let apart = _mm256_sub_ps(left, halves(right));
        _mm256_fmadd_ps(apart, apart, sum)
    })
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn distance_coded(left: &[[f32; WIDTH]], right: &[[i8; WIDTH]], scale: f32) -> f32 {
    let scale = _mm256_set1_ps(scale);
    sum(left, right, |sum, left, right| {
        let apart = _mm256_fnmadd_ps(scale, codes(*right), left);
        _mm256_fmadd_ps(apart, apart, sum)
    })
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn dot_codes(left: &[[i8; WIDTH]], right: &[[i8; WIDTH]]) -> i32 {
    let ones = _mm256_set1_epi16(1);
    let mut sums = [_mm256_setzero_si256(); 2];
    for (left, right) in left.iter().zip(right) {
        let halves = left
            .as_chunks::<32>()
            .0
            .iter()
            .zip(right.as_chunks::<32>().0);
        for (sum, (left, right)) in sums.iter_mut().zip(halves) {
            let (left, right) = (load_codes(left), load_codes(right));
            // One factor has to be unsigned: the sign of the left one goes to the right one.
            let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(left), _mm256_sign_epi8(right, left));
            *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones));
        }
    }
    let sum = _mm256_add_epi32(sums[0], sums[1]);
    let sum = _mm_add_epi32(
        _mm256_castsi256_si128(sum),
        _mm256_extracti128_si256::<1>(sum),
    );
    let sum = _mm_add_epi32(sum, _mm_shuffle_epi32::<0b01_00_11_10>(sum));
    let sum = _mm_add_epi32(sum, _mm_shuffle_epi32::<0b10_11_00_01>(sum));
    _mm_cvtsi128_si32(sum)
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn encode(numbers: &[[f32; WIDTH]], scale: f32, codes: &mut [[i8; WIDTH]]) -> f32 {
    let per_unit = _mm256_set1_ps(1.0 / scale);
    let limit = _mm256_set1_epi16(127);
    // Packing works within halves of a register: this puts its groups of four back in order.
    let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    for (numbers, codes) in numbers.iter().zip(codes.iter_mut()) {
        let registers = numbers.as_chunks::<8>().0;
        for (half, codes) in codes.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let mut rounded = [_mm256_setzero_si256(); 4];
            for (rounded, numbers) in rounded.iter_mut().zip(&registers[half * 4..]) {
                *rounded = _mm256_cvtps_epi32(_mm256_mul_ps(load(numbers), per_unit));
            }
            let first = _mm256_packs_epi32(rounded[0], rounded[1]);
            let second = _mm256_packs_epi32(rounded[2], rounded[3]);
            let least = _mm256_sub_epi16(_mm256_setzero_si256(), limit);
            let first = _mm256_max_epi16(_mm256_min_epi16(first, limit), least);
            let second = _mm256_max_epi16(_mm256_min_epi16(second, limit), least);
            let packed = _mm256_packs_epi16(first, second);
            store_codes(_mm256_permutevar8x32_epi32(packed, order), codes);
        }
    }
    distance_coded(numbers, codes, scale)
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn largest(numbers: &[[f32; WIDTH]]) -> f32 {
    let sign = _mm256_set1_ps(-0.0);
    let mut most = [_mm256_setzero_si256(); 2];
    for numbers in numbers {
        for pair in numbers.as_chunks::<16>().0 {
            for (most, numbers) in most.iter_mut().zip(pair.as_chunks::<8>().0) {
                // Without its sign, a float is the larger the larger its bits are, and what is not finite the largest.
                let bits = _mm256_castps_si256(_mm256_andnot_ps(sign, load(numbers)));
                *most = _mm256_max_epu32(*most, bits);
            }
        }
    }
    let most = _mm256_max_epu32(most[0], most[1]);
    let most = _mm_max_epu32(
        _mm256_castsi256_si128(most),
        _mm256_extracti128_si256::<1>(most),
    );
    let most = _mm_max_epu32(most, _mm_shuffle_epi32::<0b01_00_11_10>(most));
    let most = _mm_max_epu32(most, _mm_shuffle_epi32::<0b10_11_00_01>(most));
    let largest = f32::from_bits(_mm_cvtsi128_si32(most).cast_unsigned());
    if largest.is_finite() {
        largest
    } else {
        f32::INFINITY
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn project(columns: &[[f32; LEAD]], vector: &[f32]) -> [f32; LEAD] {
    let mut sums = [[_mm256_setzero_ps(); LEAD / 8]; 2];
    let pairs = columns
        .as_chunks::<2>()
        .0
        .iter()
        .zip(vector.as_chunks::<2>().0);
    for (columns, numbers) in pairs {
        for ((sums, column), number) in sums.iter_mut().zip(columns).zip(numbers) {
            let number = _mm256_set1_ps(*number);
            for (sum, others) in sums.iter_mut().zip(column.as_chunks::<8>().0) {
                *sum = _mm256_fmadd_ps(number, load(others), *sum);
            }
        }
    }
    let mut products = [0.0; LEAD];
    for (register, out) in products.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        store(_mm256_add_ps(sums[0][register], sums[1][register]), out);
    }
    products
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn add_scaled(sum: &mut [[f32; WIDTH]], vector: &[[f32; WIDTH]], factor: f32) {
    let factor = _mm256_set1_ps(factor);
    for (sum, vector) in sum.iter_mut().zip(vector) {
        let registers = sum.as_chunks_mut::<8>().0.iter_mut();
        for (sum, vector) in registers.zip(vector.as_chunks::<8>().0) {
            store(_mm256_fmadd_ps(factor, load(vector), load(sum)), sum);
        }
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn lead_bounds<const N: usize>(
    blocks: [&LeadBlock; N],
    bias: &[f32; LANES],
    queries: &[LeadQuery; N],
) -> [f32; LANES] {
    let scans = scans(queries);
    let mut bounds = [0.0; LANES];
    let halves = bounds.as_chunks_mut::<8>().0.iter_mut();
    for (half, (bounds, bias)) in halves.zip(bias.as_chunks::<8>().0).enumerate() {
        store(bound(blocks, half, load(bias), &scans), bounds);
    }
    bounds
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn scan_leads<const N: usize>(
    groups: [&[LeadBlock]; N],
    bias: Option<&[[f32; LANES]]>,
    queries: &[LeadQuery; N],
    threshold: f32,
    masks: &mut [u16],
) {
    let scans = scans(queries);
    let threshold = _mm256_set1_ps(threshold);
    let none = [0.0; LANES];
    for (number, mask) in masks.iter_mut().enumerate() {
        if *mask == 0 {
            continue;
        }
        let bias = bias.map_or(&none, |bias| &bias[number]);
        let blocks = groups.map(|blocks| &blocks[number]);
        let mut below = 0;
        for (half, plus) in bias.as_chunks::<8>().0.iter().enumerate() {
            let bound = bound(blocks, half, load(plus), &scans);
            let lanes = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(bound, threshold));
            below |= (lanes as u16) << (8 * half);
        }
        *mask &= !below;
    }
}

/// A query in registers, as far as they suffice.
#[derive(Clone, Copy)]
struct Scan {
    /// The weights of four dimensions at a time, for every vector.
    factors: [__m256i; LEAD / 4],
    zero: __m256i,
    unit: __m256,
    error: __m256,
    rest: __m256,
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn scans<const N: usize>(queries: &[LeadQuery; N]) -> [Scan; N] {
    let mut scans = [Scan {
        factors: [_mm256_setzero_si256(); LEAD / 4],
        zero: _mm256_setzero_si256(),
        unit: _mm256_setzero_ps(),
        error: _mm256_setzero_ps(),
        rest: _mm256_setzero_ps(),
    }; N];
    for (scan, query) in scans.iter_mut().zip(queries) {
        let weights = query.weights.as_chunks::<4>().0;
        for (factor, weights) in scan.factors.iter_mut().zip(weights) {
            *factor = _mm256_set1_epi32(i32::from_le_bytes(weights.map(i8::cast_unsigned)));
        }
        scan.zero = _mm256_set1_epi32(query.zero);
        scan.unit = _mm256_set1_ps(query.unit);
        scan.error = _mm256_set1_ps(query.error);
        scan.rest = _mm256_set1_ps(query.rest);
    }
    scans
}

/// The bounds of [`super::scalar`], in the same order, of eight vectors.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn bound<const N: usize>(
    blocks: [&LeadBlock; N],
    half: usize,
    mut bound: __m256,
    scans: &[Scan; N],
) -> __m256 {
    for (block, scan) in blocks.iter().zip(scans) {
        let sum = _mm256_sub_epi32(half_sum(block, half, &scan.factors), scan.zero);
        bound = _mm256_fmadd_ps(scan.error, small(&block.errors, half), bound);
        bound = _mm256_fmadd_ps(scan.unit, _mm256_cvtepi32_ps(sum), bound);
    }
    match (blocks.last(), scans.last()) {
        (Some(block), Some(scan)) => _mm256_fmadd_ps(scan.rest, small(&block.rests, half), bound),
        _ => bound,
    }
}

/// The weighted sums of the codes of eight vectors.
#[inline]
#[target_feature(enable = "avx2")]
fn half_sum(block: &LeadBlock, half: usize, factors: &[__m256i; LEAD / 4]) -> __m256i {
    let low = _mm256_set1_epi8(15);
    // Sixteen products of a code and a weight fit into 16 bits (MAX_WEIGHT).
    let mut sum = _mm256_setzero_si256();
    let registers = block.codes.as_chunks::<32>().0;
    for (pair, factors) in factors.as_chunks::<2>().0.iter().enumerate() {
        let codes = load_bytes(&registers[pair * 2 + half]);
        let lower = _mm256_and_si256(codes, low);
        let upper = _mm256_and_si256(_mm256_srli_epi16::<4>(codes), low);
        sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(lower, factors[0]));
        sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(upper, factors[1]));
    }
    _mm256_madd_epi16(sum, _mm256_set1_epi16(1))
}

/// Eight of sixteen small numbers.
#[inline]
#[target_feature(enable = "avx2")]
fn small(numbers: &[u8; LANES], half: usize) -> __m256 {
    let numbers = u64::from_le_bytes(numbers.as_chunks::<8>().0[half]);
    let bytes = _mm_cvtsi64_si128(numbers.cast_signed());
    _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes))
}

/// The sums of [`super::scalar`], in the same order.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn sum<T>(
    left: &[[f32; WIDTH]],
    right: &[[T; WIDTH]],
    step: impl Fn(__m256, __m256, &[T; 8]) -> __m256,
) -> f32 {
    let mut sums = [_mm256_setzero_ps(); REGISTERS];
    for (left, right) in left.iter().zip(right) {
        let registers = left.as_chunks::<8>().0.iter().zip(right.as_chunks::<8>().0);
        for (sum, (left, right)) in sums.iter_mut().zip(registers) {
            *sum = step(*sum, load(left), right);
        }
    }
    let mut half = REGISTERS / 2;
    while half > 0 {
        for register in 0..half {
            sums[register] = _mm256_add_ps(sums[register], sums[register + half]);
        }
        half /= 2;
    }
    total(sums[0])
}

/// Upper half added to lower half until one number is left.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn total(sums: __m256) -> f32 {
    let four = _mm_add_ps(
        _mm256_castps256_ps128(sums),
        _mm256_extractf128_ps::<1>(sums),
    );
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn halves(values: &[u16; 8]) -> __m256 {
    _mm256_cvtph_ps(load_128(values))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn codes(values: [i8; 8]) -> __m256 {
    let codes = _mm_cvtsi64_si128(i64::from_le_bytes(values.map(i8::cast_unsigned)));
    _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes))
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(values: &[f32; 8]) -> __m256 {
    // SAFETY: the array has the register's size, and no alignment is asked for.
    unsafe { _mm256_loadu_ps(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_128(values: &[u16; 8]) -> __m128i {
    // SAFETY: the array has the register's size, and no alignment is asked for.
    unsafe { _mm_loadu_si128(values.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_codes(values: &[i8; 32]) -> __m256i {
    // SAFETY: the array has the register's size, and no alignment is asked for.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_bytes(values: &[u8; 32]) -> __m256i {
    // SAFETY: the array has the register's size, and no alignment is asked for.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_codes(codes: __m256i, out: &mut [i8; 32]) {
    // SAFETY: the array has the register's size, and no alignment is asked for.
    unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), codes) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(numbers: __m256, out: &mut [f32; 8]) {
    // SAFETY: the array has the register's size, and no alignment is asked for.
    unsafe { _mm256_storeu_ps(out.as_mut_ptr(), numbers) }
}
