//! Exact rejection sampling: what comes out is distributed as if no draft had been there.
//!
//! The rule is that of Leviathan, Kalman and Matias, "Fast inference from transformers via speculative decoding" (ICML
//! 2023), and Chen et al., "Accelerating large language model decoding with speculative sampling" (2023). A drafted token
//! `d` is accepted if `u · q(d) < p(d)`, with `p` the target, `q` what the draft was drawn from and `u` in `[0, 1)`. In
//! place of the first that is not, a token of `norm(max(p - q, 0))` is drawn; if all are, one more of the last target.
//!
//! "Less than" where others have "at most": a token that the target excludes would be accepted when `u` is 0.

use super::judge::{Judge, Lists, Rows};
use super::rows::{Dense, Sums};
use crate::{Distribution, Error, Purpose, uniform};

/// Which random numbers a verification takes: those of its positions, whatever is drafted there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Draws {
    /// That of the request.
    pub seed: u64,
    /// The place in the sequence of the first drafted token.
    pub position: u64,
    /// Which of the sequences of the request.
    pub sample: u32,
}

impl Draws {
    fn uniform(self, offset: usize, purpose: Purpose) -> f64 {
        let position = self.position.wrapping_add(offset as u64);
        uniform(self.seed, position, purpose, self.sample)
    }
}

/// How the drafted tokens came about.
#[derive(Debug, Clone, Copy)]
pub enum Drafts<'a> {
    /// Looked up, or the likeliest of a model: each could be no other.
    Deterministic,
    /// Each drawn from the distribution at its place.
    Stochastic(&'a [Distribution]),
}

/// What is left of a draft, and what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// How many drafted tokens were accepted.
    pub accepted: usize,
    /// These, and one more token.
    pub tokens: Vec<u32>,
}

/// Verifies drafted tokens against the distributions that the model has at their places.
///
/// `targets` are what the sampler would draw from, with everything applied that it applies, one at each drafted token and
/// one behind the last. Distributions need not be normalised to the last bit: what they sum to is taken for the whole, if
/// it is 1 within 0.001. What is behind the first token that is rejected is not looked at.
///
/// Every position follows its target exactly, and takes random numbers of its own: [`Purpose::Acceptance`], then
/// [`Purpose::Residual`] where a token is rejected, or [`Purpose::Token`] behind the last, where the draw is the one that
/// would have been made without a draft.
///
/// # Errors
///
/// [`Error::Parameter`]: not as many distributions as that. [`Error::Row`]: one that was looked at has a probability that
/// is negative or not a number, ids that do not ascend, or another sum.
///
/// # Examples
///
/// ```
/// use inferail_sampler::{Distribution, speculative::{Drafts, Draws, verify}};
///
/// let certain = |id| Distribution { ids: vec![id], probabilities: vec![1.0] };
/// let targets = [certain(5), certain(6), certain(7)];
///
/// let verified = verify(&[5, 9], &targets, Drafts::Deterministic, Draws::default())?;
///
/// assert_eq!((verified.accepted, verified.tokens), (1, vec![5, 6]));
/// # Ok::<(), inferail_sampler::Error>(())
/// ```
pub fn verify(
    draft: &[u32],
    targets: &[Distribution],
    drafts: Drafts<'_>,
    draws: Draws,
) -> Result<Verified, Error> {
    let drafts = match drafts {
        Drafts::Deterministic => None,
        Drafts::Stochastic(drafts) => Some(drafts),
    };
    check_rows(draft, targets.len(), drafts.map(<[_]>::len))?;
    judged(draft, &Lists { targets, drafts }, |offset, purpose| {
        draws.uniform(offset, purpose)
    })
}

