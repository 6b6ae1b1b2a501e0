//! Rows of probabilities as an engine has them, and what is left of one where a draft was rejected.

use super::mass::{Column, LANES};
use crate::Error;

/// Probabilities of every token at several positions: `[rows, columns]`, row after row.
#[derive(Debug, Clone, Copy)]
pub struct Dense<'a, T> {
    values: &'a [T],
    columns: usize,
}

impl<'a, T> Dense<'a, T> {
    /// Rows of `columns` numbers each.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`]: `columns` is 0, more than ids can number, or `values` are not so many rows.
    pub fn new(values: &'a [T], columns: usize) -> Result<Self, Error> {
        let is_whole = columns > 0 && values.len().is_multiple_of(columns);
        if is_whole && u32::try_from(columns).is_ok() {
            return Ok(Self { values, columns });
        }
        Err(Error::Parameter {
            name: "columns",
            expected: "1 or more, below 2³², and a divisor of how many probabilities there are",
            value: format!("{columns} for {} of them", values.len()),
        })
    }

    /// How many tokens have a probability.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// How many positions.
    pub fn rows(&self) -> usize {
        self.values.len() / self.columns
    }

    pub(super) fn row(&self, at: usize) -> Plain<'a, T> {
        Plain(&self.values[at * self.columns..(at + 1) * self.columns])
    }
}

/// A row as it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plain<'a, T>(pub(super) &'a [T]);

impl<T: Copy + Into<f64>> Column for Plain<'_, T> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn at(&self, id: usize) -> f64 {
        self.0[id].into()
    }

    fn lanes(&self, first: usize) -> [f64; LANES] {
        let rest = &self.0[first..];
        match rest.first_chunk::<LANES>() {
            Some(whole) => whole.map(Into::into),
            None => {
                std::array::from_fn(|lane| rest.get(lane).map_or(0.0, |weight| (*weight).into()))
            }
        }
    }
}

/// The target without the token that was rejected, which is what is left where the draft could be no other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Without<C> {
    pub(super) target: C,
    pub(super) rejected: usize,
}

impl<C: Column> Column for Without<C> {
    fn len(&self) -> usize {
        self.target.len()
    }

    fn at(&self, id: usize) -> f64 {
        if id == self.rejected {
            0.0
        } else {
            self.target.at(id)
        }
    }

    fn lanes(&self, first: usize) -> [f64; LANES] {
        let mut lanes = self.target.lanes(first);
        if let Some(rejected) = self.rejected.checked_sub(first)
            && rejected < LANES
        {
            lanes[rejected] = 0.0;
        }
        lanes
    }
}

/// By how much the target exceeds the draft, which is what is left where the draft was drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Excess<C, D> {
    pub(super) target: C,
    pub(super) draft: D,
    /// The sums of both.
    pub(super) sums: Sums,
}

impl<C: Column, D: Column> Column for Excess<C, D> {
    fn len(&self) -> usize {
        self.target.len()
    }

    fn at(&self, id: usize) -> f64 {
        self.sums.excess(self.target.at(id), self.draft.at(id))
    }

    fn lanes(&self, first: usize) -> [f64; LANES] {
        let mut lanes = self.target.lanes(first);
        for (lane, draft) in lanes.iter_mut().zip(self.draft.lanes(first)) {
            *lane = self.sums.excess(*lane, draft);
        }
        lanes
    }
}

/// What the probabilities of a target and of a draft sum to.
///
/// Each is multiplied by the sum of the other, instead of being divided by its own: that compares them as if both were
/// normalised, costs no division, and leaves two equal rows equal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sums {
    pub(super) target: f64,
    pub(super) draft: f64,
}

impl Sums {
    /// Whether a token that was drafted is accepted.
    pub(super) fn accepts(self, target: f64, draft: f64, uniform: f64) -> bool {
        draft > 0.0 && uniform * (draft * self.target) < target * self.draft
    }

    /// `max(target - draft, 0)`, times both sums.
    pub(super) fn excess(self, target: f64, draft: f64) -> f64 {
        (target * self.draft - draft * self.target).max(0.0)
    }
}
