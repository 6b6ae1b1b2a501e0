//! Drafts from the sequence itself, against a search of all of it.

use inferail_sampler::{Error, speculative::PromptLookup};
use proptest::prelude::*;

/// The longest n-gram first, from the end backwards; what is drafted is copied on.
fn searched(tokens: &[u32], max_tokens: usize, min_ngram: usize, max_ngram: usize) -> Vec<u32> {
    for len in (min_ngram..=max_ngram.min(tokens.len())).rev() {
        let gram = &tokens[tokens.len() - len..];
        for end in (len..tokens.len()).rev() {
            if &tokens[end - len..end] == gram {
                let mut all = tokens.to_vec();
                for from in end..end + max_tokens {
                    all.push(all[from]);
                }
                return all[tokens.len()..].to_vec();
            }
        }
    }
    Vec::new()
}

#[derive(Debug, Clone)]
enum Step {
    Push(u32),
    Extend(Vec<u32>),
    /// By how many.
    Shorten(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3_u32).prop_map(Step::Push),
        2 => prop::collection::vec(0..4_u32, 0..12).prop_map(Step::Extend),
        2 => (0..8_usize).prop_map(Step::Shorten),
    ]
}

proptest! {
    // Serves R12.
    #[test]
    fn draft_is_what_a_search_finds(
        steps in prop::collection::vec(step(), 0..60),
        (min_ngram, max_ngram) in (1..=4_usize).prop_flat_map(|min| (Just(min), min..=6)),
        max_tokens in 0..7_usize,
    ) {
        let mut lookup = PromptLookup::new(min_ngram, max_ngram).unwrap();
        let mut tokens = Vec::new();
        for step in steps {
            match step {
                Step::Push(token) => {
                    lookup.push(token);
                    tokens.push(token);
                }
                Step::Extend(more) => {
                    lookup.extend(&more);
                    tokens.extend(more);
                }
                Step::Shorten(by) => {
                    tokens.truncate(tokens.len().saturating_sub(by));
                    lookup.truncate(tokens.len());
                }
            }

            prop_assert_eq!(lookup.tokens(), &tokens[..]);
            let expected = searched(&tokens, max_tokens, min_ngram, max_ngram);
            prop_assert_eq!(lookup.draft(max_tokens), expected);
        }
    }

    #[test]
    fn taken_back_tokens_leave_no_trace(
        kept in prop::collection::vec(0..5_u32, 0..200),
        gone in prop::collection::vec(0..5_u32, 0..200),
        next in prop::collection::vec(0..5_u32, 0..40),
    ) {
        let mut lookup = PromptLookup::new(1, 4).unwrap();
        lookup.extend(&kept);
        lookup.extend(&gone);
        lookup.truncate(kept.len());
        let mut fresh = PromptLookup::new(1, 4).unwrap();
        fresh.extend(&kept);

        for token in next {
            prop_assert_eq!(lookup.draft(5), fresh.draft(5));
            lookup.push(token);
            fresh.push(token);
        }
    }
}

#[test]
fn most_recent_of_the_longest_decides() {
    let mut lookup = PromptLookup::new(1, 3).unwrap();

    lookup.extend(&[1, 2, 3, 40, 2, 3, 41, 1, 2, 3, 42, 3, 43, 1, 2, 3]);

    assert_eq!(lookup.draft(2), [42, 3]);
}

#[test]
fn what_repeats_goes_on_repeating() {
    let mut lookup = PromptLookup::new(2, 4).unwrap();

    lookup.extend(&[7, 8, 9, 7, 8, 9, 7]);

    assert_eq!(lookup.draft(8), [8, 9, 7, 8, 9, 7, 8, 9]);
}

#[test]
fn nothing_is_drafted_where_nothing_repeats() {
    let mut lookup = PromptLookup::new(1, 3).unwrap();
    assert!(lookup.draft(4).is_empty());

    lookup.extend(&[1, 2, 3]);

    assert!(lookup.draft(4).is_empty());
    lookup.push(1);
    assert!(lookup.draft(0).is_empty());
    lookup.truncate(9);
    assert_eq!(lookup.draft(1), [2]);
    lookup.truncate(0);
    assert!(lookup.tokens().is_empty());
}

#[test]
fn lengths_that_mean_nothing_are_refused() {
    for (min_ngram, max_ngram, at_fault) in [
        (0, 3, "min_ngram"),
        (4, 3, "min_ngram"),
        (1, 17, "max_ngram"),
        (0, 0, "max_ngram"),
    ] {
        let error = PromptLookup::new(min_ngram, max_ngram).unwrap_err();
        assert!(
            matches!(error, Error::Parameter { name, .. } if name == at_fault),
            "{error}"
        );
    }
}
