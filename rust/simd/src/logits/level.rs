//! The instruction set that a pass runs on.

use super::Pass;
use super::scalar::Scalar;
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};

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

    /// Its name: `scalar`, `avx2` or `avx512`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Set::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => "avx512",
        }
    }

    /// Runs `pass`, compiled for this instruction set.
    #[inline]
    pub(crate) fn run<P: Pass>(self, pass: P) -> P::Output {
        match self.0 {
            Set::Scalar => pass.run(Scalar),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a `Level` of this set is made only where the CPU has it.
            Set::Avx2 => unsafe { avx2::run(pass) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Set::Avx512 => unsafe { avx512::run(pass) },
        }
    }
}
