//! The leading dimensions: directions in which the vectors of an index are long.
//!
//! For orthonormal directions, a dot product is that of the leading parts plus that of the rests, and the latter is at
//! most the product of the rests' lengths. The longer the leading parts are, the sharper this bound; it holds for any
//! directions.

use inferail_simd::vectors::{LANES, LEAD, LeadQuery, Level, MAX_WEIGHT, ZERO_CODE};

use crate::vector::{Vector, above, squares};

/// Rounds of the power iteration: the bound gains nothing from more (embeddings of questions, 384 dimensions).
const ROUNDS: usize = 4;

/// How much larger than in the sample a leading number may be before it is cut off.
const MARGIN: f32 = 1.15;

/// What the squares of a vector's parts may miss of its own square, all in float32.
const ROUNDING: f64 = 4e-6;

/// Orthonormal directions and the worth of a code in each.
#[derive(Debug)]
pub(crate) struct Basis {
    /// `[LEAD, width]`
    directions: Box<[f32]>,
    /// What a code of one step is worth, `[LEAD]`.
    steps: [f32; LEAD],
    /// Vectors that it was learned from.
    sample: usize,
}

/// The leading part of a vector.
#[derive(Debug, Clone)]
pub(crate) struct Lead {
    /// 0 to 127, [`ZERO_CODE`] is 0.
    pub(crate) codes: [u8; LEAD],
    /// Length of what the codes leave out of the leading part, not below the true one.
    pub(crate) error: f32,
    /// Length of the codes' distances from zero, not below the true one.
    pub(crate) length: f32,
    /// Length of the vector's other part, not below the true one.
    pub(crate) rest: f32,
}

/// A query's side of the bound.
#[derive(Debug, Clone)]
pub(crate) struct LeadSearch {
    pub(crate) query: LeadQuery,
    /// Length of the query's leading part.
    lead: f32,
    /// Length of what the weights leave out.
    error: f32,
    /// Length of the query.
    norm: f32,
}

impl Basis {
    /// Directions in which the vectors of `sample` are long, `[n, width]`; any directions if it is empty.
    pub(crate) fn learn(level: Level, width: usize, sample: &[Vector]) -> Self {
        let mut directions = start(width);
        orthonormalise(&mut directions, width);
        let mut products = [0.0; LEAD];
        for _ in 0..ROUNDS {
            if sample.is_empty() {
                break;
            }
            let mut next = vec![0.0; directions.len()].into_boxed_slice();
            for vector in sample {
                level.project(&directions, &vector.numbers, &mut products);
                // Every vector counts alike, however long it is.
                let weight = 1.0 / (vector.norm * vector.norm).max(f32::MIN_POSITIVE);
                for (row, product) in next.chunks_exact_mut(width).zip(products) {
                    let product = product * weight;
                    for (sum, number) in row.iter_mut().zip(&vector.numbers) {
                        *sum += product * number;
                    }
                }
            }
            directions = next;
            orthonormalise(&mut directions, width);
        }
        let mut largest = [0.0_f32; LEAD];
        for vector in sample {
            level.project(&directions, &vector.numbers, &mut products);
            for (most, product) in largest.iter_mut().zip(products) {
                *most = most.max(product.abs());
            }
        }
        let steps = largest.map(|most| {
            let reach = f32::from(ZERO_CODE - 1);
            if most > 0.0 {
                most * MARGIN / reach
            } else {
                1.0 / reach
            }
        });
        Self {
            directions,
            steps,
            sample: sample.len(),
        }
    }

    /// The basis of these directions and steps.
    pub(crate) fn of_parts(directions: Box<[f32]>, steps: [f32; LEAD], sample: usize) -> Self {
        Self {
            directions,
            steps,
            sample,
        }
    }

    /// Its directions, `[LEAD, width]`, and its steps.
    pub(crate) fn parts(&self) -> (&[f32], &[f32; LEAD]) {
        (&self.directions, &self.steps)
    }

    /// Vectors that it was learned from.
    pub(crate) fn sample(&self) -> usize {
        self.sample
    }

    /// The leading part of a vector.
    pub(crate) fn lead(&self, level: Level, vector: &Vector) -> Lead {
        let mut parts = [0.0; LEAD];
        level.project(&self.directions, &vector.numbers, &mut parts);
        let mut codes = [ZERO_CODE; LEAD];
        let (mut error, mut length) = (0.0_f64, 0.0_f64);
        for ((code, part), step) in codes.iter_mut().zip(parts).zip(self.steps) {
            let zero = f32::from(ZERO_CODE);
            let steps = rounded((part / step).clamp(-zero, zero - 1.0));
            error += f64::from(part - steps * step).powi(2);
            length += f64::from(steps).powi(2);
            *code = (steps + zero) as u8;
        }
        Lead {
            codes,
            error: above(error.sqrt()) + vector.norm * 1e-6,
            length: above(length.sqrt()),
            rest: rest(vector, &parts),
        }
    }