/// [`verify`] of rows that have a probability for every token: it gives the same as the lists of those that are not 0.
///
/// `targets` are `[draft.len() + 1, vocabulary]` and `drafts` `[draft.len(), vocabulary]`; without them the draft could be
/// no other. Reads a row at most three times and copies none.
///
/// # Errors
///
/// As [`verify`]; [`Error::Parameter`] also where a drafted token has no column, and where the columns are not as many.
pub fn verify_dense<T, D>(
    draft: &[u32],
    targets: Dense<'_, T>,
    drafts: Option<Dense<'_, D>>,
    draws: Draws,
) -> Result<Verified, Error>
where
    T: Copy + Into<f64> + PartialOrd + Default,
    D: Copy + Into<f64> + PartialOrd + Default,
{
    check_rows(draft, targets.rows(), drafts.map(|drafts| drafts.rows()))?;
    let columns = targets.columns();
    if let Some(drafts) = drafts
        && drafts.columns() != columns
    {
        return Err(Error::Parameter {
            name: "drafts",
            expected: "as wide as targets",
            value: format!("{} columns for {columns}", drafts.columns()),
        });
    }
    if let Some(id) = draft.iter().find(|id| **id as usize >= columns) {
        return Err(Error::Parameter {
            name: "draft",
            expected: "ids below the number of columns of targets",
            value: format!("{id} for {columns} columns"),
        });
    }
    judged(draft, &Rows { targets, drafts }, |offset, purpose| {
        draws.uniform(offset, purpose)
    })
}

/// Accepts drafted tokens as long as they are what was sampled without them.
///
/// `sampled` has a token for each drafted one and one more. This too follows the targets exactly, needs no probabilities,
/// and for drafts that could be no other accepts as many as [`verify`]; of drafts that were drawn it accepts fewer.
///
/// # Errors
///
/// [`Error::Parameter`]: not as many sampled tokens as that.
pub fn accept_exactly(draft: &[u32], sampled: &[u32]) -> Result<Verified, Error> {
    if sampled.len() != draft.len() + 1 {
        return Err(counts(
            "sampled",
            "one token more than draft",
            sampled.len(),
            draft.len(),
        ));
    }
    let accepted = draft
        .iter()
        .zip(sampled)
        .take_while(|(one, other)| one == other)
        .count();
    Ok(Verified {
        accepted,
        tokens: sampled[..=accepted].to_vec(),
    })
}

fn check_rows(draft: &[u32], targets: usize, drafts: Option<usize>) -> Result<(), Error> {
    if targets != draft.len() + 1 {
        return Err(counts(
            "targets",
            "one row more than draft has tokens",
            targets,
            draft.len(),
        ));
    }
    match drafts {
        Some(rows) if rows != draft.len() => Err(counts(
            "drafts",
            "as many rows as draft has tokens",
            rows,
            draft.len(),
        )),
        _ => Ok(()),
    }
}

fn counts(name: &'static str, expected: &'static str, count: usize, tokens: usize) -> Error {
    Error::Parameter {
        name,
        expected,
        value: format!("{count} for {tokens}"),
    }
}

fn judged(
    draft: &[u32],
    judge: &impl Judge,
    uniform: impl Fn(usize, Purpose) -> f64,
) -> Result<Verified, Error> {
    for (at, &id) in draft.iter().enumerate() {
        let sums = Sums {
            target: judge.target_sum(at)?,
            draft: judge.draft_sum(at)?,
        };
        let (target, drafted) = judge.weights(at, id);
        if sums.accepts(target, drafted, uniform(at, Purpose::Acceptance)) {
            continue;
        }
        let place = uniform(at, Purpose::Residual);
        let stand_in = judge.draw_residual(at, id, sums, place);
        // Two rows that are equal but for their rounding leave nothing: then the target itself is what is left.
        let stand_in = stand_in.or_else(|| judge.draw_target(at, sums.target, place));
        return followed(draft, at, stand_in);
    }
    let end = draft.len();
    let sum = judge.target_sum(end)?;
    followed(
        draft,
        end,
        judge.draw_target(end, sum, uniform(end, Purpose::Token)),
    )
}

