//! A CUDA device, if there is one: nothing here touches cudarc before our own probe of the driver has said yes.
//!
//! cudarc panics where the driver's library, or a function of it, is missing. [`probe`] therefore opens the same library
//! first and looks up every function that this crate calls; all else stands behind a [`Device`], which only a probe that
//! went well can make. What the device refuses afterwards is a [`DeviceError`].
//!
//! Kernels are compiled ahead (`scripts/build_kernels.py`): no compiler and no toolkit is asked for, neither where this
//! crate is built nor where it runs. What is unsafe here, and why it holds, is in SAFETY.md.

pub mod device;
pub mod error;
pub mod geometry;
pub mod kernels;
pub mod memory;
mod modules;
mod params;
pub mod probe;
pub mod stream;

pub use device::Device;
pub use error::DeviceError;
pub use geometry::{Format, Number, Pages};
pub use kernels::{Attend, Part, Swap, Write};
pub use memory::{Buffer, Pinned, View};
pub use probe::{DeviceInfo, probe};
pub use stream::{Event, Stream};
