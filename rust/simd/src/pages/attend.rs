//! Attention over pages.
//!
//! Sixteen tokens of a head at a time: their scores for up to four queries, the weights, and the weighted values. Up to four
//! queries share each number that is loaded, and while a head's sixteen tokens are worked on, those of the next block are
//! fetched: the processor does not foresee where a block table leads.

use std::marker::PhantomData;
use std::ops::Range;

use bytemuck::Zeroable;

use super::number::Number;
use super::{Part, Partials, Shape};
use crate::logits::{Lanes, Pass, WIDTH, exponential};
use crate::prefetch;

/// Queries that are worked on side by side.
const TILE: usize = 4;

const CACHE_LINE: usize = 64;

/// Where a sequence's keys and values of one head lie.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// What a page looks like.
    pub shape: Shape,
    /// All pages of the layer.
    pub layer: &'a [u8],
    /// The blocks: token `t` is token `t % block_size` of block `table[t / block_size]`.
    pub table: &'a [u32],
    /// Which head.
    pub kv_head: usize,
}

pub(super) struct Attend<'a, N> {
    partials: &'a mut Partials,
    context: Context<'a>,
    /// The query of the first range.
    first: usize,
    ranges: &'a [Range<usize>],
    number: PhantomData<N>,
}

/// At most sixteen tokens that lie in one page.
struct Chunk<'a, N: Number> {
    keys: &'a [N::Bits],
    values: &'a [N::Bits],
    key_scales: &'a [f32],
    value_scales: &'a [f32],
    head_dim: usize,
}

impl<N: Number> Clone for Chunk<'_, N> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<N: Number> Copy for Chunk<'_, N> {}

impl<'a, N: Number> Chunk<'a, N> {
    #[inline(always)]
    fn of(context: &Context<'a>, page_bytes: usize, tokens: Range<usize>) -> Self {
        let shape = context.shape;
        let (block, first) = (
            tokens.start / shape.block_size,
            tokens.start % shape.block_size,
        );
        let block = context.table[block] as usize;
        let page = &context.layer[block * page_bytes..][..page_bytes];
        let chunk = Self {
            keys: bytemuck::cast_slice(&page[shape.numbers(Part::Keys, context.kv_head)]),
            values: bytemuck::cast_slice(&page[shape.numbers(Part::Values, context.kv_head)]),
            key_scales: bytemuck::cast_slice(&page[shape.scales(Part::Keys, context.kv_head)]),
            value_scales: bytemuck::cast_slice(&page[shape.scales(Part::Values, context.kv_head)]),
            head_dim: shape.head_dim,
        };
        chunk.part(first..first + tokens.len())
    }

    /// Some of the tokens, counted from the first one.
    #[inline(always)]
    fn part(self, tokens: Range<usize>) -> Self {
        let numbers = tokens.start * self.head_dim..tokens.end * self.head_dim;
        let scales = |scales: &'a [f32]| {
            if N::QUANTIZED {
                &scales[tokens.clone()]
            } else {
                &[]
            }
        };
        Self {
            keys: &self.keys[numbers.clone()],
            values: &self.values[numbers],
            key_scales: scales(self.key_scales),
            value_scales: scales(self.value_scales),
            head_dim: self.head_dim,
        }
    }

    #[inline(always)]
    fn len(&self) -> usize {
        self.keys.len() / self.head_dim
    }
}

/// What will be read next.
#[derive(Debug, Default, Clone, Copy)]
struct Next<'a> {
    keys: &'a [u8],
    values: &'a [u8],
}

impl<'a, N: Number> Attend<'a, N> {
    #[inline(always)]
    pub(super) fn new(
        partials: &'a mut Partials,
        context: Context<'a>,
        first: usize,
        ranges: &'a [Range<usize>],
    ) -> Self {
        Self {
            partials,
            context,
            first,
            ranges,
            number: PhantomData,
        }
    }

    /// Where the chunk that begins at `first` ends.
    #[inline(always)]
    fn end(&self, first: usize, last: usize) -> usize {
        let slot = first % self.context.shape.block_size;
        let end = (slot - slot % WIDTH + WIDTH).min(self.context.shape.block_size);
        last.min(first - slot + end)
    }