/// The accepted tokens and the one behind them, which every row that sums to 1 has.
fn followed(draft: &[u32], accepted: usize, next: Option<u32>) -> Result<Verified, Error> {
    let next = next.ok_or_else(|| Error::Row {
        name: "targets",
        row: accepted,
        problem: "nothing in it is possible".to_owned(),
    })?;
    let mut tokens = Vec::with_capacity(accepted + 1);
    tokens.extend_from_slice(&draft[..accepted]);
    tokens.push(next);
    Ok(Verified { accepted, tokens })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distribution(probabilities: &[(u32, f64)]) -> Distribution {
        let (ids, probabilities) = probabilities.iter().copied().unzip();
        Distribution { ids, probabilities }
    }

    fn with_zero(draft: &[u32], lists: Lists<'_>) -> Vec<u32> {
        judged(draft, &lists, |_, _| 0.0).unwrap().tokens
    }

    // Serves R12.
    #[test]
    fn impossible_token_is_rejected_even_when_the_random_number_is_0() {
        let targets = [
            distribution(&[(3, 0.0), (7, 1.0)]),
            distribution(&[(1, 1.0)]),
        ];
        let drafts = [distribution(&[(3, 0.5), (4, 0.5)])];

        for drafts in [None, Some(&drafts[..])] {
            assert_eq!(
                with_zero(
                    &[3],
                    Lists {
                        targets: &targets,
                        drafts
                    }
                ),
                [7]
            );
            assert_eq!(
                with_zero(
                    &[4],
                    Lists {
                        targets: &targets,
                        drafts
                    }
                ),
                [7]
            );
        }
    }

    #[test]
    fn impossible_token_of_a_row_is_rejected_even_when_the_random_number_is_0() {
        let targets = Dense::new(&[0.0_f32, 1.0, 0.5, 0.5], 2).unwrap();
        let drafts = Dense::new(&[1.0_f32, 0.0], 2).unwrap();

        for drafts in [None, Some(drafts)] {
            let verified = judged(&[0], &Rows { targets, drafts }, |_, _| 0.0).unwrap();
            assert_eq!(verified.tokens, [1]);
        }
    }

    #[test]
    fn token_that_its_own_draft_excludes_is_rejected() {
        let targets = [
            distribution(&[(3, 0.5), (7, 0.5)]),
            distribution(&[(1, 1.0)]),
        ];
        let drafts = [distribution(&[(7, 1.0)])];

        let lists = Lists {
            targets: &targets,
            drafts: Some(&drafts),
        };

        assert_eq!(
            with_zero(&[3], lists),
            [3],
            "rejected, and drawn from what is left"
        );
        assert_eq!(judged(&[3], &lists, |_, _| 0.0).unwrap().accepted, 0);
    }

    #[test]
    fn certain_token_is_accepted_even_when_the_random_number_is_the_greatest() {
        let greatest = 1.0 - f64::EPSILON / 2.0;
        for sum in [1.0, 0.999_5, 1.000_7, 1.0 / 3.0 * 3.0, 0.999_999_9] {
            let targets = [distribution(&[(3, sum)]), distribution(&[(1, 1.0)])];
            let lists = Lists {
                targets: &targets,
                drafts: None,
            };

            let verified = judged(&[3], &lists, |_, _| greatest).unwrap();

            assert_eq!(verified.tokens, [3, 1], "{sum}");
        }
    }

    #[test]
    fn target_is_drawn_from_where_nothing_is_left() {
        // The draft says of itself that it could be no other, and the random number is none: no residual is left.
        let targets = [distribution(&[(3, 1.0)]), distribution(&[(1, 1.0)])];
        let lists = Lists {
            targets: &targets,
            drafts: None,
        };

        let verified = judged(&[3], &lists, |_, _| 1.0).unwrap();

        assert_eq!(
            verified,
            Verified {
                accepted: 0,
                tokens: vec![3]
            }
        );
    }
}
