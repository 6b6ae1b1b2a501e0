//! The leading dimensions: directions in which the vectors of an index are long.
//!
//! For orthonormal directions, a dot product is that of the leading parts plus that of the rests, and the latter is at
//! most the product of the rests' lengths. The longer the leading parts are, the sharper this bound; it holds for any
//! directions.

use inferail_simd::vectors::{LEAD, LeadQuery, Level, MAX_WEIGHT, ZERO_CODE};

use crate::vector::{Vector, above, squares};

/// Groups of [`LEAD`] directions: all vectors are scanned by the first, what passes by the next as well.
pub(crate) const GROUPS: usize = 3;

/// Directions of a basis.
const DIRECTIONS: usize = GROUPS * LEAD;

/// Rounds of the power iteration: the bound gains nothing from more (embeddings of questions, 384 dimensions).
const ROUNDS: usize = 4;

/// Steps of the codes that are tried in each direction, in units of the numbers' mean square: that of a normal
/// distribution is best at 0.335 (Max, Quantizing for Minimum Distortion, 1960).
const STEPS: [f32; 5] = [0.25, 0.3, 0.335, 0.38, 0.45];

/// What the squares of a vector's parts may miss of its own square, all in float32.
const ROUNDING: f64 = 4e-6;

/// Orthonormal directions and the worth of a code in each.
#[derive(Debug)]
pub(crate) struct Basis {
    /// `[GROUPS, width, LEAD]`, those directions in which the vectors are longest first.
    columns: Box<[f32]>,
    /// What a code of one step is worth, `[DIRECTIONS]`.
    steps: [f32; DIRECTIONS],
    /// Vectors that it was learned from.
    sample: usize,
}

/// The leading parts of a vector, one for each group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lead {
    /// 0 to 15, [`ZERO_CODE`] is 0.
    pub(crate) codes: [u8; LEAD],
    /// Length of what the codes leave out of the part, not below the true one.
    pub(crate) error: f32,
    /// Length of the codes' distances from zero, not below the true one.
    pub(crate) length: f32,
    /// Length of what is in no part up to this one, not below the true one.
    pub(crate) rest: f32,
}

/// A query's side of the bound, of one group.
#[derive(Debug, Clone)]
pub(crate) struct LeadSearch {
    pub(crate) query: LeadQuery,
    /// Length of what the weights leave out.
    error: f32,
    /// Sum of the squares of the query's parts up to this one.
    covered: f64,
}

impl Basis {
    /// Directions in which the vectors of `sample` are long, `[n, width]`; any directions if it is empty.
    pub(crate) fn learn(level: Level, width: usize, sample: &[Vector]) -> Self {
        let mut directions = start(width);
        orthonormalise(&mut directions, width);
        for _ in 0..ROUNDS {
            if sample.is_empty() {
                break;
            }
            let columns = columns(&directions, width);
            let mut next = vec![0.0; directions.len()].into_boxed_slice();
            for vector in sample {
                // Every vector counts alike, however long it is.
                let weight = 1.0 / (vector.norm * vector.norm).max(f32::MIN_POSITIVE);
                let products = project(level, &columns, vector);
                for (row, product) in next.chunks_exact_mut(width).zip(products) {
                    level.add_scaled(row, &vector.numbers, product * weight);
                }
            }
            directions = next;
            orthonormalise(&mut directions, width);
        }
        let columns = columns(&directions, width);
        let parts = sample.iter().map(|vector| project(level, &columns, vector));
        let steps = steps(&parts.collect::<Vec<_>>());
        Self {
            columns,
            steps,
            sample: sample.len(),
        }
    }

    /// The basis of these columns and steps.
    pub(crate) fn of_parts(columns: Box<[f32]>, steps: &[f32; DIRECTIONS], sample: usize) -> Self {
        Self {
            columns,
            steps: *steps,
            sample,
        }
    }

    /// Its columns, `[GROUPS, width, LEAD]`, and its steps.
    pub(crate) fn parts(&self) -> (&[f32], &[f32; DIRECTIONS]) {
        (&self.columns, &self.steps)
    }

    /// Vectors that it was learned from.
    pub(crate) fn sample(&self) -> usize {
        self.sample
    }

    /// The leading parts of a vector.
    pub(crate) fn lead(&self, level: Level, vector: &Vector) -> [Lead; GROUPS] {
        let parts = project(level, &self.columns, vector);
        let parts = parts.as_chunks::<LEAD>().0;
        let steps = self.steps.as_chunks::<LEAD>().0;
        let mut covered = 0.0;
        std::array::from_fn(|group| {
            covered += squares(&parts[group]);
            lead(vector, &parts[group], &steps[group], covered)
        })
    }

    /// The query's side of the bound, of the group after `before`.
    pub(crate) fn search(
        &self,
        level: Level,
        vector: &Vector,
        before: &[&LeadSearch],
    ) -> LeadSearch {
        let group = before.len();
        let covered = before.last().map_or(0.0, |last| last.covered);
        let size = LEAD * vector.numbers.len();
        let columns = &self.columns[group * size..(group + 1) * size];
        let parts = level.project(columns, &vector.numbers);
        let steps = &self.steps[group * LEAD..(group + 1) * LEAD];
        let mut worth = [0.0_f32; LEAD];
        for ((worth, part), step) in worth.iter_mut().zip(parts).zip(steps) {
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
        let own = squares(&parts);
        let lead = above(own.sqrt()) + vector.norm * 1e-6;
        LeadSearch {
            query: LeadQuery::new(weights, [unit, rest(vector, covered + own), lead]),
            error: above(error.sqrt()),
            covered: covered + own,
        }
    }
}

impl LeadSearch {
    /// What is asked of the blocks of a chunk.
    pub(crate) fn of(&self, bounds: &Bounds, group: usize) -> LeadQuery {
        let (rest, error) = (bounds.rest_unit[group], bounds.error_unit[group]);
        self.query.in_units(rest, error)
    }

