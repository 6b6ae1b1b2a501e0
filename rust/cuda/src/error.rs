//! Everything that can be wrong with a device.

use cudarc::driver::sys::CUresult;

/// Why a device cannot be had, or did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// There is no driver library.
    #[error("no CUDA driver: {reason}; install one, or use device=\"cpu\"")]
    NoLibrary {
        /// What the loader said.
        reason: String,
    },
    /// The driver's library lacks a function that every driver since 525 has.
    #[error("the CUDA driver library has no {symbol}: it is a stub or damaged")]
    MissingSymbol {
        /// The function.
        symbol: &'static str,
    },
    /// The driver finds no device, or not as many.
    #[error("no CUDA device {ordinal}")]
    NoDevice {
        /// Which one was asked for.
        ordinal: usize,
    },
    /// The driver is older than the kernels.
    #[error("the CUDA driver supports {}.{}; {}.{} is needed", found.0, found.1, needed.0, needed.1)]
    OldDriver {
        /// What the driver supports.
        found: (u32, u32),
        /// The least that is needed.
        needed: (u32, u32),
    },
    /// The device is older than the kernels.
    #[error("{name} has compute capability {}.{}; 8.0 is needed", found.0, found.1)]
    OldDevice {
        /// The device's name.
        name: String,
        /// Its compute capability.
        found: (u32, u32),
    },
    /// The device, or the host's pinned memory, is full.
    #[error("out of memory on the device: {needed} bytes needed, {free} free")]
    OutOfMemory {
        /// What was asked for.
        needed: usize,
        /// What the device said is free.
        free: usize,
    },
    /// A kernel ended badly, now or earlier; the process has to be started anew to use the device again.
    #[error("the CUDA device is lost to this process: {name} ({code}) seen in {call}")]
    Lost {
        /// The function that told.
        call: &'static str,
        /// The driver's number for it: 700 is an illegal address.
        code: u32,
        /// The driver's name for it.
        name: String,
    },
    /// A shape that no kernel is made for, or arrays that do not fit each other.
    #[error("{name} must be {expected}, not {value}")]
    UnsupportedShape {
        /// What is wrong.
        name: &'static str,
        /// What it may be.
        expected: String,
        /// What it was.
        value: String,
    },
    /// Anything else that the driver refuses.
    #[error("{call} failed: {name} ({code})")]
    Driver {
        /// The function.
        call: &'static str,
        /// The driver's number for it.
        code: u32,
        /// The driver's name for it.
        name: String,
    },
}

/// Whether the context is of no use after `code`: every call that follows has the same answer.
pub(crate) fn is_sticky(code: CUresult) -> bool {
    use CUresult as R;
    matches!(
        code,
        R::CUDA_ERROR_ILLEGAL_ADDRESS
            | R::CUDA_ERROR_LAUNCH_TIMEOUT
            | R::CUDA_ERROR_ASSERT
            | R::CUDA_ERROR_HARDWARE_STACK_ERROR
            | R::CUDA_ERROR_ILLEGAL_INSTRUCTION
            | R::CUDA_ERROR_MISALIGNED_ADDRESS
            | R::CUDA_ERROR_INVALID_ADDRESS_SPACE
            | R::CUDA_ERROR_INVALID_PC
            | R::CUDA_ERROR_LAUNCH_FAILED
            | R::CUDA_ERROR_ECC_UNCORRECTABLE
    )
}

/// An [`DeviceError::UnsupportedShape`].
pub(crate) fn shape(
    name: &'static str,
    expected: impl std::fmt::Display,
    value: impl std::fmt::Display,
) -> DeviceError {
    DeviceError::UnsupportedShape {
        name,
        expected: expected.to_string(),
        value: value.to_string(),
    }
}
