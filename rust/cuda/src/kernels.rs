//! The kernels, each behind a check that what it touches is there.

use cudarc::driver::sys::CUfunction;

use crate::error::shape;
use crate::geometry::{Format, Grid, Number, Pages, Split, row_tiles, split};
use crate::modules::{ATTEND, Image, PAGES};
use crate::params::{AttendParams, CopyParams, MergeParams, SwapParams, WriteParams};
use crate::{Device, DeviceError, Stream, View};

/// Keys and values of new tokens, and where they go.
#[derive(Debug, Clone)]
pub struct Write<'a> {
    /// `[tokens][kv_heads][head_dim]`, token `t` at `t * token_stride`.
    pub keys: &'a View,
    /// The same.
    pub values: &'a View,
    /// What their numbers are.
    pub number: Number,
    /// Tokens.
    pub tokens: usize,
    /// Numbers from one token to the next, `kv_heads * head_dim` or more.
    pub token_stride: usize,
    /// i64 `[tokens]`: block times block size plus offset; what is negative or behind the last slot is skipped.
    pub slots: &'a View,
}

/// What queries see: sequences of blocks. Several parts (a prefix that many share, what each has behind it) are seen as if
/// they were one, and a shared part is read once for all of its queries.
#[derive(Debug, Clone)]
pub struct Part<'a> {
    /// i32 `[sequences][table_stride]`.
    pub block_table: &'a View,
    /// Blocks from one sequence to the next.
    pub table_stride: usize,
    /// Sequences.
    pub sequences: usize,
    /// i32 `[sequences]`: tokens in the table.
    pub lengths: &'a View,
    /// i32 `[sequences]`: the first token to be seen; none: all.
    pub starts: Option<&'a View>,
    /// i32 `[sequences + 1]`: where the queries of each begin; none: one query each, in order.
    pub query_start: Option<&'a View>,
    /// Queries of the sequence that has most.
    pub most_queries: usize,
    /// Tokens to be seen of the longest sequence. Too small a number makes it slow, not wrong.
    pub longest: usize,
    /// Tokens to be seen of all sequences.
    pub tokens: usize,
    /// Query `i` of `n` sees `length - n + 1 + i` tokens, not all of them.
    pub causal: bool,
}

/// Attention of some queries.
#[derive(Debug, Clone)]
pub struct Attend<'a> {
    /// `[queries][kv_heads * group][head_dim]`.
    pub query: &'a View,
    /// The same shape, written.
    pub out: &'a View,
    /// f32 `[queries][kv_heads * group]`, written: natural logarithms of the sums of exponentials, -inf where nothing is
    /// seen.
    pub logarithms: Option<&'a View>,
    /// What their numbers are.
    pub number: Number,
    /// Queries.
    pub queries: usize,
    /// Query heads of each key/value head.
    pub group: usize,
    /// What they see.
    pub parts: &'a [Part<'a>],
    /// What products are multiplied with, `1 / sqrt(head_dim)` mostly.
    pub scale: f32,
    /// Scores become `cap * tanh(score / cap)`.
    pub soft_cap: Option<f32>,
    /// Tokens that a query sees, itself included. For one part only.
    pub window: Option<usize>,
}

/// Writes keys and values into the pages of one layer, quantised where they are. Does not wait.
///
/// # Errors
/// [`DeviceError::UnsupportedShape`] for arrays that are too short; a lost device.
pub fn write(
    stream: &Stream,
    pages: &Pages,
    layer: &View,
    of: &Write<'_>,
) -> Result<(), DeviceError> {
    if of.tokens == 0 {
        return Ok(());
    }
    let row = pages.kv_heads() * pages.head_dim();
    if of.token_stride < row {
        return Err(shape(
            "token_stride",
            format!("{row} or more"),
            of.token_stride,
        ));
    }
    let size = of.number.bytes();
    let numbers = (of.tokens - 1)
        .checked_mul(of.token_stride)
        .and_then(|last| last.checked_add(row)?.checked_mul(size));
    let tasks = of.tokens.saturating_mul(2 * pages.kv_heads());
    int("tokens times heads", tasks)?;
    let params = WriteParams {
        keys: of.keys.checked("keys", numbers, size as u64)?,
        values: of.values.checked("values", numbers, size as u64)?,
        slots: of.slots.checked("slots", of.tokens.checked_mul(8), 8)?,
        pages: layer.checked("a layer", Some(pages.layer_bytes()), 16)?,
        page_bytes: pages.page_bytes() as i64,
        token_stride: of.token_stride as i64,
        slots_total: (pages.blocks() * pages.block_size()) as i64,
        tokens: int("tokens", of.tokens)?,
        kv_heads: int("kv_heads", pages.kv_heads())?,
        head_dim: int("head_dim", pages.head_dim())?,
        block_size: int("block_size", pages.block_size())?,
        number: of.number.code(),
        reserved: 0,
    };
    let name = format!("write_{}", pages.format().name());
    let function = find(stream.device(), &PAGES, &name)?;
    let grid = Grid::write(of.tokens, pages.kv_heads());
    // SAFETY: `write_*` takes a WriteParams; the views have what it reads and writes, slots behind the last are skipped.
    unsafe { stream.launch(function, grid, params) }
}