    #[inline(always)]
    fn chunk<L: Lanes>(
        &mut self,
        lanes: L,
        tokens: Range<usize>,
        chunk: Chunk<'_, N>,
        next: Next<'_>,
    ) {
        let mut next = next;
        let mut first = 0;
        while first < self.ranges.len() {
            let count = (self.ranges.len() - first).min(TILE);
            let seen = |query: usize| {
                let range = &self.ranges[first + query];
                let start = range.start.clamp(tokens.start, tokens.end);
                start - tokens.start..range.end.clamp(start, tokens.end) - tokens.start
            };
            let common = seen(0);
            let query = self.first + first;
            if (1..count).all(|query| seen(query) == common) {
                if !common.is_empty() {
                    let chunk = chunk.part(common);
                    match count {
                        1 => tile::<L, N, 1>(lanes, self.partials, query, chunk, next),
                        2 => tile::<L, N, 2>(lanes, self.partials, query, chunk, next),
                        3 => tile::<L, N, 3>(lanes, self.partials, query, chunk, next),
                        _ => tile::<L, N, 4>(lanes, self.partials, query, chunk, next),
                    }
                    next = Next::default();
                }
            } else {
                // Where queries end within these tokens each is for itself, so that none of them touches, not even with a
                // weight of 0, what it may not see.
                for at in 0..count {
                    let tokens = seen(at);
                    if !tokens.is_empty() {
                        let chunk = chunk.part(tokens);
                        tile::<L, N, 1>(lanes, self.partials, query + at, chunk, next);
                    }
                }
            }
            first += count;
        }
    }
}

impl<N: Number> Pass for Attend<'_, N> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) {
        let ranges = self.ranges.iter().filter(|range| !range.is_empty());
        let Some(first) = ranges.clone().map(|range| range.start).min() else {
            return;
        };
        let last = ranges.map(|range| range.end).max().unwrap_or(first);
        let Some(page_bytes) = self.context.shape.page_bytes() else {
            return;
        };
        let mut tokens = first..self.end(first, last);
        let mut chunk = Chunk::<N>::of(&self.context, page_bytes, tokens.clone());
        loop {
            if tokens.end == last {
                self.chunk(lanes, tokens, chunk, Next::default());
                return;
            }
            let next_tokens = tokens.end..self.end(tokens.end, last);
            let next = Chunk::<N>::of(&self.context, page_bytes, next_tokens.clone());
            let bytes = Next {
                keys: bytemuck::cast_slice(next.keys),
                values: bytemuck::cast_slice(next.values),
            };
            self.chunk(lanes, tokens, chunk, bytes);
            (tokens, chunk) = (next_tokens, next);
        }
    }
}

/// Adds what `R` queries from `first` on get from the tokens of a chunk.
#[inline(always)]
fn tile<L: Lanes, N: Number, const R: usize>(
    lanes: L,
    partials: &mut Partials,
    first: usize,
    chunk: Chunk<'_, N>,
    next: Next<'_>,
) {
    let lines = partials.lines;
    let queries = &partials.queries[first * lines..][..R * lines];
    let mut scores = [[0.0; WIDTH]; R];
    products::<L, N, R>(lanes, queries, chunk, next, &mut scores);
    let weights = &mut scores;
    let corrections = weigh::<L, N, R>(lanes, partials, first, chunk, weights);
    let outputs = &mut partials.outputs[first * lines..][..R * lines];
    let mut line = 0;
    while line < chunk.head_dim / WIDTH {
        let left = chunk.head_dim / WIDTH - line;
        line += if L::WIDE && left >= 4 {
            add_values::<L, N, R, 4>(lanes, outputs, line, chunk, next, weights, &corrections)
        } else if L::WIDE && left >= 2 {
            add_values::<L, N, R, 2>(lanes, outputs, line, chunk, next, weights, &corrections)
        } else {
            add_values::<L, N, R, 1>(lanes, outputs, line, chunk, next, weights, &corrections)
        };
    }
    if line < lines {
        add_values::<L, N, R, 1>(lanes, outputs, line, chunk, next, weights, &corrections);
    }
}

/// Sixteen numbers of a row, or the eight that are left and zeros.
#[inline(always)]
fn line<L: Lanes, N: Number>(lanes: L, row: &[N::Bits], line: usize) -> L::F {
    let numbers = &row[line * WIDTH..];
    if let Some(numbers) = numbers.first_chunk() {
        return N::load(lanes, numbers);
    }
    let mut padded = [N::Bits::zeroed(); WIDTH];
    padded[..numbers.len()].copy_from_slice(numbers);
    N::load(lanes, &padded)
}

