//! Where pages live. The same page layout on every device, so that a block moves between tiers as plain bytes.

use crate::Error;

mod attention;
mod cpu;
#[cfg(feature = "cuda")]
mod cuda;
mod layout;
mod memory;

pub use attention::{Attention, Batch};
pub use cpu::Cpu;
#[cfg(feature = "cuda")]
pub use cuda::Cuda;
pub use inferail_simd::pages::{Format, Part, Row, Scaling};
pub use layout::{Layout, Sizes};
pub use memory::available_memory;

/// Pages of one device, moved as bytes. Attention and writing are the devices' own methods.
///
/// Safe to call from several threads; two calls that write the same slot leave either's bytes.
pub trait Store: Send + Sync {
    /// The geometry.
    fn layout(&self) -> &Layout;

    /// Copies the first `slots` tokens of a block, K, V and scales of every layer, to the same slots of another.
    ///
    /// # Errors
    /// A block that the store has not, or a device that fails.
    fn copy_slots(&self, from: u32, to: u32, slots: usize) -> Result<(), Error>;

    /// A block's pages of all layers, `[layers][page]` bytes, into `bytes`.
    ///
    /// # Errors
    /// As above, and a length that is not a block's.
    fn read_block(&self, block: u32, bytes: &mut [u8]) -> Result<(), Error>;

    /// Pages of all layers, as `read_block` gave them, into a block.
    ///
    /// # Errors
    /// As above.
    fn write_block(&self, block: u32, bytes: &[u8]) -> Result<(), Error>;
}