/// Copies the first slots of blocks, K, V and scales of all layers: `(from, to, slots)` each. Waits.
///
/// # Errors
/// [`DeviceError::UnsupportedShape`] for a block or a number of slots that there is not; a lost device; no memory.
pub fn copy_slots(
    stream: &Stream,
    pages: &Pages,
    store: &View,
    copies: &[(u32, u32, usize)],
) -> Result<(), DeviceError> {
    if copies.is_empty() {
        return Ok(());
    }
    let mut pairs = Vec::with_capacity(copies.len() * 3);
    for (from, to, slots) in copies {
        if *slots > pages.block_size() {
            return Err(shape(
                "slots",
                format!("at most {}", pages.block_size()),
                slots,
            ));
        }
        pairs.extend([
            block(pages, *from)?,
            block(pages, *to)?,
            int("slots", *slots)?,
        ]);
    }
    let table = stream.device().allocate(size_of_val(&pairs[..]))?;
    stream.upload(&pairs, &table.view())?;
    let params = CopyParams {
        pages: store.checked("a store", Some(pages.bytes()), 16)?,
        pairs: table.address(),
        page_bytes: pages.page_bytes() as i64,
        layer_bytes: pages.layer_bytes() as i64,
        count: int("copies", copies.len())?,
        layers: int("layers", pages.layers())?,
        rows: int("kv_heads", 2 * pages.kv_heads())?,
        block_size: int("block_size", pages.block_size())?,
        row_bytes: int("head_dim", pages.head_dim() * pages.format().bytes())?,
        scaled: i32::from(pages.format().is_scaled()),
    };
    let function = find(stream.device(), &PAGES, "copy_slots")?;
    let grid = Grid::moves(copies.len(), pages.layers());
    // SAFETY: `copy_slots` takes a CopyParams; blocks and slots are the store's, as was just looked at.
    unsafe { stream.launch(function, grid, params) }?;
    stream.synchronize()
}

/// Which way blocks go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swap {
    /// From pages to `staging`.
    Gather,
    /// From `staging` to pages.
    Scatter,
}

/// Moves blocks of all layers between the store and `staging`, `[blocks][layers][page]`. `ids` is room for them, i32 on the device,
/// `blocks` what is written there. Waits for the ids to be there, not for the blocks.
///
/// # Errors
/// [`DeviceError::UnsupportedShape`] for a block that there is not; a lost device.
pub fn swap(
    stream: &Stream,
    pages: &Pages,
    store: &View,
    way: Swap,
    blocks: &[u32],
    ids: &View,
    staging: &View,
) -> Result<(), DeviceError> {
    if blocks.is_empty() {
        return Ok(());
    }
    let ids_on_host = block_ids(pages, blocks)?;
    let size = blocks.len().checked_mul(pages.block_bytes());
    let params = SwapParams {
        pages: store.checked("a store", Some(pages.bytes()), 16)?,
        staging: staging.checked("the staging area", size, 16)?,
        blocks: ids.checked("block ids", blocks.len().checked_mul(4), 4)?,
        page_bytes: pages.page_bytes() as i64,
        layer_bytes: pages.layer_bytes() as i64,
        count: int("blocks", blocks.len())?,
        layers: int("layers", pages.layers())?,
    };
    stream.upload(&ids_on_host, ids)?;
    let name = match way {
        Swap::Gather => "gather_blocks",
        Swap::Scatter => "scatter_blocks",
    };
    let function = find(stream.device(), &PAGES, name)?;
    let grid = Grid::moves(blocks.len(), pages.layers());
    // SAFETY: both take a SwapParams; the ids were just written from the ones that were looked at.
    unsafe { stream.launch(function, grid, params) }
}

