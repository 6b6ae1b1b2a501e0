//! What every kernel computes, one byte after another.

use super::{BYTES, Kernel};

#[derive(Debug, Clone, Copy)]
pub(super) struct Scalar;

/// The bytes for which `holds`.
#[inline]
fn mask(bytes: [u8; BYTES], holds: impl Fn(u8) -> bool) -> u64 {
    let bits = bytes.iter().enumerate();
    bits.fold(0, |mask, (at, byte)| mask | u64::from(holds(*byte)) << at)
}

impl Kernel for Scalar {
    type Bytes = [u8; BYTES];

    #[inline]
    fn load(self, text: &[u8], at: usize) -> Self::Bytes {
        let mut bytes = [0; BYTES];
        let rest = text.get(at..).unwrap_or_default();
        let len = rest.len().min(BYTES);
        bytes[..len].copy_from_slice(&rest[..len]);
        bytes
    }

    #[inline]
    fn pack(self, bytes: &[u8; BYTES]) -> Self::Bytes {
        *bytes
    }

    #[inline]
    fn unpack(self, bytes: Self::Bytes) -> [u8; BYTES] {
        bytes
    }

    #[inline]
    fn non_ascii(self, bytes: Self::Bytes) -> u64 {
        mask(bytes, |byte| !byte.is_ascii())
    }

    #[inline]
    fn leads(self, bytes: Self::Bytes) -> u64 {
        mask(bytes, |byte| byte >= 0xC0)
    }

    #[inline]
    fn equal(self, bytes: Self::Bytes, value: u8) -> u64 {
        mask(bytes, |byte| byte == value)
    }

    #[inline]
    fn lookup(self, bytes: Self::Bytes, table: &[u8; 128]) -> Self::Bytes {
        bytes.map(|byte| table.get(usize::from(byte)).copied().unwrap_or(0))
    }

    #[inline]
    fn any(self, bytes: Self::Bytes, flags: u8) -> u64 {
        mask(bytes, |byte| byte & flags != 0)
    }

    #[inline]
    fn positions(self, mut mask: u64, base: u32, out: &mut [u32; BYTES]) -> usize {
        let mut count = 0;
        while mask != 0 {
            out[count] = base + mask.trailing_zeros();
            mask &= mask - 1;
            count += 1;
        }
        count
    }
}
