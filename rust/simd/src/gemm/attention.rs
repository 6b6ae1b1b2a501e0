//! Attention of every token of a text to every other, in both directions.

use super::functions::{exp, largest, sum};
use super::kernel::{COLUMNS, F32Line, Line};
use super::{Kernel, Level, Pass};

/// Queries, keys and values of one text.
#[derive(Debug, Clone, Copy)]
pub struct Attention<'a> {
    /// `[tokens, 3, heads, size]`: queries, keys and values of each token.
    pub projected: &'a [f32],
    /// How many heads there are.
    pub heads: usize,
    /// Numbers of a head.
    pub size: usize,
}

/// Memory that attention uses, kept from one text to the next.
#[derive(Debug, Default, Clone)]
pub struct AttentionScratch {
    keys: Vec<F32Line>,
    values: Vec<F32Line>,
    weights: Vec<f32>,
}

impl Attention<'_> {
    /// Writes what each token gets from the others, `[tokens, heads, size]`.
    ///
    /// # Panics
    ///
    /// The lengths do not fit together.
    pub fn attend(self, level: Level, scratch: &mut AttentionScratch, out: &mut [f32]) {
        let width = self.heads * self.size;
        assert!(
            width > 0 && self.projected.len() == 3 * out.len() && out.len().is_multiple_of(width),
            "{} queries, keys and values of {} heads of {} cannot be {} outputs",
            self.projected.len(),
            self.heads,
            self.size,
            out.len(),
        );
        level.run(Attend {
            attention: self,
            scratch,
            out,
        });
    }

    /// Numbers of one part (0 queries, 1 keys, 2 values) of a token.
    #[inline(always)]
    fn part(&self, token: usize, part: usize, head: usize) -> &[f32] {
        let width = self.heads * self.size;
        &self.projected[(3 * token + part) * width + head * self.size..][..self.size]
    }
}

struct Attend<'a> {
    attention: Attention<'a>,
    scratch: &'a mut AttentionScratch,
    out: &'a mut [f32],
}

impl Pass for Attend<'_> {
    type Output = ();

    #[inline(always)]
    fn run<K: Kernel>(mut self, kernel: K) {
        let width = self.attention.heads * self.attention.size;
        let tokens = self.out.len() / width;
        for head in 0..self.attention.heads {
            self.pack(head, tokens);
            let mut first = 0;
            while first < tokens {
                let tile = (tokens - first).min(4);
                match tile {
                    4 => self.rows::<K, 4>(kernel, head, first, tokens),
                    3 => self.rows::<K, 3>(kernel, head, first, tokens),
                    2 => self.rows::<K, 2>(kernel, head, first, tokens),
                    _ => self.rows::<K, 1>(kernel, head, first, tokens),
                }
                first += tile;
            }
        }
    }
}

impl Attend<'_> {
    /// Keys and values of a head as panels: a column of the first is a token, a column of the second a number.
    #[inline(always)]
    fn pack(&mut self, head: usize, tokens: usize) {
        let size = self.attention.size;
        let empty = Line([0.0; COLUMNS]);
        let scratch = &mut *self.scratch;
        scratch.keys.clear();
        scratch.keys.resize(tokens.div_ceil(COLUMNS) * size, empty);
        scratch.values.clear();
        scratch
            .values
            .resize(size.div_ceil(COLUMNS) * tokens, empty);
        for token in 0..tokens {
            let panel = &mut scratch.keys[token / COLUMNS * size..][..size];
            let key = self.attention.part(token, 1, head);
            for (line, number) in panel.iter_mut().zip(key) {
                line.0[token % COLUMNS] = *number;
            }
            let value = self.attention.part(token, 2, head);
            for (panel, numbers) in value.chunks(COLUMNS).enumerate() {
                let line = &mut scratch.values[panel * tokens + token].0;
                match numbers.first_chunk::<COLUMNS>() {
                    Some(numbers) => *line = *numbers,
                    None => line[..numbers.len()].copy_from_slice(numbers),
                }
            }
        }
    }

    /// `R` tokens from `first` on.
    #[inline(always)]
    fn rows<K: Kernel, const R: usize>(
        &mut self,
        kernel: K,
        head: usize,
        first: usize,
        tokens: usize,
    ) {
        let Attention { heads, size, .. } = self.attention;
        let padded = tokens.next_multiple_of(COLUMNS);
        let scratch = &mut *self.scratch;
        let queries: [&[f32]; R] =
            std::array::from_fn(|at| self.attention.part(first + at, 0, head));
        scratch.weights.resize(4 * padded, 0.0);
        for (panel, keys) in scratch.keys.chunks_exact(size).enumerate() {
            for (at, products) in kernel.f32(queries, keys).into_iter().enumerate() {
                let weights = &mut scratch.weights[at * padded + panel * COLUMNS..];
                if let Some(weights) = weights.first_chunk_mut::<COLUMNS>() {
                    *weights = products;
                }
            }
        }
        let scale = 1.0 / (size as f32).sqrt();
        let mut inverses = [0.0; R];
        for (weights, inverse) in scratch.weights.chunks_exact_mut(padded).zip(&mut inverses) {
            let weights = &mut weights[..tokens];
            let highest = largest(weights);
            for weight in &mut *weights {
                *weight = exp((*weight - highest) * scale);
            }
            *inverse = 1.0 / sum(weights, |weight| weight);
        }
        let weights: [&[f32]; R] =
            std::array::from_fn(|at| &scratch.weights[at * padded..][..tokens]);
        for (panel, values) in scratch.values.chunks_exact(tokens).enumerate() {
            let sums = kernel.f32(weights, values);
            for (at, (sums, inverse)) in sums.into_iter().zip(inverses).enumerate() {
                let out = &mut self.out[((first + at) * heads + head) * size..][..size];
                for (out, sum) in out[panel * COLUMNS..].iter_mut().zip(sums) {
                    *out = sum * inverse;
                }
            }
        }
    }
}