/// Products of each query with each key.
#[inline(always)]
fn products<L: Lanes, N: Number, const R: usize>(
    lanes: L,
    queries: &[[f32; WIDTH]],
    chunk: Chunk<'_, N>,
    next: Next<'_>,
    scores: &mut [[f32; WIDTH]; R],
) {
    let tokens = chunk.len();
    let mut token = 0;
    if L::WIDE {
        // Four tokens and four queries are sixteen sums in registers: every key is loaded once, every query once for
        // four keys.
        while token + 4 <= tokens {
            let sums = dots::<L, N, R, 4>(lanes, queries, chunk, next, token);
            for (scores, sums) in scores.iter_mut().zip(sums) {
                if let Some(out) = scores[token..].first_chunk_mut::<4>() {
                    *out = lanes.totals(sums);
                }
            }
            token += 4;
        }
    }
    while token < tokens {
        let sums = dots::<L, N, R, 1>(lanes, queries, chunk, next, token);
        let totals = lanes.totals(four(lanes, sums.map(|[sum]| sum)));
        for (scores, total) in scores.iter_mut().zip(totals) {
            scores[token] = total;
        }
        token += 1;
    }
}

/// Up to four, filled with zeros.
#[inline(always)]
fn four<L: Lanes, const R: usize>(lanes: L, values: [L::F; R]) -> [L::F; 4] {
    std::array::from_fn(|at| if at < R { values[at] } else { lanes.splat(0.0) })
}

#[inline(always)]
fn dots<L: Lanes, N: Number, const R: usize, const T: usize>(
    lanes: L,
    queries: &[[f32; WIDTH]],
    chunk: Chunk<'_, N>,
    next: Next<'_>,
    token: usize,
) -> [[L::F; T]; R] {
    let row_bytes = chunk.head_dim * size_of::<N::Bits>();
    fetch(next.keys, token * row_bytes, T * row_bytes);
    let whole = chunk.head_dim / WIDTH;
    let lines = queries.len() / R;
    let rows: [&[N::Bits]; T] =
        std::array::from_fn(|at| &chunk.keys[(token + at) * chunk.head_dim..][..chunk.head_dim]);
    let whole_rows: [&[[N::Bits; WIDTH]]; T] =
        std::array::from_fn(|at| &rows[at].as_chunks::<WIDTH>().0[..whole]);
    let whole_queries: [&[[f32; WIDTH]]; R] =
        std::array::from_fn(|at| &queries[at * lines..][..whole]);
    let mut sums = [[lanes.splat(0.0); T]; R];
    for at in 0..whole {
        let keys: [L::F; T] = std::array::from_fn(|row| N::load(lanes, &whole_rows[row][at]));
        for (sums, query) in sums.iter_mut().zip(whole_queries) {
            let query = lanes.load(&query[at]);
            for (sum, key) in sums.iter_mut().zip(keys) {
                *sum = lanes.mul_add(query, key, *sum);
            }
        }
    }
    if whole < lines {
        let keys: [L::F; T] = std::array::from_fn(|row| line::<L, N>(lanes, rows[row], whole));
        for (at, sums) in sums.iter_mut().enumerate() {
            let query = lanes.load(&queries[at * lines + whole]);
            for (sum, key) in sums.iter_mut().zip(keys) {
                *sum = lanes.mul_add(query, key, *sum);
            }
        }
    }
    sums
}

#[inline(always)]
fn fetch(bytes: &[u8], first: usize, count: usize) {
    let mut at = first;
    while at < first + count {
        prefetch(bytes, at);
        at += CACHE_LINE;
    }
}

