//! AVX2 (Haswell, Zen and later).

#![cfg_attr(
    not(test),
    expect(
        clippy::wildcard_imports,
        reason = "the intrinsics have prefixes of their own"
    )
)]

use std::arch::x86_64::*;

use super::{BYTES, WIDTH};

#[target_feature(enable = "avx2")]
pub(super) fn dot(left: &[[i8; WIDTH]], right: &[[u8; BYTES]]) -> i32 {
    let ones = _mm256_set1_epi16(1);
    let nibble = _mm256_set1_epi8(15);
    let mut sum = _mm256_setzero_si256();
    for (left, right) in left.iter().zip(right) {
        let [first, second] = left.as_chunks::<BYTES>().0 else {
            continue;
        };
        let bytes = load(right);
        let low = _mm256_and_si256(bytes, nibble);
        let high = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), nibble);
        // Four products of 15 and 127 fit into 16 bits.
        let pairs = _mm256_add_epi16(
            _mm256_maddubs_epi16(low, load_codes(first)),
            _mm256_maddubs_epi16(high, load_codes(second)),
        );
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
    }
    let sum = _mm_add_epi32(
        _mm256_castsi256_si128(sum),
        _mm256_extracti128_si256::<1>(sum),
    );
    let sum = _mm_add_epi32(sum, _mm_shuffle_epi32::<0b01_00_11_10>(sum));
    let sum = _mm_add_epi32(sum, _mm_shuffle_epi32::<0b10_11_00_01>(sum));
    _mm_cvtsi128_si32(sum)
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(bytes: &[u8; BYTES]) -> __m256i {
    // SAFETY: the array has the register's size, and no alignment is asked for.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_codes(codes: &[i8; BYTES]) -> __m256i {
    // SAFETY: the array has the register's size, and no alignment is asked for.
    unsafe { _mm256_loadu_si256(codes.as_ptr().cast()) }
}
