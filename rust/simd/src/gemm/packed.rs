//! Weights, in the order in which they are multiplied.

use super::kernel::{Bf16Line, COLUMNS, F32Line, Int8Line, Line};
use super::quantize::{MOST_INPUTS, WEIGHT_LIMIT};
use super::scalar::widen;

/// How weights are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As they are.
    F32,
    /// The upper half of a binary32, rounded to even. Sums are of binary32.
    Bf16,
    /// Integers of 8 bits, with one scale for each output and one for each input; a row of inputs becomes integers of up to
    /// 14 bits. Products and sums are exact.
    Int8,
}

/// A matrix of weights `[width, depth]`, packed.
#[derive(Debug, Clone)]
pub struct Matrix {
    pub(super) width: usize,
    pub(super) depth: usize,
    pub(super) weights: Weights,
}

/// One panel of sixteen columns after the other.
#[derive(Debug, Clone)]
pub(super) enum Weights {
    F32(Vec<F32Line>),
    Bf16(Vec<Bf16Line>),
    Int8 {
        lines: Vec<Int8Line>,
        /// What a weight of each output stands for, with zeros up to a whole panel.
        outputs: Vec<f32>,
        /// What each input is multiplied with before it is rounded.
        inputs: Vec<f32>,
    },
}

/// The upper half of `value`, rounded to even. Of what is not a number it is not one either.
#[inline(always)]
pub(super) fn narrow(value: f32) -> u16 {
    let bits = value.to_bits();
    let even = bits.wrapping_add(0x7FFF + (bits >> 16 & 1)) >> 16;
    (if value.is_nan() {
        bits >> 16 | 0x40
    } else {
        even
    }) as u16
}

impl Matrix {
    /// Packs `weights`, `[width, depth]` row after row: output `n` is the product of row `n` with the inputs.
    ///
    /// Nothing comes out of weights that are not `width · depth` finite numbers, or of more than 65,536 inputs.
    pub fn new(format: Format, weights: &[f32], width: usize, depth: usize) -> Option<Self> {
        let is_whole = width > 0 && depth > 0 && width.checked_mul(depth) == Some(weights.len());
        if !is_whole || depth > MOST_INPUTS || !weights.iter().all(|weight| weight.is_finite()) {
            return None;
        }
        let weights = match format {
            Format::F32 => Weights::F32(pack(weights, width, depth, |_, [weight]| weight)),
            Format::Bf16 => Weights::Bf16(pack(weights, width, depth, |_, pair: [f32; 2]| {
                pair.map(narrow)
            })),
            Format::Int8 => int8(weights, width, depth),
        };
        Some(Self {
            width,
            depth,
            weights,
        })
    }

    /// Outputs.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Inputs.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Bytes that its weights take.
    pub fn bytes(&self) -> usize {
        let lines = match &self.weights {
            Weights::F32(lines) => lines.len(),
            Weights::Bf16(lines) => lines.len(),
            Weights::Int8 { lines, .. } => lines.len(),
        };
        lines * size_of::<F32Line>()
    }

    /// The weights that it multiplies with, `[width, depth]`: those it was made of, rounded as its format does.
    pub fn unpacked(&self) -> Vec<f32> {
        let mut out = vec![0.0; self.width * self.depth];
        for (output, row) in out.chunks_exact_mut(self.depth).enumerate() {
            for (input, weight) in row.iter_mut().enumerate() {
                *weight = self.weight(output, input);
            }
        }
        out
    }

    fn weight(&self, output: usize, input: usize) -> f32 {
        let (panel, column) = (output / COLUMNS, output % COLUMNS);
        match &self.weights {
            Weights::F32(lines) => lines[panel * self.depth + input].0[column],
            Weights::Bf16(lines) => {
                let line = lines[panel * self.depth.div_ceil(2) + input / 2];
                widen(line.0[column][input % 2])
            }
            Weights::Int8 {
                lines,
                outputs,
                inputs,
            } => {
                let line = lines[panel * self.depth.div_ceil(4) + input / 4];
                let weight = f32::from(line.0[column][input % 4]);
                weight * outputs[output] * inputs[input]
            }
        }
    }
}

/// Panels of lines of `N` inputs for each column; beyond the weights there are zeros. `convert` gets the output too.
fn pack<T: Copy + Default, const N: usize>(
    weights: &[f32],
    width: usize,
    depth: usize,
    convert: impl Fn(usize, [f32; N]) -> T,
) -> Vec<Line<T>> {
    let mut lines = Vec::with_capacity(width.div_ceil(COLUMNS) * depth.div_ceil(N));
    for panel in weights.chunks(COLUMNS * depth).enumerate() {
        let (panel, rows) = panel;
        for first in (0..depth).step_by(N) {
            let mut line = Line([T::default(); COLUMNS]);
            for (column, row) in rows.chunks_exact(depth).enumerate() {
                let mut inputs = [0.0; N];
                for (input, weight) in inputs.iter_mut().zip(&row[first..]) {
                    *input = *weight;
                }
                line.0[column] = convert(panel * COLUMNS + column, inputs);
            }
            lines.push(line);
        }
    }
    lines
}

/// Each weight is `integer · output · input`. The inputs' part takes half of what makes the weights of one input larger than
/// those of the others (in the exponent): the inputs have bits to spare for the other half.
///
/// With one scale for each output alone, embeddings of MiniLM were at a cosine of 0.9991 to the exact ones at worst, so they
/// are at 0.9996; all of it instead of half gives 0.9985 (66 sentences, numpy in float64).
fn int8(weights: &[f32], width: usize, depth: usize) -> Weights {
    let mut inputs = vec![0.0_f32; depth];
    for row in weights.chunks_exact(depth) {
        for (largest, weight) in inputs.iter_mut().zip(row) {
            *largest = largest.max(weight.abs());
        }
    }
    let largest = inputs.iter().copied().fold(0.0, f32::max);
    for input in &mut inputs {
        // An input without weights counts as one with small ones.
        let share = if largest > 0.0 { *input / largest } else { 1.0 };
        *input = share.max(1e-6).sqrt();
    }
    let mut outputs = vec![0.0; width.next_multiple_of(COLUMNS)];
    let mut divided = weights.to_vec();
    for (row, output) in divided.chunks_exact_mut(depth).zip(&mut outputs) {
        for (weight, input) in row.iter_mut().zip(&inputs) {
            *weight /= input;
        }
        let largest = row.iter().map(|weight| weight.abs()).fold(0.0, f32::max);
        *output = largest / WEIGHT_LIMIT as f32;
    }
    let limit = WEIGHT_LIMIT as f32;
    let lines = pack(&divided, width, depth, |output, quad: [f32; 4]| {
        let scale = outputs[output];
        quad.map(|weight| {
            if scale > 0.0 {
                (weight / scale).round_ties_even().clamp(-limit, limit) as i8
            } else {
                0
            }
        })
    });
    Weights::Int8 {
        lines,
        outputs,
        inputs,
    }
}
