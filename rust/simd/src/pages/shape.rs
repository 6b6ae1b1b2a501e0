//! What a page looks like.

use std::ops::Range;

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

impl Format {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::F32, Self::Bf16, Self::F16, Self::Int8, Self::Fp8];

    /// Bytes of a number.
    pub const fn number_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 | Self::F16 => 2,
            Self::Int8 | Self::Fp8 => 1,
        }
    }

    /// Whether a page has scales.
    pub const fn is_quantized(self) -> bool {
        matches!(self, Self::Int8 | Self::Fp8)
    }

    /// Its name: `float32`, `bfloat16`, `float16`, `int8` or `float8_e4m3`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::Bf16 => "bfloat16",
            Self::F16 => "float16",
            Self::Int8 => "int8",
            Self::Fp8 => "float8_e4m3",
        }
    }

    /// The one that is called `name`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }
}

/// One of the two halves of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The first one.
    Keys,
    /// The second one.
    Values,
}

/// The geometry of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Key/value heads.
    pub kv_heads: usize,
    /// Numbers of one head's key or value, a multiple of 8.
    pub head_dim: usize,
    /// Tokens of a block.
    pub block_size: usize,
    /// What a number is.
    pub format: Format,
}

impl Shape {
    /// Bytes of a page, a multiple of 64; `None` if they cannot be counted, there are none, or `head_dim` is not a
    /// multiple of 8.
    pub fn page_bytes(&self) -> Option<usize> {
        if !self.head_dim.is_multiple_of(8) {
            return None;
        }
        let rows = self.kv_heads.checked_mul(self.block_size)?.checked_mul(2)?;
        let numbers = rows
            .checked_mul(self.head_dim)?
            .checked_mul(self.format.number_bytes())?;
        let scales = if self.format.is_quantized() {
            rows.checked_mul(size_of::<f32>())?
        } else {
            0
        };
        let bytes = numbers.checked_add(scales)?.checked_next_multiple_of(64)?;
        (numbers > 0).then_some(bytes)
    }

    /// Numbers of all heads of a token, keys or values.
    pub fn width(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// Which bytes of a page are a head's `[block_size][head_dim]` numbers.
    #[inline]
    pub fn numbers(&self, part: Part, head: usize) -> Range<usize> {
        let bytes = self.block_size * self.head_dim * self.format.number_bytes();
        let first = (part as usize * self.kv_heads + head) * bytes;
        first..first + bytes
    }

    /// Which bytes of a page are a head's `[block_size]` scales; none where the format has none.
    #[inline]
    pub fn scales(&self, part: Part, head: usize) -> Range<usize> {
        if !self.format.is_quantized() {
            return 0..0;
        }
        let numbers = 2 * self.width() * self.block_size * self.format.number_bytes();
        let bytes = self.block_size * size_of::<f32>();
        let first = numbers + (part as usize * self.kv_heads + head) * bytes;
        first..first + bytes
    }
}
