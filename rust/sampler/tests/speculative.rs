//! Verified drafts: the distribution of what comes out, and rows against lists.

use inferail_sampler::speculative::{
    Dense, Drafts, Draws, Verified, accept_exactly, verify, verify_dense,
};
use inferail_sampler::{Distribution, Error, Purpose, uniform};
use proptest::prelude::*;

/// The tokens of a row that are possible.
fn listed(row: &[f64]) -> Distribution {
    let kept = row
        .iter()
        .enumerate()
        .filter(|(_, probability)| **probability > 0.0);
    let (ids, probabilities) = kept
        .map(|(id, probability)| (id as u32, *probability))
        .unzip();
    Distribution { ids, probabilities }
}

fn normalised(weights: Vec<f64>) -> Vec<f64> {
    let sum: f64 = weights.iter().sum();
    if sum > 0.0 {
        return weights.into_iter().map(|weight| weight / sum).collect();
    }
    let each = 1.0 / weights.len() as f64;
    vec![each; weights.len()]
}

/// A row in which some tokens are impossible; from a number, which is faster than a strategy for each probability.
fn row(columns: usize) -> impl Strategy<Value = Vec<f64>> {
    any::<u64>().prop_map(move |seed| {
        let numbers = (0..columns as u64).map(|at| uniform(seed, at, Purpose::Token, 0));
        normalised(numbers.map(|number| (number - 0.4).max(0.0)).collect())
    })
}

/// Targets, drafts and drafted tokens, over a few tokens or more than a block of sums.
fn case() -> impl Strategy<Value = (Vec<Vec<f64>>, Vec<Vec<f64>>, Vec<u32>)> {
    let size = (0..4_usize, prop_oneof![1..9_usize, Just(4_500)]);
    size.prop_flat_map(|(len, columns)| {
        (
            prop::collection::vec(row(columns), len + 1),
            prop::collection::vec(row(columns), len),
            prop::collection::vec(0..columns as u32, len),
        )
    })
}

proptest! {
    #[test]
    fn rows_give_what_lists_give((targets, drafts, draft) in case(), seed: u64, stochastic: bool) {
        let columns = targets[0].len();
        let lists: Vec<_> = targets.iter().map(|row| listed(row)).collect();
        let draft_lists: Vec<_> = drafts.iter().map(|row| listed(row)).collect();
        let draws = Draws { seed, position: seed >> 7, sample: 3 };
        let (flat, draft_flat) = (targets.concat(), drafts.concat());
        let dense_drafts = stochastic.then(|| Dense::new(&draft_flat, columns).unwrap());
        let sparse_drafts = if stochastic { Drafts::Stochastic(&draft_lists) } else { Drafts::Deterministic };

        let dense = verify_dense(&draft, Dense::new(&flat, columns).unwrap(), dense_drafts, draws);
        let sparse = verify(&draft, &lists, sparse_drafts, draws);

        prop_assert_eq!(&dense, &sparse);
        let Verified { accepted, tokens } = sparse.unwrap();
        prop_assert_eq!(tokens.len(), accepted + 1);
        prop_assert_eq!(&tokens[..accepted], &draft[..accepted]);
        for (token, target) in tokens.iter().zip(&lists) {
            prop_assert!(target.probability(*token) > 0.0);
        }
    }

    #[test]
    fn rows_of_short_numbers_give_what_those_of_long_ones_give((targets, _, draft) in case(), seed: u64) {
        let columns = targets[0].len();
        let short: Vec<f32> = targets.concat().iter().map(|value| *value as f32).collect();
        let long: Vec<f64> = short.iter().copied().map(f64::from).collect();
        let draws = Draws { seed, ..Draws::default() };

        let of_short = verify_dense::<_, f32>(&draft, Dense::new(&short, columns).unwrap(), None, draws);
        let of_long = verify_dense::<_, f32>(&draft, Dense::new(&long, columns).unwrap(), None, draws);

        prop_assert_eq!(of_short, of_long);
    }

    #[test]
    fn empty_draft_is_the_draw_without_one(target in row(12), seed: u64, position: u64, sample: u32) {
        let target = listed(&target);
        let drawn = target.draw(uniform(seed, position, Purpose::Token, sample));
        let draws = Draws { seed, position, sample };

        let verified = verify(&[], &[target], Drafts::Deterministic, draws).unwrap();

        prop_assert_eq!(Some(verified.tokens[0]), drawn);
    }
}

