//! 64 bytes of text at once, as bit masks: bit `i` of a mask is about byte `i`.
//!
//! A loop over blocks is written once, as a [`Task`] that is generic over its [`Kernel`], and [`Level::run`] compiles it
//! for each instruction set: everything between two blocks is then inlined too, and not a call per block.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod scalar;

/// Bytes of a block.
pub const BYTES: usize = 64;

/// What can be asked about 64 bytes.
///
/// Implementations are `#[inline(always)]`, and so must be whatever calls them, up to [`Task::run`]: code that is not
/// inlined there is compiled for the oldest CPU.
pub trait Kernel: Copy {
    /// 64 bytes, in registers.
    type Bytes: Copy;

    /// The bytes of `text` from `at` on, then zeros.
    fn load(self, text: &[u8], at: usize) -> Self::Bytes;

    /// These very bytes.
    fn pack(self, bytes: &[u8; BYTES]) -> Self::Bytes;

    /// These very bytes.
    fn unpack(self, bytes: Self::Bytes) -> [u8; BYTES];

    /// The bytes that are not ASCII.
    fn non_ascii(self, bytes: Self::Bytes) -> u64;

    /// The bytes that begin a character of several bytes, in UTF-8: 0xC0 and above.
    fn leads(self, bytes: Self::Bytes) -> u64;

    /// The bytes that are `value`.
    fn equal(self, bytes: Self::Bytes, value: u8) -> u64;

    /// `table[byte]` for every byte; 0 for those that are not ASCII.
    fn lookup(self, bytes: Self::Bytes, table: &[u8; 128]) -> Self::Bytes;

    /// The bytes that have one of the bits of `flags`.
    fn any(self, bytes: Self::Bytes, flags: u8) -> u64;

    /// Writes `base` plus the index of each bit of `mask` to the front of `out`, in order, and returns how many.
    ///
    /// What stands behind them in `out` is overwritten too.
    fn positions(self, mask: u64, base: u32, out: &mut [u32; BYTES]) -> usize;
}

/// A loop over blocks.
pub trait Task {
    /// What comes out.
    type Output;

    /// Runs it; to be marked `#[inline(always)]`.
    fn run<K: Kernel>(self, kernel: K) -> Self::Output;
}

/// An instruction set that this CPU has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level(Set);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Level {
    /// Every one that this CPU has, the slowest first.
    pub fn all() -> Vec<Self> {
        let mut levels = vec![Self(Set::Scalar)];
        #[cfg(target_arch = "x86_64")]
        {
            if avx2::is_available() {
                levels.push(Self(Set::Avx2));
            }
            if avx512::is_available() {
                levels.push(Self(Set::Avx512));
            }
        }
        levels
    }

    /// The fastest one.
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if avx512::is_available() {
                return Self(Set::Avx512);
            }
            if avx2::is_available() {
                return Self(Set::Avx2);
            }
        }
        Self(Set::Scalar)
    }

    /// Runs `task`, compiled for this instruction set.
    #[inline]
    pub fn run<T: Task>(self, task: T) -> T::Output {
        match self.0 {
            Set::Scalar => task.run(scalar::Scalar),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a `Level` of this set is made only where the CPU has it.
            Set::Avx2 => unsafe { avx2::run(task) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Set::Avx512 => unsafe { avx512::run(task) },
        }
    }
}