impl Attend<'_> {
    /// Bytes of scratch memory that [`attend`] asks for.
    ///
    /// # Errors
    /// [`DeviceError::UnsupportedShape`] for more rows than there can be.
    pub fn scratch_bytes(&self, device: &Device, pages: &Pages) -> Result<usize, DeviceError> {
        let states = self.states(&self.plan(device, pages));
        let bytes = self.rows(pages).and_then(|rows| {
            rows.checked_mul(states)?
                .checked_mul((pages.head_dim() + 1) * 4)
        });
        bytes.ok_or_else(|| shape("queries", "fewer", self.queries))
    }

    fn rows(&self, pages: &Pages) -> Option<usize> {
        self.queries
            .checked_mul(pages.kv_heads())?
            .checked_mul(self.group)
    }

    fn plan(&self, device: &Device, pages: &Pages) -> Vec<Split> {
        let multiprocessors = device.info().multiprocessors as usize;
        self.parts
            .iter()
            .map(|part| {
                let tiles = row_tiles(part.most_queries, self.group);
                let longest = self.window.map_or(part.longest, |window| {
                    part.longest.min(window.saturating_add(part.most_queries))
                });
                let tokens = part.tokens.min(longest.saturating_mul(part.sequences));
                split(longest, tokens, pages.kv_heads() * tiles, multiprocessors)
            })
            .collect()
    }

    /// States of a row; 0 where there is one, which is written as it is.
    fn states(&self, plan: &[Split]) -> usize {
        let states = plan.iter().map(|split| split.splits).sum();
        if states == 1 && self.logarithms.is_none() {
            0
        } else {
            states
        }
    }

    fn check(&self) -> Result<(), DeviceError> {
        if self.group == 0 {
            return Err(shape(
                "query heads",
                "a multiple of the key/value heads",
                self.group,
            ));
        }
        if self.window == Some(0) || (self.window.is_some() && self.parts.len() > 1) {
            return Err(shape(
                "a window",
                "1 or more, and without a shared prefix",
                "another",
            ));
        }
        if !self.scale.is_finite()
            || self
                .soft_cap
                .is_some_and(|cap| !cap.is_finite() || cap <= 0.0)
        {
            return Err(shape(
                "scale and soft cap",
                "finite, the cap above 0",
                self.scale,
            ));
        }
        Ok(())
    }
}

/// Attends. Does not wait. Queries of no part are left as they are, and zeros where there is more than one part.
///
/// # Errors
/// [`DeviceError::UnsupportedShape`] for arrays that are too short or an option that means nothing; a lost device.
pub fn attend(
    stream: &Stream,
    pages: &Pages,
    layer: &View,
    scratch: &View,
    of: &Attend<'_>,
) -> Result<(), DeviceError> {
    of.check()?;
    if of.queries == 0 || of.parts.is_empty() {
        return Ok(());
    }
    let plan = of.plan(stream.device(), pages);
    let states = of.states(&plan);
    let rows = of.rows(pages).unwrap_or(usize::MAX);
    let numbers = rows.checked_mul(pages.head_dim() * of.number.bytes());
    let size = of.number.bytes() as u64;
    let mut params = AttendParams {
        query: of.query.checked("query", numbers, size)?,
        out: of.out.checked("out", numbers, size)?,
        partial: 0,
        partial_lse: 0,
        pages: layer.checked("a layer", Some(pages.layer_bytes()), 16)?,
        block_table: 0,
        lengths: 0,
        starts: 0,
        query_start: 0,
        page_bytes: pages.page_bytes() as i64,
        kv_heads: int("kv_heads", pages.kv_heads())?,
        group: int("query heads", of.group)?,
        block_size: int("block_size", pages.block_size())?,
        table_stride: 0,
        blocks: int("blocks", pages.blocks())?,
        chunk: 0,
        splits: 0,
        states: int("states", states)?,
        first_state: 0,
        window: int("window", of.window.unwrap_or(0))?,
        causal: 0,
        number: of.number.code(),
        scale: of.scale,
        soft_cap: of.soft_cap.unwrap_or(0.0),
        soft_rate: of
            .soft_cap
            .map_or(0.0, |cap| 2.0 * std::f32::consts::LOG2_E * of.scale / cap),
        queries: int("queries", of.queries)?,
    };
    if states > 0 {
        scratch.checked(
            "scratch memory",
            Some(of.scratch_bytes(stream.device(), pages)?),
            4,
        )?;
        let weights = scratch.part(0, rows * states * 4)?;
        // A finite number below any score: a row that no part covers has no state (`UNWRITTEN` of kernels/pages.cu).
        stream.fill(&weights, 0xfe)?;
        params.partial_lse = weights.address();
        params.partial = weights.address() + weights.bytes() as u64;
    }
    for (part, split) in of.parts.iter().zip(&plan) {
        attend_part(stream, pages, of, part, *split, params)?;
        params.first_state += int("splits", split.splits)?;
    }
    if states > 0 {
        merge(stream, pages, of, &params, rows)?;
    }
    Ok(())
}