    /// What the group's sum may be short of the true product of the parts besides the errors of the codes.
    pub(crate) fn slack(&self, bounds: &Bounds, group: usize) -> f32 {
        self.error * bounds.length[group] * 1.0001
    }
}

/// The worth of a code in each direction: what leaves the smallest squares out.
fn steps(parts: &[[f32; DIRECTIONS]]) -> [f32; DIRECTIONS] {
    std::array::from_fn(|direction| {
        let numbers = || parts.iter().map(|parts| parts[direction]);
        // In float64: the squares of many of the largest numbers there may be are beyond float32 together.
        let square: f64 = numbers().map(|number| f64::from(number).powi(2)).sum();
        let size = (square / parts.len().max(1) as f64).sqrt() as f32;
        if size < f32::MIN_POSITIVE * 16.0 {
            return 1.0 / f32::from(ZERO_CODE);
        }
        let tried = STEPS.map(|step| {
            let step = step * size;
            let left = numbers().map(|number| number - in_steps(number, step) * step);
            let squares = left.map(|left| f64::from(left).powi(2));
            (squares.sum::<f64>(), step)
        });
        let best = tried
            .into_iter()
            .min_by(|one, other| one.0.total_cmp(&other.0));
        best.map_or(size, |(_, step)| step)
    })
}

/// A number in whole steps, as far as codes reach.
fn in_steps(number: f32, step: f32) -> f32 {
    let zero = f32::from(ZERO_CODE);
    rounded((number / step).clamp(-zero, zero - 1.0))
}

/// Directions, `[DIRECTIONS, width]`, as their numbers side by side, `[GROUPS, width, LEAD]`.
fn columns(directions: &[f32], width: usize) -> Box<[f32]> {
    let numbers = (0..directions.len()).map(|place| {
        let (group, column, row) = (place / (width * LEAD), place / LEAD % width, place % LEAD);
        directions[(group * LEAD + row) * width + column]
    });
    numbers.collect()
}

/// Parts of a vector in all directions.
fn project(level: Level, columns: &[f32], vector: &Vector) -> [f32; DIRECTIONS] {
    let size = LEAD * vector.numbers.len();
    let mut parts = [0.0; DIRECTIONS];
    let groups = columns.chunks_exact(size.max(1));
    for (parts, columns) in parts.as_chunks_mut::<LEAD>().0.iter_mut().zip(groups) {
        *parts = level.project(columns, &vector.numbers);
    }
    parts
}

fn lead(vector: &Vector, parts: &[f32; LEAD], steps: &[f32; LEAD], covered: f64) -> Lead {
    let mut codes = [ZERO_CODE; LEAD];
    let (mut error, mut length) = (0.0_f64, 0.0_f64);
    for ((code, part), step) in codes.iter_mut().zip(parts).zip(steps) {
        let steps = in_steps(*part, *step);
        error += f64::from(part - steps * step).powi(2);
        length += f64::from(steps).powi(2);
        *code = (steps + f32::from(ZERO_CODE)) as u8;
    }
    Lead {
        codes,
        error: above(error.sqrt()) + vector.norm * 1e-6,
        length: above(length.sqrt()),
        rest: rest(vector, covered),
    }
}

/// What holds for some vectors, and the units of what is kept of each.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bounds {
    /// What a step of a vector's rest is worth.
    pub(crate) rest_unit: [f32; GROUPS],
    /// What a step of a vector's error is worth.
    pub(crate) error_unit: [f32; GROUPS],
    /// The largest length of codes.
    pub(crate) length: [f32; GROUPS],
    /// The largest length of a vector.
    pub(crate) norm: f32,
}

impl Bounds {
    pub(crate) fn include(&mut self, leads: &[Lead; GROUPS], norm: f32) {
        for (length, lead) in self.length.iter_mut().zip(leads) {
            *length = length.max(lead.length);
        }
        self.norm = self.norm.max(norm);
    }

    /// Takes over the largest lengths of another's vectors; units are left alone.
    pub(crate) fn join(&mut self, other: &Self) {
        for (length, other) in self.length.iter_mut().zip(other.length) {
            *length = length.max(other);
        }
        self.norm = self.norm.max(other.norm);
    }
}

/// Length of what is left of a vector, of whose square `covered` is in its parts.
fn rest(vector: &Vector, covered: f64) -> f32 {
    let whole = f64::from(vector.norm).powi(2);
    let rest = (whole - covered).max(0.0) + ROUNDING * whole;
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
    let numbers = (0..DIRECTIONS * width).map(|_| {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_the_largest_numbers_are_finite() {
        // Numbers up to 1e16 in 8,192 dimensions that all point the same way.
        let parts = vec![[9e17; DIRECTIONS]; 2048];

        for step in steps(&parts) {
            assert!(step.is_finite() && (9e17 - in_steps(9e17, step) * step).abs() < step);
        }
    }
}
