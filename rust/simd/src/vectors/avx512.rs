//! AVX-512 with VNNI (Ice Lake, Zen 4 and later).

#![cfg_attr(
    not(test),
    expect(
        clippy::wildcard_imports,
        reason = "the intrinsics have prefixes of their own"
    )
)]

use std::arch::x86_64::*;

use super::{LANES, LEAD, LeadBlock, LeadQuery, WIDTH, avx2};

/// Registers of sixteen numbers that hold [`WIDTH`] of them.
const REGISTERS: usize = WIDTH / 16;

pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vnni")
        && avx2::is_available()
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni,avx2,fma,f16c")]
pub(super) fn dot(left: &[[f32; WIDTH]], right: &[[f32; WIDTH]]) -> f32 {
    sum(left, right, |sum, left, right| {
        _mm512_fmadd_ps(left, load(right), sum)
    })
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni,avx2,fma,f16c")]
pub(super) fn dot_half(left: &[[f32; WIDTH]], right: &[[u16; WIDTH]]) -> f32 {
    sum(left, right, |sum, left, right| {
        _mm512_fmadd_ps(left, halves(right), sum)
    })
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni,avx2,fma,f16c")]
pub(super) fn dot_coded(left: &[[f32; WIDTH]], right: &[[i8; WIDTH]]) -> f32 {
    sum(left, right, |sum, left, right| {
        _mm512_fmadd_ps(left, codes(right), sum)
    })
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni,avx2,fma,f16c")]
pub(super) fn distance(left: &[[f32; WIDTH]], right: &[[f32; WIDTH]]) -> f32 {
    sum(left, right, |sum, left, right| {
        let apart = _mm512_sub_ps(left, load(right));
        _mm512_fmadd_ps(apart, apart, sum)
    })
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni,avx2,fma,f16c")]
pub(super) fn distance_half(left: &[[f32; WIDTH]], right: &[[u16; WIDTH]]) -> f32 {
    sum(left, right, |sum, left, right| {
        let apart = _mm512_sub_ps(left, halves(right));
        _mm512_fmadd_ps(apart, apart, sum)
    })
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni,avx2,fma,f16c")]
pub(super) fn distance_coded(left: &[[f32; WIDTH]], right: &[[i8; WIDTH]], scale: f32) -> f32 {
    let scale = _mm512_set1_ps(scale);
    sum(left, right, |sum, left, right| {
        let apart = _mm512_fnmadd_ps(scale, codes(right), left);
        _mm512_fmadd_ps(apart, apart, sum)
    })
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni,avx2,fma,f16c")]
pub(super) fn dot_codes(left: &[[i8; WIDTH]], right: &[[i8; WIDTH]]) -> i32 {
    // One factor has to be unsigned: 128 is added to the left one, and 128 times the right one taken off again.
    let offset = _mm512_set1_epi8(-128);
    let (mut sum, mut surplus) = (_mm512_setzero_si512(), _mm512_setzero_si512());
    for (left, right) in left.iter().zip(right) {
        let (left, right) = (load_all(left), load_all(right));
        sum = _mm512_dpbusd_epi32(sum, _mm512_xor_si512(left, offset), right);
        surplus = _mm512_dpbusd_epi32(surplus, offset, right);
    }
    _mm512_reduce_add_epi32(_mm512_sub_epi32(sum, surplus))
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni,avx2,fma,f16c")]
pub(super) fn encode(numbers: &[[f32; WIDTH]], scale: f32, codes: &mut [[i8; WIDTH]]) -> f32 {
    avx2::encode(numbers, scale, codes)
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni,avx2,fma,f16c")]
pub(super) fn largest(numbers: &[[f32; WIDTH]]) -> f32 {
    avx2::largest(numbers)
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni,avx2,fma,f16c")]
pub(super) fn project(columns: &[[f32; LEAD]], vector: &[f32]) -> [f32; LEAD] {
    let mut sums = [[_mm512_setzero_ps(); LEAD / 16]; 2];
    let pairs = columns
        .as_chunks::<2>()
        .0
        .iter()
        .zip(vector.as_chunks::<2>().0);
    for (columns, numbers) in pairs {
        for ((sums, column), number) in sums.iter_mut().zip(columns).zip(numbers) {
            let number = _mm512_set1_ps(*number);
            for (sum, others) in sums.iter_mut().zip(column.as_chunks::<16>().0) {
                *sum = _mm512_fmadd_ps(number, load(others), *sum);
            }
        }
    }
    let mut products = [0.0; LEAD];
    for (register, out) in products.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        store(_mm512_add_ps(sums[0][register], sums[1][register]), out);
    }
    products
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni,avx2,fma,f16c")]
pub(super) fn add_scaled(sum: &mut [[f32; WIDTH]], vector: &[[f32; WIDTH]], factor: f32) {
    avx2::add_scaled(sum, vector, factor);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni,avx2,fma,f16c")]
pub(super) fn lead_bounds<const N: usize>(
    blocks: [&LeadBlock; N],
    bias: &[f32; LANES],
    queries: &[LeadQuery; N],
) -> [f32; LANES] {
    let mut bounds = [0.0; LANES];
    let scans = scans(queries);
    store(bound(blocks, load(bias), &scans), &mut bounds);
    bounds
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni,avx2,fma,f16c")]
pub(super) fn scan_leads<const N: usize>(
    groups: [&[LeadBlock]; N],
    bias: Option<&[[f32; LANES]]>,
    queries: &[LeadQuery; N],
    threshold: f32,
    masks: &mut [u16],
) {
    let scans = scans(queries);
    let threshold = _mm512_set1_ps(threshold);
    for (number, mask) in masks.iter_mut().enumerate() {
        if *mask == 0 {
            continue;
        }
        let bias = bias.map_or(_mm512_setzero_ps(), |bias| load(&bias[number]));
        let bound = bound(groups.map(|blocks| &blocks[number]), bias, &scans);
        *mask &= _mm512_cmp_ps_mask::<_CMP_NLT_UQ>(bound, threshold);
    }
}

/// A query in registers.
#[derive(Clone, Copy)]
struct Scan {
    /// The weights of four dimensions at a time, for every vector.
    factors: [__m512i; LEAD / 4],
    zero: __m512i,
    unit: __m512,
    error: __m512,
    rest: __m512,
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni,avx2,fma,f16c")]
fn scans<const N: usize>(queries: &[LeadQuery; N]) -> [Scan; N] {
    let mut scans = [Scan {
        factors: [_mm512_setzero_si512(); LEAD / 4],
        zero: _mm512_setzero_si512(),
        unit: _mm512_setzero_ps(),
        error: _mm512_setzero_ps(),
        rest: _mm512_setzero_ps(),
    }; N];
    for (scan, query) in scans.iter_mut().zip(queries) {
        let weights = query.weights.as_chunks::<4>().0;
        for (factor, weights) in scan.factors.iter_mut().zip(weights) {
            *factor = _mm512_set1_epi32(i32::from_le_bytes(weights.map(i8::cast_unsigned)));
        }
        scan.zero = _mm512_set1_epi32(-query.zero);
        scan.unit = _mm512_set1_ps(query.unit);
        scan.error = _mm512_set1_ps(query.error);
        scan.rest = _mm512_set1_ps(query.rest);
    }
    scans
}

/// The bounds of [`super::scalar`], in the same order.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni,avx2,fma,f16c")]
fn bound<const N: usize>(blocks: [&LeadBlock; N], mut bound: __m512, scans: &[Scan; N]) -> __m512 {
    let low = _mm512_set1_epi8(15);
    for (block, scan) in blocks.iter().zip(scans) {
        // The upper halves where they are count sixteenfold.
        let (mut lower, mut upper) = (scan.zero, _mm512_setzero_si512());
        for (pair, codes) in block.codes.as_chunks::<64>().0.iter().enumerate() {
            let codes = load_bytes(codes);
            let (lows, highs) = (
                _mm512_and_si512(codes, low),
                _mm512_andnot_si512(low, codes),
            );
            lower = _mm512_dpbusd_epi32(lower, lows, scan.factors[pair * 2]);
            upper = _mm512_dpbusd_epi32(upper, highs, scan.factors[pair * 2 + 1]);
        }
        let sum = _mm512_add_epi32(lower, _mm512_srai_epi32::<4>(upper));
        bound = _mm512_fmadd_ps(scan.error, small(&block.errors), bound);
        bound = _mm512_fmadd_ps(scan.unit, _mm512_cvtepi32_ps(sum), bound);
    }
    match (blocks.last(), scans.last()) {
        (Some(block), Some(scan)) => _mm512_fmadd_ps(scan.rest, small(&block.rests), bound),
        _ => bound,
    }
}

/// Sixteen small numbers.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni,avx2,fma,f16c")]
fn small(numbers: &[u8; LANES]) -> __m512 {
    // SAFETY: the array has the register's size, and no alignment is asked for.
    let bytes = unsafe { _mm_loadu_si128(numbers.as_ptr().cast()) };
    _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes))
}

/// The sums of [`super::scalar`], in the same order.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni,avx2,fma,f16c")]
fn sum<T>(
    left: &[[f32; WIDTH]],
    right: &[[T; WIDTH]],
    step: impl Fn(__m512, __m512, &[T; 16]) -> __m512,
) -> f32 {
    let mut sums = [_mm512_setzero_ps(); REGISTERS];
    for (left, right) in left.iter().zip(right) {
        let registers = left
            .as_chunks::<16>()
            .0
            .iter()
            .zip(right.as_chunks::<16>().0);
        for (sum, (left, right)) in sums.iter_mut().zip(registers) {
            *sum = step(*sum, load(left), right);
        }
    }
    let mut half = REGISTERS / 2;
    while half > 0 {
        for register in 0..half {
            sums[register] = _mm512_add_ps(sums[register], sums[register + half]);
        }
        half /= 2;
    }
    let halves = _mm256_add_ps(
        _mm512_castps512_ps256(sums[0]),
        _mm512_extractf32x8_ps::<1>(sums[0]),
    );
    avx2::total(halves)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni,avx2,fma,f16c")]
fn halves(values: &[u16; 16]) -> __m512 {
    _mm512_cvtph_ps(load_halves(values))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni,avx2,fma,f16c")]
fn codes(values: &[i8; 16]) -> __m512 {
    _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load_codes(values)))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(values: &[f32; 16]) -> __m512 {
    // SAFETY: the array has the register's size, and no alignment is asked for.
    unsafe { _mm512_loadu_ps(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_halves(values: &[u16; 16]) -> __m256i {
    // SAFETY: the array has the register's size, and no alignment is asked for.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_codes(values: &[i8; 16]) -> __m128i {
    // SAFETY: the array has the register's size, and no alignment is asked for.
    unsafe { _mm_loadu_si128(values.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_all(values: &[i8; 64]) -> __m512i {
    // SAFETY: the array has the register's size, and no alignment is asked for.
    unsafe { _mm512_loadu_si512(values.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_bytes(values: &[u8; 64]) -> __m512i {
    // SAFETY: the array has the register's size, and no alignment is asked for.
    unsafe { _mm512_loadu_si512(values.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(numbers: __m512, out: &mut [f32; 16]) {
    // SAFETY: the array has the register's size, and no alignment is asked for.
    unsafe { _mm512_storeu_ps(out.as_mut_ptr(), numbers) }
}
