//! Shapes: which the kernels are made for, and how a launch is cut into blocks of threads. Nothing here needs a device.

use crate::DeviceError;
use crate::error::shape;

/// Head dimensions that attention is compiled for.
pub const HEAD_DIMS: [usize; 4] = [64, 96, 128, 256];

/// Tokens of a warp's tile: a block has to be made of whole ones.
pub const TILE: usize = 16;
/// Query rows of a block of threads, `ROWS` of kernels/attend.cuh.
const ROWS: usize = 8;
/// Tokens that a block of threads takes in one turn: a tile for each of four warps.
const TURN: usize = 4 * TILE;
/// Below this many tokens a split costs more than it brings: queries are staged and four states are merged for each.
const LEAST_SPLIT: usize = 256;
/// States of a row that are merged at most.
const MOST_SPLITS: usize = 64;
/// Blocks of threads of one multiprocessor, as `KERNEL(128, 3)` says.
const RESIDENT: usize = 3;
/// How often the device is filled: with one wave a long sequence's last split is waited for by all.
const WAVES: usize = 2;

/// What a number of a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// 32-bit floats.
    F32,
    /// bfloat16.
    Bf16,
    /// IEEE half precision.
    F16,
    /// Signed bytes, one f32 scale per token and head.
    Int8,
    /// FP8 E4M3, one f32 scale per token and head.
    Fp8,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::F32, Self::Bf16, Self::F16, Self::Int8, Self::Fp8];

    /// As kernels are named.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
            Self::Int8 => "int8",
            Self::Fp8 => "fp8",
        }
    }

    /// Bytes of a number.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 | Self::F16 => 2,
            Self::Int8 | Self::Fp8 => 1,
        }
    }

    /// Whether pages carry scales.
    pub fn is_scaled(self) -> bool {
        self.bytes() == 1
    }
}

/// What a number of an engine's arrays is: new keys and values, queries, outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Number {
    /// 32-bit floats.
    F32,
    /// bfloat16.
    Bf16,
    /// IEEE half precision.
    F16,
}

impl Number {
    /// Bytes of one.
    pub fn bytes(self) -> usize {
        if self == Self::F32 { 4 } else { 2 }
    }

    pub(crate) fn code(self) -> i32 {
        match self {
            Self::F32 => 0,
            Self::Bf16 => 1,
            Self::F16 => 2,
        }
    }
}

/// The geometry of a store on a device. A page is `[2 (K, V)][kv_heads][block_size][head_dim]` numbers and, where scaled,
/// `[2][kv_heads][block_size]` f32, padded to 64 bytes; a layer `[blocks][page]`; a store `[layers]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pages {
    layers: usize,
    kv_heads: usize,
    head_dim: usize,
    block_size: usize,
    blocks: usize,
    format: Format,
}

impl Pages {
    /// A geometry that the kernels are made for.
    ///
    /// # Errors
    /// [`DeviceError::UnsupportedShape`]: a head dimension other than 64, 96, 128 and 256, a block that is not a multiple
    /// of 16 tokens, a number that is 0 or too large.
    pub fn new(
        layers: usize,
        kv_heads: usize,
        head_dim: usize,
        block_size: usize,
        blocks: usize,
        format: Format,
    ) -> Result<Self, DeviceError> {
        if !HEAD_DIMS.contains(&head_dim) {
            return Err(shape(
                "head_dim",
                "64, 96, 128 or 256 on a CUDA device",
                head_dim,
            ));
        }
        if block_size == 0 || !block_size.is_multiple_of(TILE) {
            return Err(shape(
                "block_size",
                "a multiple of 16 on a CUDA device",
                block_size,
            ));
        }
        let counts = [
            ("layers", layers, 65_535),
            ("kv_heads", kv_heads, 4096),
            ("block_size", block_size, 4096),
            ("blocks", blocks, i32::MAX as usize),
        ];
        for (name, count, most) in counts {
            if count == 0 || count > most {
                return Err(shape(name, format!("between 1 and {most}"), count));
            }
        }
        let pages = Self {
            layers,
            kv_heads,
            head_dim,
            block_size,
            blocks,
            format,
        };
        if pages.page_bytes() > i32::MAX as usize || blocks * block_size > i32::MAX as usize {
            return Err(shape(
                "a page, and the slots of all blocks",
                "below 2 GiB and 2147483647",
                format!(
                    "{} bytes, {} slots",
                    pages.page_bytes(),
                    blocks * block_size
                ),
            ));
        }
        if pages.layer_bytes().checked_mul(layers).is_none() {
            return Err(shape("a store", "smaller than an address space", layers));
        }
        Ok(pages)
    }

    /// Layers of the model.
    pub fn layers(&self) -> usize {
        self.layers
    }

    /// Key/value heads.
    pub fn kv_heads(&self) -> usize {
        self.kv_heads
    }

    /// Numbers of one head's key or value.
    pub fn head_dim(&self) -> usize {
        self.head_dim
    }

    /// Tokens of a block.
    pub fn block_size(&self) -> usize {
        self.block_size
    }

