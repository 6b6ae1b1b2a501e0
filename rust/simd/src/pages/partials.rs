//! What queries have collected so far.

use std::f32::consts::{LN_2, LOG2_E};
use std::ops::Range;

use super::attend::{Attend, Context};
use super::number::{Bf16, F16, F32, Fp8, Int8};
use super::{Format, Level};
use crate::logits::WIDTH;

/// How products of queries and keys become scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scaling {
    /// What products are multiplied with, mostly `1 / sqrt(head_dim)`.
    pub scale: f32,
    /// With a cap `c` a score `s` becomes `c · tanh(s / c)`.
    pub soft_cap: Option<f32>,
}

/// Queries of one key/value head and what each has collected: the largest score, the sum of weights, the weighted values.
///
/// Contexts are attended to one after the other, in any order, and collections of the same queries over different
/// contexts are merged, so that a prefix that several sequences share is read once for all of them.
///
/// The result is within `V · (3 · D · S + (tokens / 16 + 40)) · 2⁻²⁴` of the exact one, with `V` the largest magnitude of
/// the values as the page holds them, `D = head_dim / 16 + 24`, and `S` the largest sum of the magnitudes of a score's
/// products in units of 1/scale, at least 1, or the cap where that is more.
#[derive(Debug, Default, Clone)]
pub struct Partials {
    pub(super) head_dim: usize,
    /// Registers of a vector: [`WIDTH`] numbers each, the last padded with zeros.
    pub(super) lines: usize,
    /// The cap in units of powers of 2.
    pub(super) soft_cap: Option<f32>,
    pub(super) queries: Vec<[f32; WIDTH]>,
    pub(super) highest: Vec<f32>,
    pub(super) sums: Vec<f32>,
    pub(super) outputs: Vec<[f32; WIDTH]>,
}

impl Partials {
    /// Starts anew with other queries, `[count, head_dim]`.
    ///
    /// # Panics
    ///
    /// A query has another length.
    pub fn start<'a>(
        &mut self,
        head_dim: usize,
        scaling: Scaling,
        queries: impl IntoIterator<Item = &'a [f32]>,
    ) {
        self.head_dim = head_dim;
        self.lines = head_dim.div_ceil(WIDTH);
        // Powers of 2 are what the kernel computes, so that the change of base is part of the scale.
        let factor = match scaling.soft_cap {
            Some(cap) => scaling.scale / cap,
            None => scaling.scale * LOG2_E,
        };
        self.soft_cap = scaling.soft_cap.map(|cap| cap * LOG2_E);
        self.queries.clear();
        let mut count = 0;
        for query in queries {
            assert!(
                query.len() == head_dim,
                "a query of {} numbers, not {head_dim}",
                query.len()
            );
            count += 1;
            for numbers in query.chunks(WIDTH) {
                let mut line = [0.0; WIDTH];
                for (out, number) in line.iter_mut().zip(numbers) {
                    *out = number * factor;
                }
                self.queries.push(line);
            }
        }
        self.highest.clear();
        self.highest.resize(count, f32::NEG_INFINITY);
        self.sums.clear();
        self.sums.resize(count, 0.0);
        self.outputs.clear();
        self.outputs.resize(count * self.lines, [0.0; WIDTH]);
    }

    /// How many queries there are.
    pub fn len(&self) -> usize {
        self.highest.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.highest.is_empty()
    }

    /// Adds what queries from `first` on get from the tokens of their ranges, which count from the context's first token.
    ///
    /// # Panics
    ///
    /// There are more ranges than queries, a range goes beyond the table, a block beyond the layer or a head beyond the
    /// page, or the page has vectors of another length.
    pub fn attend(
        &mut self,
        level: Level,
        context: Context<'_>,
        first: usize,
        ranges: &[Range<usize>],
    ) {
        let shape = context.shape;
        assert!(
            first + ranges.len() <= self.len()
                && shape.head_dim == self.head_dim
                && context.kv_head < shape.kv_heads,
            "{} ranges of {} numbers in head {} are not for {} queries of {} in {} heads",
            ranges.len(),
            shape.head_dim,
            context.kv_head,
            self.len(),
            self.head_dim,
            shape.kv_heads,
        );
        match shape.format {
            Format::F32 => level.run(Attend::<F32>::new(self, context, first, ranges)),
            Format::Bf16 => level.run(Attend::<Bf16>::new(self, context, first, ranges)),
            Format::F16 => level.run(Attend::<F16>::new(self, context, first, ranges)),
            Format::Int8 => level.run(Attend::<Int8>::new(self, context, first, ranges)),
            Format::Fp8 => level.run(Attend::<Fp8>::new(self, context, first, ranges)),
        }
    }

    /// Adds what `other`, with the same queries, has collected from tokens that this one has not seen.
    ///
    /// # Panics
    ///
    /// The queries are not as many, or do not have the same length.
    pub fn merge(&mut self, other: &Self) {
        assert!(
            self.head_dim == other.head_dim && other.len() == self.len(),
            "{} queries of {} are not {} of {}",
            other.len(),
            other.head_dim,
            self.len(),
            self.head_dim,
        );
        for at in 0..self.len() {
            // Without any token there is no largest score to compare with.
            if other.sums[at] == 0.0 {
                continue;
            }
            let highest = self.highest[at].max(other.highest[at]);
            let own = if self.sums[at] == 0.0 {
                0.0
            } else {
                (self.highest[at] - highest).exp2()
            };
            let others = (other.highest[at] - highest).exp2();
            self.highest[at] = highest;
            self.sums[at] = self.sums[at] * own + other.sums[at] * others;
            let added = &other.outputs[at * self.lines..];
            let outputs = self.outputs[at * self.lines..].iter_mut().zip(added);
            for (out, added) in outputs.take(self.lines) {
                for (out, added) in out.iter_mut().zip(added) {
                    *out = *out * own + *added * others;
                }
            }
        }
    }

    /// Writes the weighted mean of the values, `[head_dim]`, and gives the logarithm of the sum of the exponentials of the
    /// scores. Without any token, these are zeros and −∞.
    ///
    /// # Panics
    ///
    /// There is no such query, or `out` has another length.
    pub fn finish(&self, query: usize, out: &mut [f32]) -> f32 {
        assert!(
            out.len() == self.head_dim,
            "{} numbers are not {}",
            out.len(),
            self.head_dim
        );
        let sum = self.sums[query];
        if sum == 0.0 {
            out.fill(0.0);
            return f32::NEG_INFINITY;
        }
        let inverse = 1.0 / sum;
        let sums = &self.outputs[query * self.lines..][..self.lines];
        for (out, sums) in out.chunks_mut(WIDTH).zip(sums) {
            for (out, sum) in out.iter_mut().zip(sums) {
                *out = sum * inverse;
            }
        }
        (self.highest[query] + sum.log2()) * LN_2
    }
}
