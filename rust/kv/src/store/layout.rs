//! How large things are, without an overflow.

use inferail_simd::pages::Shape;

use super::Format;
use crate::Error;

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

/// Bytes of a layout's parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// One block of one layer.
    pub page: usize,
    /// One block of all layers.
    pub block: usize,
    /// All blocks of one layer.
    pub layer: usize,
    /// Everything.
    pub store: usize,
}

impl Layout {
    /// How large its parts are.
    ///
    /// # Errors
    /// A count that is 0, a head that is not a multiple of 8 numbers, more blocks or slots than a table can name, or more
    /// bytes than there are addresses.
    pub fn sizes(&self) -> Result<Sizes, Error> {
        for (name, count) in [
            ("layers", self.layers),
            ("kv_heads", self.kv_heads),
            ("block_size", self.block_size),
            ("blocks", self.blocks),
        ] {
            if count == 0 {
                return Err(Error::Parameter {
                    name,
                    expected: "at least 1",
                    value: count.to_string(),
                });
            }
        }
        if self.head_dim == 0 || !self.head_dim.is_multiple_of(8) {
            return Err(Error::Parameter {
                name: "head_dim",
                expected: "a multiple of 8",
                value: self.head_dim.to_string(),
            });
        }
        // Block tables are int32, slots int64.
        if i32::try_from(self.blocks).is_err() {
            return Err(Error::Parameter {
                name: "blocks",
                expected: "at most 2147483647",
                value: self.blocks.to_string(),
            });
        }
        let sizes = self.shape().page_bytes().and_then(|page| {
            let block = page.checked_mul(self.layers)?;
            let layer = page.checked_mul(self.blocks)?;
            let store = layer.checked_mul(self.layers)?;
            // No allocation is larger.
            isize::try_from(store).ok()?;
            Some(Sizes {
                page,
                block,
                layer,
                store,
            })
        });
        sizes.ok_or(Error::Memory {
            needed: u64::MAX,
            available: isize::MAX as u64,
        })
    }

    /// Whether `table` has room for `tokens`, in blocks of this store.
    pub(super) fn check_table(&self, table: &[u32], tokens: usize) -> Result<(), Error> {
        let blocks = tokens.div_ceil(self.block_size);
        let Some(used) = table.get(..blocks) else {
            return Err(Error::Length {
                name: "block_table",
                expected: blocks,
                length: table.len(),
            });
        };
        used.iter().try_for_each(|block| self.check_block(*block))
    }

    /// Whether the store has `block`.
    pub(super) fn check_block(&self, block: u32) -> Result<(), Error> {
        if block as usize >= self.blocks {
            return Err(Error::Block {
                block,
                blocks: self.blocks,
            });
        }
        Ok(())
    }

    /// One page of it.
    pub fn shape(&self) -> Shape {
        Shape {
            kv_heads: self.kv_heads,
            head_dim: self.head_dim,
            block_size: self.block_size,
            format: self.format,
        }
    }
}