    /// Blocks of the pool.
    pub fn blocks(&self) -> usize {
        self.blocks
    }

    /// What a number is.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Bytes of one block of one layer.
    pub fn page_bytes(&self) -> usize {
        let rows = 2 * self.kv_heads * self.block_size;
        let scale = if self.format.is_scaled() { 4 } else { 0 };
        (rows * (self.head_dim * self.format.bytes() + scale)).next_multiple_of(64)
    }

    /// Bytes of all blocks of one layer.
    pub fn layer_bytes(&self) -> usize {
        self.blocks * self.page_bytes()
    }

    /// Bytes of one block of all layers.
    pub fn block_bytes(&self) -> usize {
        self.layers * self.page_bytes()
    }

    /// Bytes of the store.
    pub fn bytes(&self) -> usize {
        self.layers * self.layer_bytes()
    }
}

/// How a launch is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Blocks of threads along x, y and z.
    pub blocks: (u32, u32, u32),
    /// Threads of a block.
    pub threads: u32,
}

impl Grid {
    /// For `write_*`: a warp for each head's key or value of each token.
    pub fn write(tokens: usize, kv_heads: usize) -> Self {
        Self::of((tokens * kv_heads * 2).div_ceil(4), 1, 1, 128)
    }

    /// For `copy_slots`, `gather_blocks` and `scatter_blocks`: a block for each block and layer.
    pub fn moves(count: usize, layers: usize) -> Self {
        Self::of(count, layers, 1, 256)
    }

    /// For `merge_states`: a warp for each row.
    pub fn merge(rows: usize) -> Self {
        Self::of(rows.div_ceil(4), 1, 1, 128)
    }

    /// For `attend_*`: a block for each split, 8 query rows of a key/value head, and sequence.
    pub fn attend(splits: usize, kv_heads: usize, row_tiles: usize, sequences: usize) -> Self {
        Self::of(splits, kv_heads * row_tiles, sequences, 128)
    }

    fn of(x: usize, y: usize, z: usize, threads: u32) -> Self {
        // What does not fit is more than a launch may have, and refused there.
        let fit = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            blocks: (fit(x), fit(y), fit(z)),
            threads,
        }
    }
}

/// How the tokens of sequences are split over blocks of threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split {
    /// Tokens of a split.
    pub chunk: usize,
    /// Splits of the longest sequence.
    pub splits: usize,
}

/// Blocks of 8 rows that `queries` of one sequence need, `group` rows each.
pub fn row_tiles(queries: usize, group: usize) -> usize {
    (queries * group).div_ceil(ROWS)
}

/// Cuts sequences, of which the longest has `longest` tokens to be seen and all together `tokens`, so that `heads` times
/// as many pieces fill the device twice.
pub fn split(longest: usize, tokens: usize, heads: usize, multiprocessors: usize) -> Split {
    let wanted = (multiprocessors * RESIDENT * WAVES).max(1);
    let even = (tokens * heads).div_ceil(wanted);
    let least = longest.div_ceil(MOST_SPLITS);
    let chunk = even.max(least).max(LEAST_SPLIT).next_multiple_of(TURN);
    Split {
        chunk,
        splits: longest.div_ceil(chunk).max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_is_padded_and_carries_its_scales() {
        let pages = Pages::new(2, 3, 96, 16, 5, Format::Int8).unwrap();

        assert_eq!(
            pages.page_bytes(),
            (2 * 3 * 16 * 96 + 2 * 3 * 16 * 4_usize).next_multiple_of(64)
        );
        assert_eq!(pages.bytes(), 2 * 5 * pages.page_bytes());
    }

    #[test]
    fn geometry_refuses_what_no_kernel_is_made_for() {
        for (dim, block, heads) in [
            (80, 16, 1),
            (128, 8, 1),
            (128, 0, 1),
            (128, 24, 1),
            (128, 16, 0),
        ] {
            let refused = Pages::new(1, heads, dim, block, 1, Format::F32);

            assert!(
                matches!(refused, Err(DeviceError::UnsupportedShape { .. })),
                "{dim} {block} {heads}"
            );
        }
        assert!(Pages::new(1, 8, 128, 16, usize::MAX, Format::F32).is_err());
        assert!(Pages::new(1, 4096, 256, 4096, 1, Format::F32).is_err());
    }

    #[test]
    fn split_covers_the_longest_sequence_in_whole_turns() {
        for longest in [0, 1, 255, 256, 257, 4096, 131_072, 10_000_000] {
            for (sequences, heads) in [(1, 1), (64, 8), (1000, 32)] {
                let cut = split(longest, longest * sequences, heads, 132);

                assert!(cut.chunk * cut.splits >= longest);
                assert!(cut.chunk.is_multiple_of(64) && cut.splits >= 1 && cut.splits <= 64);
            }
        }
    }

    #[test]
    fn split_fills_the_device_when_there_is_enough() {
        let cut = split(8192, 8 * 8192, 8, 132);

        let blocks = cut.splits * 8 * 8;

        assert!((132 * 3..=132 * 3 * 3).contains(&blocks), "{blocks}");
    }
}
