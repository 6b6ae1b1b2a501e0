//! What is asked of the probabilities at one position, whether they are lists or rows.

use super::mass::{Column, List, Mass, Row, TOLERANCE, draw, total};
use super::rows::{Dense, Excess, Plain, Sums, Without};
use crate::{Distribution, Error};

/// Targets of every position, and what the draft was drawn from.
pub(super) trait Judge {
    /// The sum of a row of the targets, which was checked.
    fn target_sum(&self, at: usize) -> Result<f64, Error>;

    /// The sum of a row of the drafts, which was checked; 1 where the draft could be no other.
    fn draft_sum(&self, at: usize) -> Result<f64, Error>;

    /// How likely the target finds a token, and how likely the draft found it, neither normalised.
    fn weights(&self, at: usize, id: u32) -> (f64, f64);

    /// A token of the target.
    fn draw_target(&self, at: usize, sum: f64, uniform: f64) -> Option<u32>;

    /// A token of what is left of the target where `rejected` was; `None` where nothing is.
    fn draw_residual(&self, at: usize, rejected: u32, sums: Sums, uniform: f64) -> Option<u32>;
}

/// Lists of the tokens that are possible.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lists<'a> {
    pub(super) targets: &'a [Distribution],
    pub(super) drafts: Option<&'a [Distribution]>,
}

impl Judge for Lists<'_> {
    fn target_sum(&self, at: usize) -> Result<f64, Error> {
        list_sum(&self.targets[at]).map_err(|problem| row_error("targets", at, problem))
    }

    fn draft_sum(&self, at: usize) -> Result<f64, Error> {
        let Some(drafts) = self.drafts else {
            return Ok(1.0);
        };
        list_sum(&drafts[at]).map_err(|problem| row_error("drafts", at, problem))
    }

    fn weights(&self, at: usize, id: u32) -> (f64, f64) {
        let draft = self.drafts.map_or(1.0, |drafts| drafts[at].probability(id));
        (self.targets[at].probability(id), draft)
    }

    fn draw_target(&self, at: usize, sum: f64, uniform: f64) -> Option<u32> {
        draw(&list(&self.targets[at]), sum, uniform)
    }

    fn draw_residual(&self, at: usize, rejected: u32, sums: Sums, uniform: f64) -> Option<u32> {
        let target = &self.targets[at];
        let entries = target.ids.iter().zip(&target.probabilities);
        let weights: Vec<f64> = if let Some(drafts) = self.drafts {
            let mut drafts = Ascending::new(&drafts[at]);
            let excess = |(id, target): (&u32, &f64)| sums.excess(*target, drafts.probability(*id));
            entries.map(excess).collect()
        } else {
            let rest = |(id, target): (&u32, &f64)| if *id == rejected { 0.0 } else { *target };
            entries.map(rest).collect()
        };
        draw_all(
            &List {
                ids: &target.ids,
                weights: &weights,
            },
            uniform,
        )
    }
}

/// A row for every position.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'a, T, D> {
    pub(super) targets: Dense<'a, T>,
    pub(super) drafts: Option<Dense<'a, D>>,
}

impl<T, D> Judge for Rows<'_, T, D>
where
    T: Copy + Into<f64> + PartialOrd + Default,
    D: Copy + Into<f64> + PartialOrd + Default,
{
    fn target_sum(&self, at: usize) -> Result<f64, Error> {
        row_sum(self.targets.row(at)).map_err(|problem| row_error("targets", at, problem))
    }

    fn draft_sum(&self, at: usize) -> Result<f64, Error> {
        let Some(drafts) = self.drafts else {
            return Ok(1.0);
        };
        row_sum(drafts.row(at)).map_err(|problem| row_error("drafts", at, problem))
    }

    fn weights(&self, at: usize, id: u32) -> (f64, f64) {
        let draft = |drafts: Dense<'_, D>| drafts.row(at).at(id as usize);
        (
            self.targets.row(at).at(id as usize),
            self.drafts.map_or(1.0, draft),
        )
    }

    fn draw_target(&self, at: usize, sum: f64, uniform: f64) -> Option<u32> {
        draw(&Row(self.targets.row(at)), sum, uniform)
    }

    fn draw_residual(&self, at: usize, rejected: u32, sums: Sums, uniform: f64) -> Option<u32> {
        let target = self.targets.row(at);
        if let Some(drafts) = self.drafts {
            let draft = drafts.row(at);
            draw_all(
                &Row(Excess {
                    target,
                    draft,
                    sums,
                }),
                uniform,
            )
        } else {
            let rejected = rejected as usize;
            draw_all(&Row(Without { target, rejected }), uniform)
        }
    }
}

fn draw_all(mass: &impl Mass, uniform: f64) -> Option<u32> {
    draw(mass, total(mass), uniform)
}

fn list(distribution: &Distribution) -> List<'_> {
    List {
        ids: &distribution.ids,
        weights: &distribution.probabilities,
    }
}

/// Looks ids up that ascend themselves.
#[derive(Debug)]
struct Ascending<'a> {
    distribution: &'a Distribution,
    next: usize,
}

impl<'a> Ascending<'a> {
    fn new(distribution: &'a Distribution) -> Self {
        Self {
            distribution,
            next: 0,
        }
    }

    fn probability(&mut self, id: u32) -> f64 {
        let rest = &self.distribution.ids[self.next..];
        self.next += rest.iter().take_while(|other| **other < id).count();
        let is_there = self.distribution.ids.get(self.next) == Some(&id);
        if is_there {
            self.distribution.probabilities[self.next]
        } else {
            0.0
        }
    }
}

fn list_sum(distribution: &Distribution) -> Result<f64, String> {
    let Distribution { ids, probabilities } = distribution;
    if ids.len() != probabilities.len() {
        return Err(format!(
            "{} ids have {} probabilities",
            ids.len(),
            probabilities.len()
        ));
    }
    if !ids.is_sorted_by(|one, next| one < next) {
        return Err("its ids must ascend".to_owned());
    }
    let wrong = probabilities
        .iter()
        .position(|probability| is_wrong(*probability));
    match wrong {
        Some(at) => Err(wrong_probability(ids[at], probabilities[at])),
        None => checked_sum(total(&list(distribution))),
    }
}

fn row_sum<T>(row: Plain<'_, T>) -> Result<f64, String>
where
    T: Copy + Into<f64> + PartialOrd + Default,
{
    let zero = T::default();
    // Counted, since a loop with no way out of it is done many numbers at a time.
    let right = row.0.iter().map(|weight| u32::from(*weight >= zero));
    if right.sum::<u32>() as usize == row.0.len() {
        return checked_sum(total(&Row(row)));
    }
    let wrong = row.0.iter().position(|weight| is_wrong((*weight).into()));
    let id = wrong.unwrap_or_default();
    Err(wrong_probability(id as u32, row.at(id)))
}

/// Below 0, or not a number.
fn is_wrong(probability: f64) -> bool {
    probability.is_nan() || probability < 0.0
}

fn wrong_probability(id: u32, value: f64) -> String {
    format!("token {id} has the probability {value}, it must be 0 or more")
}

fn checked_sum(sum: f64) -> Result<f64, String> {
    if (sum - 1.0).abs() <= TOLERANCE {
        return Ok(sum);
    }
    Err(format!(
        "its probabilities sum to {sum}, they must sum to 1 (within {TOLERANCE})"
    ))
}

fn row_error(name: &'static str, row: usize, problem: String) -> Error {
    Error::Row { name, row, problem }
}