/// The statistic and its degrees of freedom; cells of which fewer than 5 are expected count as one.
fn chi_square(counts: &[f64], expected: &[f64]) -> (f64, f64) {
    let cells = counts.iter().zip(expected);
    let (pooled, whole): (Vec<_>, Vec<_>) = cells.partition(|(_, expected)| **expected < 5.0);
    let sum = |cells: &[(&f64, &f64)]| {
        cells
            .iter()
            .fold((0.0, 0.0), |(a, b), (c, d)| (a + **c, b + **d))
    };
    let mut cells: Vec<(f64, f64)> = whole.iter().map(|(a, b)| (**a, **b)).collect();
    let (pooled_count, pooled_expected) = sum(&pooled);
    if pooled_expected > 0.0 {
        cells.push((pooled_count, pooled_expected));
    } else {
        assert!(
            pooled_count == 0.0,
            "what is impossible came {pooled_count} times"
        );
    }
    let statistic = cells
        .iter()
        .map(|(count, expected)| (count - expected).powi(2) / expected)
        .sum();
    (statistic, cells.len() as f64 - 1.0)
}

/// Above this, chi-square with `freedom` degrees is less likely than 1e-4 (Wilson and Hilferty, 1931).
fn limit(freedom: f64) -> f64 {
    let part = 2.0 / (9.0 * freedom);
    freedom * (1.0 - part + 3.719 * part.sqrt()).powi(3)
}

/// A model whose second token depends on its first.
fn model() -> (Vec<f64>, Vec<Vec<f64>>) {
    let first = normalised(vec![5.0, 3.0, 0.0, 1.0, 0.5]);
    let second =
        (0..5).map(|shift| normalised((0..5).map(|id| f64::from((id * 3 + shift) % 5)).collect()));
    (first, second.collect())
}

/// How often each pair of tokens came in `ROUNDS` sequences of two, each drafted by `draft`.
fn pairs(drafted: impl Fn(u64) -> (Vec<u32>, Option<Vec<Vec<f64>>>)) -> Result<Vec<f64>, Error> {
    let (first, second) = model();
    let mut counts = vec![0.0; 25];
    for round in 0..ROUNDS {
        let (draft, drafts) = drafted(round);
        let mut targets = vec![listed(&first)];
        targets.extend(draft.iter().map(|id| listed(&second[*id as usize])));
        let drafts: Option<Vec<_>> =
            drafts.map(|rows| rows.iter().map(|row| listed(row)).collect());
        let drafts = drafts
            .as_ref()
            .map_or(Drafts::Deterministic, |rows| Drafts::Stochastic(rows));
        let draws = Draws {
            seed: round,
            position: 40,
            sample: 1,
        };
        let mut tokens = verify(&draft, &targets, drafts, draws)?.tokens;
        if tokens.len() == 1 {
            // The next call goes on behind the token that stood in.
            let next = [listed(&second[tokens[0] as usize])];
            let draws = Draws {
                position: 41,
                ..draws
            };
            tokens.extend(verify(&[], &next, Drafts::Deterministic, draws)?.tokens);
        }
        counts[tokens[0] as usize * 5 + tokens[1] as usize] += 1.0;
    }
    Ok(counts)
}

const ROUNDS: u64 = 15_000;

fn expected() -> Vec<f64> {
    let (first, second) = model();
    let pairs = first.iter().zip(&second);
    pairs
        .flat_map(|(one, row)| row.iter().map(move |other| one * other * ROUNDS as f64))
        .collect()
}

fn drawn(row: &[f64], seed: u64, position: u64) -> u32 {
    listed(row)
        .draw(uniform(seed, position, Purpose::Draft, 1))
        .unwrap_or(u32::MAX)
}

