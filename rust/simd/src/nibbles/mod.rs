//! Dot products with codes of four bits: half the bytes, so half the time where they come from memory.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod scalar;

/// Codes that are multiplied side by side: rows are padded to a multiple of it.
pub const WIDTH: usize = 64;

/// Bytes of [`WIDTH`] codes: byte `i` has code `i` in its lower half and code `i + 32` in its upper one.
pub const BYTES: usize = WIDTH / 2;

/// An instruction set that this CPU has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level(Set);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

impl Level {
    /// Every one that this CPU has, the slowest first.
    pub fn all() -> Vec<Self> {
        let mut levels = vec![Self(Set::Scalar)];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            levels.push(Self(Set::Avx2));
        }
        levels
    }

    /// The fastest one.
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            return Self(Set::Avx2);
        }
        Self(Set::Scalar)
    }

    /// Sum of the products of `left`, none of which is -128, and the packed codes, 0 to 15, exactly; what is longer than
    /// the other, and behind the last whole [`WIDTH`], is left out.
    #[inline]
    pub fn dot(self, left: &[i8], right: &[u8]) -> i32 {
        let (left, right) = (left.as_chunks::<WIDTH>().0, right.as_chunks::<BYTES>().0);
        match self.0 {
            Set::Scalar => scalar::dot(left, right),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a `Level` of this set is made only where the CPU has it.
            Set::Avx2 => unsafe { avx2::dot(left, right) },
        }
    }
}

/// Packs codes, 0 to 15, as [`Level::dot`] takes them; what is behind the last whole [`WIDTH`] is left out.
pub fn pack(codes: &[u8]) -> Box<[u8]> {
    let blocks = codes.as_chunks::<WIDTH>().0.iter();
    let bytes = blocks.flat_map(|codes| {
        let (low, high) = codes.split_at(BYTES);
        low.iter()
            .zip(high)
            .map(|(low, high)| (low & 15) | (high << 4))
    });
    bytes.collect()
}
