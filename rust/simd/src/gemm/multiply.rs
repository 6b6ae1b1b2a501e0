//! Rows times packed weights.

use super::functions::{gelu, gelu_tanh};
use super::kernel::{COLUMNS, Line, MOST_ROWS};
use super::packed::{Weights, narrow};
use super::quantize::quantize;
use super::{Kernel, Level, Matrix, Pass};

/// What becomes of a sum once the bias is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activation {
    /// It stays.
    #[default]
    None,
    /// `x Φ(x)`.
    Gelu,
    /// Its approximation with a hyperbolic tangent.
    GeluTanh,
}

/// Memory that products use, kept from one to the next.
#[derive(Debug, Default, Clone)]
pub struct Scratch {
    pairs: Vec<[f32; 2]>,
    rounded: Vec<[u16; 2]>,
    quads: Vec<[i16; 4]>,
    scales: Vec<f32>,
    spare: Vec<f32>,
}

impl Matrix {
    /// `rows` times these weights, plus `bias`, activated: `[rows, depth]` to `[rows, width]`.
    ///
    /// # Panics
    ///
    /// The lengths do not fit together.
    pub fn multiply(
        &self,
        level: Level,
        rows: &[f32],
        bias: &[f32],
        activation: Activation,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) {
        let count = rows.len() / self.depth;
        assert!(
            rows.len() == count * self.depth
                && out.len() == count * self.width
                && bias.len() == self.width,
            "a product of {} inputs with [{}, {}] and {} of bias cannot be {} outputs",
            rows.len(),
            self.width,
            self.depth,
            bias.len(),
            out.len(),
        );
        level.run(Multiply {
            matrix: self,
            rows,
            finish: Finish {
                bias,
                activation,
                width: self.width,
                out,
            },
            scratch,
        });
    }
}

struct Multiply<'a> {
    matrix: &'a Matrix,
    rows: &'a [f32],
    finish: Finish<'a>,
    scratch: &'a mut Scratch,
}

impl Pass for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<K: Kernel>(self, kernel: K) {
        let Self {
            matrix,
            rows,
            mut finish,
            scratch,
        } = self;
        let depth = matrix.depth;
        match &matrix.weights {
            Weights::F32(lines) => {
                each_tile(kernel, &F32 { rows, depth }, lines, depth, &mut finish);
            }
            Weights::Bf16(lines) if K::ROUNDS => {
                let steps = depth.div_ceil(2);
                scratch.rounded.clear();
                for row in rows.chunks_exact(depth) {
                    scratch
                        .rounded
                        .extend(row.chunks(2).map(|pair| {
                            [pair[0], pair.get(1).copied().unwrap_or(0.0)].map(narrow)
                        }));
                }
                let rows = Rounded {
                    rows: &scratch.rounded,
                    steps,
                };
                each_tile(kernel, &rows, lines, steps, &mut finish);
            }
            Weights::Bf16(lines) => {
                let steps = depth.div_ceil(2);
                scratch.pairs.clear();
                for row in rows.chunks_exact(depth) {
                    let (pairs, last) = row.as_chunks::<2>();
                    scratch.pairs.extend_from_slice(pairs);
                    scratch.pairs.extend(last.iter().map(|last| [*last, 0.0]));
                }
                let rows = Bf16 {
                    rows: &scratch.pairs,
                    steps,
                };
                each_tile(kernel, &rows, lines, steps, &mut finish);
            }
            Weights::Int8 {
                lines,
                outputs,
                inputs,
            } => {
                let steps = depth.div_ceil(4);
                let count = rows.len() / depth;
                scratch.quads.resize(count * steps, [0; 4]);
                scratch.spare.resize(depth, 0.0);
                scratch.scales.clear();
                for (row, quads) in rows
                    .chunks_exact(depth)
                    .zip(scratch.quads.chunks_exact_mut(steps))
                {
                    let scale = quantize(row, inputs, &mut scratch.spare, quads);
                    scratch.scales.push(scale);
                }
                let rows = Int8 {
                    rows: &scratch.quads,
                    steps,
                    scales: &scratch.scales,
                    outputs,
                };
                each_tile(kernel, &rows, lines, steps, &mut finish);
            }
        }
    }
}

/// What becomes of a tile.
struct Finish<'a> {
    bias: &'a [f32],
    activation: Activation,
    width: usize,
    out: &'a mut [f32],
}

impl Finish<'_> {
    #[inline(always)]
    fn write(&mut self, row: usize, panel: usize, mut sums: [f32; COLUMNS]) {
        let first = panel * COLUMNS;
        let bias = &self.bias[first..];
        if let Some(bias) = bias.first_chunk::<COLUMNS>() {
            for (sum, bias) in sums.iter_mut().zip(bias) {
                *sum += bias;
            }
        } else {
            for (sum, bias) in sums.iter_mut().zip(bias) {
                *sum += bias;
            }
        }
        match self.activation {
            Activation::None => {}
            // Not `map`, which becomes sixteen calls.
            Activation::Gelu => {
                for sum in &mut sums {
                    *sum = gelu(*sum);
                }
            }
            Activation::GeluTanh => {
                for sum in &mut sums {
                    *sum = gelu_tanh(*sum);
                }
            }
        }
        let out = &mut self.out[row * self.width..][..self.width][first..];
        match out.first_chunk_mut::<COLUMNS>() {
            Some(out) => *out = sums,
            None => out.copy_from_slice(&sums[..out.len()]),
        }
    }
}

