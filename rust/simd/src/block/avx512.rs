//! AVX-512 with VBMI and VBMI2 (Ice Lake, Zen 4 and later): a block is one register.

#![cfg_attr(
    not(test),
    expect(
        clippy::wildcard_imports,
        reason = "the intrinsics have prefixes of their own"
    )
)]

use std::arch::x86_64::*;

use super::{BYTES, Kernel, Task};

/// The proof that the CPU has the instructions: only [`run`] makes one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx512(());

pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vbmi")
        && is_x86_feature_detected!("avx512vbmi2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("popcnt")
}

/// Compiles `task` for this instruction set.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2,bmi1,bmi2,lzcnt,popcnt")]
pub(super) fn run<T: Task>(task: T) -> T::Output {
    task.run(Avx512(()))
}

/// Defines the methods of [`Kernel`]: each is the function of the same name in [`inner`].
macro_rules! kernel {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $output:ty;)*) => {
        impl Kernel for Avx512 {
            type Bytes = __m512i;

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

kernel! {
    fn load(text: &[u8], at: usize) -> __m512i;
    fn pack(bytes: &[u8; BYTES]) -> __m512i;
    fn unpack(bytes: __m512i) -> [u8; BYTES];
    fn non_ascii(bytes: __m512i) -> u64;
    fn leads(bytes: __m512i) -> u64;
    fn equal(bytes: __m512i, value: u8) -> u64;
    fn lookup(bytes: __m512i, table: &[u8; 128]) -> __m512i;
    fn any(bytes: __m512i, flags: u8) -> u64;
    fn positions(mask: u64, base: u32, out: &mut [u32; BYTES]) -> usize;
}

mod inner {
    use super::*;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,bmi2")]
    pub(super) fn load(text: &[u8], at: usize) -> __m512i {
        let rest = text.get(at..).unwrap_or_default();
        let mask = if rest.len() >= BYTES {
            u64::MAX
        } else {
            !(u64::MAX << rest.len())
        };
        // SAFETY: only bytes of the mask are read, and they are in `rest`.
        unsafe { _mm512_maskz_loadu_epi8(mask, rest.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn pack(bytes: &[u8; BYTES]) -> __m512i {
        // SAFETY: the array has 64 bytes, and the load needs no alignment.
        unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn unpack(bytes: __m512i) -> [u8; BYTES] {
        let mut array = [0; BYTES];
        // SAFETY: the array has 64 bytes, and the store needs no alignment.
        unsafe { _mm512_storeu_si512(array.as_mut_ptr().cast(), bytes) };
        array
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn non_ascii(bytes: __m512i) -> u64 {
        _mm512_movepi8_mask(bytes)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn leads(bytes: __m512i) -> u64 {
        _mm512_cmpge_epu8_mask(bytes, _mm512_set1_epi8(0xC0_u8.cast_signed()))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn equal(bytes: __m512i, value: u8) -> u64 {
        _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(value.cast_signed()))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    pub(super) fn lookup(bytes: __m512i, table: &[u8; 128]) -> __m512i {
        let pointer = table.as_ptr();
        // SAFETY: the table has 128 bytes, the first 64 of them are read.
        let low = unsafe { _mm512_loadu_si512(pointer.cast()) };
        // SAFETY: 64 is inside the table.
        let pointer = unsafe { pointer.add(64) };
        // SAFETY: the last 64 bytes of the table are read.
        let high = unsafe { _mm512_loadu_si512(pointer.cast()) };
        let ascii = !_mm512_movepi8_mask(bytes);
        _mm512_maskz_permutex2var_epi8(ascii, low, bytes, high)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn any(bytes: __m512i, flags: u8) -> u64 {
        _mm512_test_epi8_mask(bytes, _mm512_set1_epi8(flags.cast_signed()))
    }

    /// 0, 1, 2, … 63.
    static INDICES: [u8; BYTES] = {
        let mut indices = [0; BYTES];
        let mut at = 0;
        while at < BYTES {
            indices[at] = at as u8;
            at += 1;
        }
        indices
    };

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,popcnt")]
    pub(super) fn positions(mask: u64, base: u32, out: &mut [u32; BYTES]) -> usize {
        let count = mask.count_ones() as usize;
        let indices = _mm512_maskz_compress_epi8(mask, pack(&INDICES));
        let base = _mm512_set1_epi32(base.cast_signed());
        // Text has 10 to 14 pieces in a block: the second quarter is rare, the others rarer.
        store(out, 0, base, _mm512_castsi512_si128(indices));
        if count > 16 {
            store(out, 1, base, _mm512_extracti32x4_epi32::<1>(indices));
            if count > 32 {
                store(out, 2, base, _mm512_extracti32x4_epi32::<2>(indices));
                store(out, 3, base, _mm512_extracti32x4_epi32::<3>(indices));
            }
        }
        count
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn store(out: &mut [u32; BYTES], quarter: usize, base: __m512i, indices: __m128i) {
        let positions = _mm512_add_epi32(_mm512_cvtepu8_epi32(indices), base);
        let quarter = &mut out[quarter * 16..][..16];
        // SAFETY: the slice has 16 numbers, and the store needs no alignment.
        unsafe { _mm512_storeu_si512(quarter.as_mut_ptr().cast(), positions) };
    }
}
