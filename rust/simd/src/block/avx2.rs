//! AVX2 (Haswell, Zen and later): a block is two registers.

#![cfg_attr(
    not(test),
    expect(
        clippy::wildcard_imports,
        reason = "the intrinsics have prefixes of their own"
    )
)]

use std::arch::x86_64::*;

use super::{BYTES, Kernel, Task, scalar::Scalar};

/// The proof that the CPU has the instructions: only [`run`] makes one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx2(());

pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("popcnt")
}

/// Compiles `task` for this instruction set.
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
pub(super) fn run<T: Task>(task: T) -> T::Output {
    task.run(Avx2(()))
}

/// The two halves of a block.
#[derive(Clone, Copy)]
pub(super) struct Halves(__m256i, __m256i);

/// Defines the methods of [`Kernel`]: each is the function of the same name in [`inner`].
macro_rules! kernel {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $output:ty;)*) => {
        impl Kernel for Avx2 {
            type Bytes = Halves;

            #[inline(always)]
            fn load(self, text: &[u8], at: usize) -> Halves {
                match text.get(at..).and_then(<[u8]>::first_chunk) {
                    Some(bytes) => self.pack(bytes),
                    None => self.pack(&Scalar.load(text, at)),
                }
            }

            #[inline(always)]
            fn positions(self, mut mask: u64, base: u32, out: &mut [u32; BYTES]) -> usize {
                let count = mask.count_ones() as usize;
                // Eight at a time: the branch is then predicted well. Past the last bit, 64 is written.
                for eight in out.chunks_exact_mut(8).take(count.div_ceil(8)) {
                    for position in eight {
                        *position = base.wrapping_add(mask.trailing_zeros());
                        mask &= mask.wrapping_sub(1);
                    }
                }
                count
            }

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

kernel! {
    fn pack(bytes: &[u8; BYTES]) -> Halves;
    fn unpack(bytes: Halves) -> [u8; BYTES];
    fn non_ascii(bytes: Halves) -> u64;
    fn leads(bytes: Halves) -> u64;
    fn equal(bytes: Halves, value: u8) -> u64;
    fn lookup(bytes: Halves, table: &[u8; 128]) -> Halves;
    fn any(bytes: Halves, flags: u8) -> u64;
}

mod inner {
    use super::*;

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn pack(bytes: &[u8; BYTES]) -> Halves {
        let (low, high) = bytes.split_at(32);
        // SAFETY: each half has 32 bytes, and the load needs no alignment.
        let low = unsafe { _mm256_loadu_si256(low.as_ptr().cast()) };
        // SAFETY: as above.
        let high = unsafe { _mm256_loadu_si256(high.as_ptr().cast()) };
        Halves(low, high)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn unpack(bytes: Halves) -> [u8; BYTES] {
        let mut array = [0; BYTES];
        let (low, high) = array.split_at_mut(32);
        // SAFETY: each half has 32 bytes, and the store needs no alignment.
        unsafe { _mm256_storeu_si256(low.as_mut_ptr().cast(), bytes.0) };
        // SAFETY: as above.
        unsafe { _mm256_storeu_si256(high.as_mut_ptr().cast(), bytes.1) };
        array
    }

    /// The bytes whose highest bit is set.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn non_ascii(bytes: Halves) -> u64 {
        let low = _mm256_movemask_epi8(bytes.0).cast_unsigned();
        let high = _mm256_movemask_epi8(bytes.1).cast_unsigned();
        u64::from(low) | u64::from(high) << 32
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn leads(bytes: Halves) -> u64 {
        // The two highest bits are set: the highest of the byte, and of the byte shifted by one.
        let twice = Halves(
            _mm256_add_epi8(bytes.0, bytes.0),
            _mm256_add_epi8(bytes.1, bytes.1),
        );
        non_ascii(bytes) & non_ascii(twice)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn equal(bytes: Halves, value: u8) -> u64 {
        let value = _mm256_set1_epi8(value.cast_signed());
        non_ascii(Halves(
            _mm256_cmpeq_epi8(bytes.0, value),
            _mm256_cmpeq_epi8(bytes.1, value),
        ))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn lookup(bytes: Halves, table: &[u8; 128]) -> Halves {
        let mut found = Halves(_mm256_setzero_si256(), _mm256_setzero_si256());
        for (row, entries) in table.chunks_exact(16).enumerate() {
            // SAFETY: the row has 16 bytes, and the load needs no alignment.
            let entries = unsafe { _mm_loadu_si128(entries.as_ptr().cast()) };
            let entries = _mm256_broadcastsi128_si256(entries);
            found.0 = _mm256_or_si256(found.0, in_row(bytes.0, row as i8, entries));
            found.1 = _mm256_or_si256(found.1, in_row(bytes.1, row as i8, entries));
        }
        found
    }

    /// The entries of the bytes whose upper half is `row`, 0 for the others.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn in_row(bytes: __m256i, row: i8, entries: __m256i) -> __m256i {
        // Bytes of the row become 0x70 to 0x7F, all others have the highest bit, for which the shuffle gives 0.
        let column = _mm256_xor_si256(bytes, _mm256_set1_epi8(row << 4));
        let column = _mm256_adds_epu8(column, _mm256_set1_epi8(0x70));
        _mm256_shuffle_epi8(entries, column)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn any(bytes: Halves, flags: u8) -> u64 {
        let flags = _mm256_set1_epi8(flags.cast_signed());
        let zero = _mm256_setzero_si256();
        !non_ascii(Halves(
            _mm256_cmpeq_epi8(_mm256_and_si256(bytes.0, flags), zero),
            _mm256_cmpeq_epi8(_mm256_and_si256(bytes.1, flags), zero),
        ))
    }
}