/// Prepared rows of one format.
trait Rows {
    /// The weights of a column in a line.
    type Weight: Copy;

    /// How many there are.
    fn count(&self) -> usize;

    /// `R` rows from `first` on times a panel; to be marked `#[inline(always)]`.
    fn tile<K: Kernel, const R: usize>(
        &self,
        kernel: K,
        first: usize,
        panel: usize,
        lines: &[Line<Self::Weight>],
    ) -> [[f32; COLUMNS]; R];
}

/// Every panel in turn, and the rows by tiles: a panel stays in the cache until all rows have seen it.
#[inline(always)]
fn each_tile<K: Kernel, W: Rows>(
    kernel: K,
    rows: &W,
    lines: &[Line<W::Weight>],
    steps: usize,
    finish: &mut Finish<'_>,
) {
    let count = rows.count();
    let mut sums = [[0.0; COLUMNS]; MOST_ROWS];
    for (panel, lines) in lines.chunks_exact(steps).enumerate() {
        let mut first = 0;
        while first < count {
            let left = count - first;
            // Thirteen rows are better 5 + 4 + 4 than 6 + 6 + 1.
            let tile = left.div_ceil(left.div_ceil(K::ROWS)).min(MOST_ROWS);
            macro_rules! tiles {
                ($($rows:literal)*) => {
                    match tile {
                        $($rows if $rows <= K::ROWS => {
                            let tile = rows.tile::<K, $rows>(kernel, first, panel, lines);
                            sums[..$rows].copy_from_slice(&tile);
                        })*
                        _ => {}
                    }
                };
            }
            tiles!(1 2 3 4 5 6 7 8 9 10 11 12);
            for (at, sums) in sums[..tile].iter().enumerate() {
                finish.write(first + at, panel, *sums);
            }
            first += tile;
        }
    }
}

struct F32<'a> {
    rows: &'a [f32],
    depth: usize,
}

impl Rows for F32<'_> {
    type Weight = f32;

    #[inline(always)]
    fn count(&self) -> usize {
        self.rows.len() / self.depth
    }

    #[inline(always)]
    fn tile<K: Kernel, const R: usize>(
        &self,
        kernel: K,
        first: usize,
        _panel: usize,
        lines: &[Line<f32>],
    ) -> [[f32; COLUMNS]; R] {
        kernel.f32(pick(self.rows, self.depth, first), lines)
    }
}

struct Bf16<'a> {
    rows: &'a [[f32; 2]],
    steps: usize,
}

impl Rows for Bf16<'_> {
    type Weight = [u16; 2];

    #[inline(always)]
    fn count(&self) -> usize {
        self.rows.len() / self.steps
    }

    #[inline(always)]
    fn tile<K: Kernel, const R: usize>(
        &self,
        kernel: K,
        first: usize,
        _panel: usize,
        lines: &[Line<[u16; 2]>],
    ) -> [[f32; COLUMNS]; R] {
        kernel.bf16(pick(self.rows, self.steps, first), lines)
    }
}

struct Rounded<'a> {
    rows: &'a [[u16; 2]],
    steps: usize,
}

impl Rows for Rounded<'_> {
    type Weight = [u16; 2];

    #[inline(always)]
    fn count(&self) -> usize {
        self.rows.len() / self.steps
    }

    #[inline(always)]
    fn tile<K: Kernel, const R: usize>(
        &self,
        kernel: K,
        first: usize,
        _panel: usize,
        lines: &[Line<[u16; 2]>],
    ) -> [[f32; COLUMNS]; R] {
        kernel.rounded(pick(self.rows, self.steps, first), lines)
    }
}

struct Int8<'a> {
    rows: &'a [[i16; 4]],
    steps: usize,
    scales: &'a [f32],
    outputs: &'a [f32],
}

impl Rows for Int8<'_> {
    type Weight = [i8; 4];

    #[inline(always)]
    fn count(&self) -> usize {
        self.scales.len()
    }

    #[inline(always)]
    fn tile<K: Kernel, const R: usize>(
        &self,
        kernel: K,
        first: usize,
        panel: usize,
        lines: &[Line<[i8; 4]>],
    ) -> [[f32; COLUMNS]; R] {
        let sums = kernel.int8::<R>(pick(self.rows, self.steps, first), lines);
        let mut out = [[0.0; COLUMNS]; R];
        let Some(outputs) = self.outputs[panel * COLUMNS..].first_chunk::<COLUMNS>() else {
            return out;
        };
        let scales = &self.scales[first..];
        for ((out, sums), scale) in out.iter_mut().zip(sums).zip(scales) {
            for ((out, sum), output) in out.iter_mut().zip(sums).zip(outputs) {
                *out = sum as f32 * (scale * output);
            }
        }
        out
    }
}

/// `R` rows from `first` on.
#[inline(always)]
fn pick<T, const R: usize>(rows: &[T], length: usize, first: usize) -> [&[T]; R] {
    std::array::from_fn(|at| &rows[(first + at) * length..][..length])
}
