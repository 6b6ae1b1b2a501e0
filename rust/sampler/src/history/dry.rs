//! DRY ("don't repeat yourself"): what would go on with a sequence that was there before.
//!
//! As in llama.cpp (`llama_sampler_dry_apply`), with sequence breakers that are single tokens.

use crate::settings::parameters::Dry;

/// Largest exponent whose power of `base` is a finite `f32`.
const LARGEST_POWER: f64 = 88.722_839;

/// Ascending ids and what is taken from the logit of each.
pub(super) fn penalties(tokens: &[u32], dry: &Dry) -> Vec<(u32, f64)> {
    let breaks = |token: &u32| dry.breakers.binary_search(token).is_ok();
    // A repetition does not reach over a breaker.
    let longest = tokens
        .iter()
        .rev()
        .take_while(|token| !breaks(token))
        .count();
    if dry.multiplier == 0.0 || longest < dry.allowed_length {
        return Vec::new();
    }
    let latest: Vec<u32> = tokens.iter().rev().copied().collect();
    let mut repeated: Vec<(u32, usize)> = Vec::new();
    for (at, length) in common_lengths(&latest).into_iter().enumerate().skip(1) {
        let (length, next) = (length.min(longest), latest[at - 1]);
        if length >= dry.allowed_length && !breaks(&next) {
            repeated.push((next, length));
        }
    }
    repeated.sort_unstable();
    let last_of_each = repeated
        .chunk_by(|a, b| a.0 == b.0)
        .filter_map(|run| run.last());
    // Up to this base llama.cpp knows no limit.
    let is_limited = dry.base > 1.000_001;
    let largest = if is_limited {
        (LARGEST_POWER / dry.base.ln()).floor()
    } else {
        0.0
    };
    let largest = if largest > 0.0 { largest } else { f64::MAX };
    let amount = |length: usize| {
        let exponent = ((length - dry.allowed_length) as f64).min(largest);
        dry.multiplier * dry.base.powf(exponent)
    };
    last_of_each
        .map(|(token, length)| (*token, amount(*length)))
        .collect()
}

/// For every place, how many items from there on equal those of the beginning: the Z algorithm, linear.
fn common_lengths(items: &[u32]) -> Vec<usize> {
    let mut lengths = vec![0; items.len()];
    let (mut start, mut end) = (0, 0);
    for at in 1..items.len() {
        let mut length = if at < end {
            lengths[at - start].min(end - at)
        } else {
            0
        };
        while items
            .get(at + length)
            .is_some_and(|item| *item == items[length])
        {
            length += 1;
        }
        if at + length > end {
            (start, end) = (at, at + length);
        }
        lengths[at] = length;
    }
    lengths
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn dry() -> Dry {
        Dry {
            multiplier: 1.0,
            base: 2.0,
            allowed_length: 2,
            window: None,
            breakers: vec![9],
        }
    }

    #[test]
    fn the_next_token_of_a_repetition_is_penalised() {
        assert_eq!(penalties(&[1, 2, 3, 4, 1, 2, 3], &dry()), [(4, 2.0)]);
        assert_eq!(
            penalties(&[2, 3, 4, 7, 2, 3, 5, 1, 2, 3], &dry()),
            [(4, 1.0), (5, 1.0)]
        );
    }

    #[test]
    fn a_repetition_ends_at_a_breaker() {
        assert_eq!(penalties(&[1, 9, 3, 4, 1, 9, 3], &dry()), []);
        assert_eq!(penalties(&[1, 9, 2, 3, 4, 1, 9, 2, 3], &dry()), [(4, 1.0)]);
        assert_eq!(penalties(&[2, 3, 9, 2, 3], &dry()), []);
    }

    proptest! {
        #[test]
        fn every_place_is_compared(
            tokens in proptest::collection::vec(0_u32..4, 0..40),
            allowed_length in 1_usize..4,
            window in proptest::option::of(0_usize..50),
        ) {
            let dry = Dry { allowed_length, breakers: vec![3], ..dry() };
            let tokens = &tokens[tokens.len().saturating_sub(window.unwrap_or(99))..];
            let seen = penalties(tokens, &dry);

            let mut expected = std::collections::BTreeMap::new();
            for next in 0..tokens.len() {
                let (before, suffix) = (&tokens[..next], tokens);
                let same = |length: usize| length <= before.len() && before[before.len() - length..] == suffix[suffix.len() - length..];
                let length = (0..tokens.len()).rev().find(|length| same(*length) && !suffix[suffix.len() - length..].contains(&3)).unwrap_or(0);
                if length >= allowed_length && tokens[next] != 3 {
                    let most = expected.entry(tokens[next]).or_insert(0);
                    *most = length.max(*most);
                }
            }
            let expected: Vec<(u32, f64)> = expected.into_iter().map(|(token, length): (u32, usize)| (token, 2.0_f64.powi((length - allowed_length) as i32))).collect();
            prop_assert_eq!(seen, expected);
        }
    }
}
