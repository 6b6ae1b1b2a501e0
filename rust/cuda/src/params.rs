//! What kernels are given: the twins of `kernels/params.h`, field by field. `tests/driver.rs` compares their sizes.

/// A struct that a kernel takes by value.
///
/// # Safety
/// The type must be laid out as the kernel's own, without padding.
pub(crate) unsafe trait Params: Copy {}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct WriteParams {
    pub(crate) keys: u64,
    pub(crate) values: u64,
    pub(crate) slots: u64,
    pub(crate) pages: u64,
    pub(crate) page_bytes: i64,
    pub(crate) token_stride: i64,
    pub(crate) slots_total: i64,
    pub(crate) tokens: i32,
    pub(crate) kv_heads: i32,
    pub(crate) head_dim: i32,
    pub(crate) block_size: i32,
    pub(crate) number: i32,
    pub(crate) reserved: i32,
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct CopyParams {
    pub(crate) pages: u64,
    pub(crate) pairs: u64,
    pub(crate) page_bytes: i64,
    pub(crate) layer_bytes: i64,
    pub(crate) count: i32,
    pub(crate) layers: i32,
    pub(crate) rows: i32,
    pub(crate) block_size: i32,
    pub(crate) row_bytes: i32,
    pub(crate) scaled: i32,
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct SwapParams {
    pub(crate) pages: u64,
    pub(crate) staging: u64,
    pub(crate) blocks: u64,
    pub(crate) page_bytes: i64,
    pub(crate) layer_bytes: i64,
    pub(crate) count: i32,
    pub(crate) layers: i32,
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct AttendParams {
    pub(crate) query: u64,
    pub(crate) out: u64,
    pub(crate) partial: u64,
    pub(crate) partial_lse: u64,
    pub(crate) pages: u64,
    pub(crate) block_table: u64,
    pub(crate) lengths: u64,
    pub(crate) starts: u64,
    pub(crate) query_start: u64,
    pub(crate) page_bytes: i64,
    pub(crate) kv_heads: i32,
    pub(crate) group: i32,
    pub(crate) block_size: i32,
    pub(crate) table_stride: i32,
    pub(crate) blocks: i32,
    pub(crate) chunk: i32,
    pub(crate) splits: i32,
    pub(crate) states: i32,
    pub(crate) first_state: i32,
    pub(crate) window: i32,
    pub(crate) causal: i32,
    pub(crate) number: i32,
    pub(crate) scale: f32,
    pub(crate) soft_cap: f32,
    pub(crate) soft_rate: f32,
    pub(crate) queries: i32,
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct MergeParams {
    pub(crate) partial: u64,
    pub(crate) partial_lse: u64,
    pub(crate) out: u64,
    pub(crate) logarithms: u64,
    pub(crate) rows: i32,
    pub(crate) states: i32,
    pub(crate) head_dim: i32,
    pub(crate) number: i32,
}

// SAFETY: as in kernels/params.h; 7 times 8 and 6 times 4 bytes.
unsafe impl Params for WriteParams {}
// SAFETY: as in kernels/params.h; 4 times 8 and 6 times 4 bytes.
unsafe impl Params for CopyParams {}
// SAFETY: as in kernels/params.h; 5 times 8 and 2 times 4 bytes.
unsafe impl Params for SwapParams {}
// SAFETY: as in kernels/params.h; 10 times 8 and 16 times 4 bytes.
unsafe impl Params for AttendParams {}
// SAFETY: as in kernels/params.h; 4 times 8 and 4 times 4 bytes.
unsafe impl Params for MergeParams {}

const _: () = {
    assert!(size_of::<WriteParams>() == 7 * 8 + 6 * 4);
    assert!(size_of::<CopyParams>() == 4 * 8 + 6 * 4);
    assert!(size_of::<SwapParams>() == 5 * 8 + 2 * 4);
    assert!(size_of::<AttendParams>() == 10 * 8 + 16 * 4);
    assert!(size_of::<MergeParams>() == 4 * 8 + 4 * 4);
};