fn assert_same_law(counts: Result<Vec<f64>, Error>) {
    let counts = counts.map_err(|error| error.to_string());
    let Ok(counts) = &counts else {
        return assert_eq!(counts, Ok(Vec::new()));
    };
    let (statistic, freedom) = chi_square(counts, &expected());
    assert!(
        statistic < limit(freedom),
        "chi-square {statistic} with {freedom} degrees of freedom"
    );
}

// Serves R12.
#[test]
fn pairs_follow_the_model_when_the_draft_could_be_no_other() {
    for draft in [vec![0], vec![1, 4], vec![2, 0], vec![3, 1]] {
        assert_same_law(pairs(|_| (draft.clone(), None)));
    }
}

// Serves R12.
#[test]
fn pairs_follow_the_model_when_the_draft_was_drawn() {
    let other = normalised(vec![1.0, 1.0, 4.0, 1.0, 1.0]);
    assert_same_law(pairs(|round| {
        let draft = vec![drawn(&other, round, 40), drawn(&other, round, 41)];
        (draft, Some(vec![other.clone(), other.clone()]))
    }));
}

// Serves R12.
#[test]
fn pairs_follow_the_model_when_the_draft_is_the_model() {
    let (first, second) = model();
    assert_same_law(pairs(|round| {
        let one = drawn(&first, round, 40);
        let row = second[one as usize].clone();
        (
            vec![one, drawn(&row, round, 41)],
            Some(vec![first.clone(), row]),
        )
    }));
}

// Serves R12.
#[test]
fn pairs_follow_the_model_when_the_draft_is_never_right() {
    // The model excludes token 2 at the first place.
    let disjoint = vec![0.0, 0.0, 1.0, 0.0, 0.0];
    assert_same_law(pairs(|_| (vec![2], Some(vec![disjoint.clone()]))));
}

#[test]
fn equal_rows_are_always_accepted() {
    let row = normalised(vec![0.3, 0.1, 0.7, 0.2]);
    for seed in 0..5_000 {
        let draft = [drawn(&row, seed, 0)];
        let rows = [listed(&row)];

        let verified = verify(
            &draft,
            &[listed(&row), listed(&row)],
            Drafts::Stochastic(&rows),
            Draws {
                seed,
                ..Draws::default()
            },
        );

        assert_eq!(verified.unwrap().accepted, 1);
    }
}

#[test]
fn greedy_targets_accept_what_is_their_only_token() {
    let certain = |id| Distribution {
        ids: vec![id],
        probabilities: vec![1.0],
    };
    let targets = [certain(4), certain(5), certain(6)];
    for seed in 0..1_000 {
        let draws = Draws {
            seed,
            ..Draws::default()
        };
        assert_eq!(
            verify(&[4, 5], &targets, Drafts::Deterministic, draws)
                .unwrap()
                .tokens,
            [4, 5, 6]
        );
        assert_eq!(
            verify(&[4, 9], &targets, Drafts::Deterministic, draws)
                .unwrap()
                .tokens,
            [4, 5]
        );
    }
}

#[test]
fn positions_take_random_numbers_of_their_own() {
    let half = || listed(&[0.5, 0.5]);
    for seed in 0..500 {
        // Position 7 of a draft that begins there, and of one that begins earlier and was accepted so far.
        let alone = verify(
            &[0],
            &[half(), half()],
            Drafts::Deterministic,
            Draws {
                seed,
                position: 7,
                sample: 2,
            },
        )
        .unwrap();
        let certain = Distribution {
            ids: vec![1],
            probabilities: vec![1.0],
        };
        let draws = Draws {
            seed,
            position: 6,
            sample: 2,
        };
        let behind = verify(
            &[1, 0],
            &[certain, half(), half()],
            Drafts::Deterministic,
            draws,
        )
        .unwrap();

        assert_eq!(alone.tokens, behind.tokens[1..]);
    }
}