fn attend_part(
    stream: &Stream,
    pages: &Pages,
    of: &Attend<'_>,
    part: &Part<'_>,
    split: Split,
    mut params: AttendParams,
) -> Result<(), DeviceError> {
    if part.sequences == 0 || part.most_queries == 0 {
        return Ok(());
    }
    let table = part
        .sequences
        .checked_mul(part.table_stride)
        .and_then(|ids| ids.checked_mul(4));
    let numbers = |count: usize| count.checked_mul(4);
    int(
        "slots of a table",
        part.table_stride.saturating_mul(pages.block_size()),
    )?;
    params.block_table = part.block_table.checked("a block table", table, 4)?;
    params.lengths = part
        .lengths
        .checked("lengths", numbers(part.sequences), 4)?;
    if let Some(starts) = part.starts {
        params.starts = starts.checked("starts", numbers(part.sequences), 4)?;
    }
    if let Some(query_start) = part.query_start {
        params.query_start = query_start.checked("query_start", numbers(part.sequences + 1), 4)?;
    } else if part.sequences > of.queries {
        return Err(shape(
            "sequences",
            format!("at most {} queries", of.queries),
            part.sequences,
        ));
    }
    params.table_stride = int("table_stride", part.table_stride)?;
    params.chunk = int("chunk", split.chunk)?;
    params.splits = int("splits", split.splits)?;
    params.causal = i32::from(part.causal);
    let tiles = row_tiles(part.most_queries, of.group);
    let name = format!("attend_{}_{}", pages.format().name(), pages.head_dim());
    let function = find(stream.device(), attend_image(pages.format()), &name)?;
    let grid = Grid::attend(split.splits, pages.kv_heads(), tiles, part.sequences);
    // SAFETY: `attend_*` takes an AttendParams; the views have what it touches, and it follows no block that is not the
    // store's, no length beyond the table and no query beyond `queries`, whatever the arrays say.
    unsafe { stream.launch(function, grid, params) }
}

fn merge(
    stream: &Stream,
    pages: &Pages,
    of: &Attend<'_>,
    attended: &AttendParams,
    rows: usize,
) -> Result<(), DeviceError> {
    let params = MergeParams {
        partial: attended.partial,
        partial_lse: attended.partial_lse,
        out: attended.out,
        logarithms: match of.logarithms {
            Some(view) => view.checked("logarithms", rows.checked_mul(4), 4)?,
            None => 0,
        },
        rows: int("rows", rows)?,
        states: attended.states,
        head_dim: int("head_dim", pages.head_dim())?,
        number: of.number.code(),
    };
    let function = find(stream.device(), &PAGES, "merge_states")?;
    // SAFETY: `merge_states` takes a MergeParams; `attend` looked at the sizes of what it touches.
    unsafe { stream.launch(function, Grid::merge(rows), params) }
}

fn attend_image(format: Format) -> &'static Image {
    let [f32, bf16, f16, int8, fp8] = &ATTEND;
    match format {
        Format::F32 => f32,
        Format::Bf16 => bf16,
        Format::F16 => f16,
        Format::Int8 => int8,
        Format::Fp8 => fp8,
    }
}

fn find(device: &Device, image: &'static Image, name: &str) -> Result<CUfunction, DeviceError> {
    device
        .0
        .modules
        .function(&device.0, image, name, device.info().capability)
}

fn block_ids(pages: &Pages, blocks: &[u32]) -> Result<Vec<i32>, DeviceError> {
    blocks.iter().map(|id| block(pages, *id)).collect()
}

fn block(pages: &Pages, id: u32) -> Result<i32, DeviceError> {
    if id as usize >= pages.blocks() {
        return Err(shape("a block", format!("below {}", pages.blocks()), id));
    }
    int("a block", id as usize)
}

fn int(name: &'static str, value: usize) -> Result<i32, DeviceError> {
    i32::try_from(value).map_err(|_| shape(name, "below 2147483648", value))
}
