//! Where pages live. The same page layout on every device, so that a block moves between tiers as plain bytes.

use crate::Error;

/// What one number of a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// 32-bit floats.
    F32,
    /// bfloat16.
    Bf16,
    /// IEEE half precision.
    F16,
    /// Signed bytes with one f32 scale per token and head, in the same page.
    Int8,
    /// FP8 E4M3 (no infinities, largest 448) with one f32 scale per token and head, in the same page.
    Fp8,
}

/// The geometry of a store.
///
/// A page is one block of one layer: `[2 (K, V)][kv_heads][block_size][head_dim]` numbers of `format`, then, for the
/// quantised formats, `[2][kv_heads][block_size]` f32 scales, padded to a multiple of 64 bytes. A layer is
/// `[blocks][page]`, a store `[layers]` of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Layout {
    /// Layers of the model that share the block table.
    pub layers: usize,
    /// Key/value heads (not query heads).
    pub kv_heads: usize,
    /// Numbers of one head's key or value.
    pub head_dim: usize,
    /// Tokens of a block.
    pub block_size: usize,
    /// Blocks of the pool.
    pub blocks: usize,
    /// What a number is.
    pub format: Format,
}

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