#[test]
fn row_that_is_not_of_probabilities_is_an_error() {
    for (wrong, problem) in [
        (vec![f64::NAN, 1.0], "token 0 has the probability NaN"),
        (vec![1.25, -0.25], "token 1 has the probability -0.25"),
        (vec![3.0, 4.0], "sum to 7"),
        (vec![f64::INFINITY, 0.0], "sum to inf"),
        (vec![0.0, 0.0], "sum to 0"),
    ] {
        let good = [0.5, 0.5];
        let lists = |row: &[f64]| Distribution {
            ids: vec![0, 1],
            probabilities: row.to_vec(),
        };
        let draws = Draws::default();
        let flat = [&wrong[..], &good].concat();
        let dense = Dense::new(&flat, 2).unwrap();
        let other = [good, good].concat();

        let errors = [
            verify(
                &[0],
                &[lists(&wrong), lists(&good)],
                Drafts::Deterministic,
                draws,
            ),
            verify(
                &[0],
                &[lists(&good), lists(&good)],
                Drafts::Stochastic(&[lists(&wrong)]),
                draws,
            ),
            verify_dense::<_, f64>(&[0], dense, None, draws),
            verify_dense(
                &[0],
                Dense::new(&other, 2).unwrap(),
                Some(Dense::new(&wrong, 2).unwrap()),
                draws,
            ),
        ];

        for (error, name) in errors
            .into_iter()
            .zip(["targets", "drafts", "targets", "drafts"])
        {
            let error = error.unwrap_err();
            assert!(
                matches!(error, Error::Row { row: 0, name: other, .. } if other == name),
                "{error}"
            );
            assert!(
                error.to_string().contains(problem),
                "{error} instead of {problem}"
            );
        }
    }
}

#[test]
fn sum_may_be_off_by_a_thousandth() {
    let row = |sum: f64| Distribution {
        ids: vec![0, 1],
        probabilities: vec![sum / 2.0, sum / 2.0],
    };
    for (sum, is_right) in [
        (0.998, false),
        (0.9992, true),
        (1.0008, true),
        (1.002, false),
    ] {
        let verified = verify(&[], &[row(sum)], Drafts::Deterministic, Draws::default());
        assert_eq!(verified.is_ok(), is_right, "{sum}");
    }
}

#[test]
fn ids_out_of_order_are_an_error() {
    for ids in [vec![1, 0], vec![1, 1], vec![1]] {
        let wrong = Distribution {
            ids,
            probabilities: vec![0.5, 0.5],
        };
        let error = verify(&[], &[wrong], Drafts::Deterministic, Draws::default()).unwrap_err();
        assert!(matches!(error, Error::Row { .. }), "{error}");
    }
}

#[test]
fn shapes_that_do_not_fit_are_an_error() {
    let values = [0.5; 8];
    let dense = |rows, columns| Dense::new(&values[..rows * columns], columns).unwrap();
    let draws = Draws::default();

    for (draft, targets, drafts, at_fault) in [
        (&[0][..], dense(3, 2), None, "targets"),
        (&[0], dense(2, 2), Some(dense(2, 2)), "drafts"),
        (&[0], dense(2, 2), Some(dense(1, 4)), "drafts"),
        (&[2], dense(2, 2), None, "draft"),
    ] {
        let error = verify_dense(draft, targets, drafts, draws).unwrap_err();
        assert!(
            matches!(error, Error::Parameter { name, .. } if name == at_fault),
            "{error}"
        );
    }
    assert!(Dense::new(&values, 3).is_err());
    assert!(Dense::new(&values, 0).is_err());
    assert!(verify(&[0], &[], Drafts::Deterministic, draws).is_err());
}

#[test]
fn sampled_tokens_are_accepted_while_they_are_equal() {
    let verified = accept_exactly(&[1, 2, 3], &[1, 2, 4, 5]).unwrap();

    assert_eq!(
        verified,
        Verified {
            accepted: 2,
            tokens: vec![1, 2, 4]
        }
    );
    assert_eq!(accept_exactly(&[], &[7]).unwrap().tokens, [7]);
    assert_eq!(accept_exactly(&[7], &[7, 8]).unwrap().tokens, [7, 8]);
    assert!(accept_exactly(&[7], &[7]).is_err());
}