/// Turns scores into weights, and gives what is to be multiplied to what was collected before.
#[inline(always)]
fn weigh<L: Lanes, N: Number, const R: usize>(
    lanes: L,
    partials: &mut Partials,
    first: usize,
    chunk: Chunk<'_, N>,
    scores: &mut [[f32; WIDTH]; R],
) -> [f32; WIDTH] {
    let tokens = chunk.len();
    let counted = (u32::MAX >> (32 - tokens)) as u16;
    let key_scales = scales::<L, N>(lanes, chunk.key_scales);
    let value_scales = scales::<L, N>(lanes, chunk.value_scales);
    let highest = &mut partials.highest[first..first + R];
    let sums = &mut partials.sums[first..first + R];
    let mut steps = [f32::NEG_INFINITY; WIDTH];
    let mut weights = [lanes.splat(0.0); R];
    let mut lost = [false; R];
    for at in 0..R {
        let mut values = lanes.load(&scores[at]);
        if N::QUANTIZED {
            values = lanes.mul(values, key_scales);
        }
        if let Some(cap) = partials.soft_cap {
            values = capped(lanes, values, cap);
        }
        values = lanes.keep(values, counted);
        let most = lanes.largest(values).max(highest[at]);
        steps[at] = highest[at] - most;
        highest[at] = most;
        let powers = lanes.sub(values, lanes.splat(most));
        // The exponential of what is not a number is 0, which must not pass for a weight.
        lost[at] = lanes.unordered(powers, powers) & counted != 0;
        weights[at] = exponential(lanes, powers);
    }
    let mut corrections = [0.0; WIDTH];
    lanes.store(exponential(lanes, lanes.load(&steps)), &mut corrections);
    let totals = lanes.totals(four(lanes, weights));
    for at in 0..R {
        sums[at] = sums[at].mul_add(corrections[at], totals[at]);
        if lost[at] {
            sums[at] = f32::NAN;
        }
        let mut weights = weights[at];
        if N::QUANTIZED {
            weights = lanes.mul(weights, value_scales);
        }
        lanes.store(weights, &mut scores[at]);
    }
    corrections
}

/// What each token's numbers are multiplied with.
#[inline(always)]
fn scales<L: Lanes, N: Number>(lanes: L, scales: &[f32]) -> L::F {
    if !N::QUANTIZED {
        return lanes.splat(1.0);
    }
    let mut padded = [0.0; WIDTH];
    for (out, scale) in padded.iter_mut().zip(scales) {
        *out = scale * N::UNIT;
    }
    lanes.load(&padded)
}

/// `cap · tanh(values)`.
#[inline(always)]
fn capped<L: Lanes>(lanes: L, values: L::F, cap: f32) -> L::F {
    const TWICE: f32 = -2.0 * std::f32::consts::LOG2_E;
    let (mut numbers, mut powers) = ([0.0; WIDTH], [0.0; WIDTH]);
    lanes.store(values, &mut numbers);
    for (power, number) in powers.iter_mut().zip(numbers) {
        *power = TWICE * number.abs();
    }
    lanes.store(exponential(lanes, lanes.load(&powers)), &mut powers);
    for (number, power) in numbers.iter_mut().zip(powers) {
        let tangent = (1.0 - power) / (1.0 + power);
        *number = if number.is_nan() {
            *number
        } else {
            cap * tangent.copysign(*number)
        };
    }
    lanes.load(&numbers)
}

/// Adds the weighted values of `C` lines from `first` on, and gives how many they were.
#[inline(always)]
fn add_values<L: Lanes, N: Number, const R: usize, const C: usize>(
    lanes: L,
    outputs: &mut [[f32; WIDTH]],
    first: usize,
    chunk: Chunk<'_, N>,
    next: Next<'_>,
    weights: &[[f32; WIDTH]; R],
    corrections: &[f32; WIDTH],
) -> usize {
    let lines = outputs.len() / R;
    let mut sums = [[lanes.splat(0.0); C]; R];
    for (token, row) in chunk
        .values
        .chunks_exact(chunk.head_dim)
        .enumerate()
        .take(WIDTH)
    {
        let place = (token * chunk.head_dim + first * WIDTH) * size_of::<N::Bits>();
        fetch(next.values, place, C * WIDTH * size_of::<N::Bits>());
        let values: [L::F; C] = std::array::from_fn(|at| line::<L, N>(lanes, row, first + at));
        for (sums, weights) in sums.iter_mut().zip(weights) {
            let weight = lanes.splat(weights[token]);
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum = lanes.mul_add(weight, value, *sum);
            }
        }
    }
    // Sixteen tokens are added up before they are added to what there is: the sum of many tokens has a sixteenth of the
    // roundings.
    for (at, sums) in sums.into_iter().enumerate() {
        let correction = lanes.splat(corrections[at]);
        for (out, sum) in outputs[at * lines + first..].iter_mut().zip(sums) {
            lanes.store(lanes.mul_add(lanes.load(out), correction, sum), out);
        }
    }
    C
}