    /// The query's side of the bound.
    pub(crate) fn search(&self, level: Level, vector: &Vector) -> LeadSearch {
        let mut parts = [0.0; LEAD];
        level.project(&self.directions, &vector.numbers, &mut parts);
        let mut worth = [0.0_f32; LEAD];
        for ((worth, part), step) in worth.iter_mut().zip(parts).zip(self.steps) {
            *worth = part * step;
        }
        let largest = worth
            .iter()
            .fold(0.0_f32, |most, worth| most.max(worth.abs()));
        let unit = (largest / f32::from(MAX_WEIGHT)).max(f32::MIN_POSITIVE);
        let mut weights = [0_i8; LEAD];
        let mut error = 0.0_f64;
        for (weight, worth) in weights.iter_mut().zip(worth) {
            let limit = f32::from(MAX_WEIGHT);
            let rounded = rounded((worth / unit).clamp(-limit, limit));
            error += f64::from(worth - rounded * unit).powi(2);
            *weight = rounded as i8;
        }
        LeadSearch {
            query: LeadQuery {
                weights,
                unit,
                rest: rest(vector, &parts),
                threshold: 0.0,
            },
            lead: above(squares(&parts).sqrt()) + vector.norm * 1e-6,
            error: above(error.sqrt()),
            norm: vector.norm,
        }
    }
}

impl LeadSearch {
    /// What the scan's sum may be short of the true dot product, for vectors of these bounds.
    pub(crate) fn slack(&self, bounds: &Bounds) -> f32 {
        let codes = self.lead * bounds.error + self.error * bounds.length;
        // Sums of a few float32 products: 1e-5 of the whole is fifty times their rounding.
        codes * 1.0001 + self.norm * bounds.norm * 1e-5
    }
}

/// The largest of each, over some vectors.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bounds {
    pub(crate) error: f32,
    pub(crate) length: f32,
    pub(crate) norm: f32,
}

impl Bounds {
    pub(crate) fn include(&mut self, lead: &Lead, norm: f32) {
        self.error = self.error.max(lead.error);
        self.length = self.length.max(lead.length);
        self.norm = self.norm.max(norm);
    }

    pub(crate) fn join(&mut self, other: &Self) {
        self.error = self.error.max(other.error);
        self.length = self.length.max(other.length);
        self.norm = self.norm.max(other.norm);
    }
}

/// Sixteen rests that no bound passes, for the lanes that hold nothing.
pub(crate) const NO_RESTS: [f32; LANES] = [f32::NEG_INFINITY; LANES];

fn rest(vector: &Vector, parts: &[f32]) -> f32 {
    let whole = f64::from(vector.norm).powi(2);
    let rest = (whole - squares(parts)).max(0.0) + ROUNDING * whole;
    above(rest.sqrt())
}

/// The nearest whole number, ties to even; of numbers below a million. The method of the name is a call on old CPUs.
fn rounded(number: f32) -> f32 {
    const SHIFT: f32 = 12_582_912.0;
    (number + SHIFT) - SHIFT
}

/// Any directions: the same ones every time.
fn start(width: usize) -> Box<[f32]> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let numbers = (0..LEAD * width).map(|_| {
        // SplitMix64 (Steele, Lea, Flood 2014).
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        (mixed >> 40) as f32 / 8_388_608.0 - 1.0
    });
    numbers.collect()
}

/// Gram-Schmidt, twice over; a direction that the ones before it span becomes zeros, which the bound allows.
fn orthonormalise(directions: &mut [f32], width: usize) {
    for row in 0..directions.len() / width {
        let (before, rest) = directions.split_at_mut(row * width);
        let current = &mut rest[..width];
        scale_to_one(current);
        for _ in 0..2 {
            for other in before.chunks_exact(width) {
                let along = product(current, other);
                for (number, other) in current.iter_mut().zip(other) {
                    *number = (f64::from(*number) - along * f64::from(*other)) as f32;
                }
            }
            // What is left of a dependent direction is rounding, and points anywhere.
            if squares(current) < 1e-6 {
                current.fill(0.0);
            }
            scale_to_one(current);
        }
    }
}

fn scale_to_one(numbers: &mut [f32]) {
    let squares = squares(numbers);
    if squares > 0.0 {
        let factor = 1.0 / squares.sqrt();
        for number in numbers {
            *number = (f64::from(*number) * factor) as f32;
        }
    }
}

fn product(left: &[f32], right: &[f32]) -> f64 {
    let (left, right) = (left.as_chunks::<8>().0, right.as_chunks::<8>().0);
    let mut sums = [0.0_f64; 8];
    for (left, right) in left.iter().zip(right) {
        for (sum, (a, b)) in sums.iter_mut().zip(left.iter().zip(right)) {
            *sum += f64::from(*a) * f64::from(*b);
        }
    }
    sums.iter().sum()
}
