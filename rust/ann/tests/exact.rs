//! The index against the obvious search through everything, in float64.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use std::collections::BTreeMap;

use inferail_ann::{Entry, Error, Level, Metric, Precision, Settings, VectorIndex};
use proptest::collection::vec;
use proptest::prelude::*;

const NOW: u64 = 1_000;

/// What the index is compared with.
#[derive(Debug, Clone, Default)]
struct Reference(BTreeMap<u64, Kept>);

#[derive(Debug, Clone)]
struct Kept {
    vector: Vec<f32>,
    threshold: Option<f32>,
    expires: Option<u64>,
}

impl Reference {
    /// Keys and scores, the best first.
    fn ranked(&self, metric: Metric, query: &[f32]) -> Vec<(u64, f64, Option<f32>)> {
        let live = self
            .0
            .iter()
            .filter(|(_, kept)| kept.expires.is_none_or(|at| at > NOW));
        let mut ranked: Vec<_> = live
            .map(|(key, kept)| (*key, score(metric, query, &kept.vector), kept.threshold))
            .collect();
        ranked.sort_by(|a, b| match metric {
            Metric::L2 => a.1.total_cmp(&b.1),
            _ => b.1.total_cmp(&a.1),
        });
        ranked
    }
}

fn score(metric: Metric, left: &[f32], right: &[f32]) -> f64 {
    let product = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum()
    };
    match metric {
        Metric::Dot => product(left, right),
        Metric::Cosine => {
            let lengths = (product(left, left) * product(right, right)).sqrt();
            if lengths > 0.0 {
                product(left, right) / lengths
            } else {
                0.0
            }
        }
        Metric::L2 => {
            let squares = left
                .iter()
                .zip(right)
                .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
            squares.sum::<f64>().sqrt()
        }
    }
}

/// Vectors that are near each other, far apart, equal, opposite and zero.
fn vectors(
    dim: usize,
    count: impl Into<proptest::collection::SizeRange>,
) -> impl Strategy<Value = Vec<Vec<f32>>> {
    let centre = vec(-1.0_f32..1.0, dim);
    let vector = (0_usize..4, vec(-1.0_f32..1.0, dim), -1.0_f32..1.0, 0_u8..8);
    (vec(centre, 4), vec(vector, count)).prop_map(|(centres, vectors)| {
        let made = vectors.into_iter().map(|(centre, noise, size, kind)| {
            let centre = &centres[centre];
            let near = |by: f32| centre.iter().zip(&noise).map(|(a, b)| a + by * b).collect();
            match kind {
                0 => centre.clone(),
                1 => centre.iter().map(|number| -number).collect(),
                2 => vec![0.0; centre.len()],
                3 => noise.clone(),
                _ => near(size * size * 0.5),
            }
        });
        made.collect()
    })
}

#[derive(Debug, Clone)]
enum Step {
    Upsert(Vec<(u64, Option<f32>, Option<u64>)>),
    Delete(Vec<u64>),
    Threshold(u64, Option<f32>),
    Expire,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let threshold = prop_oneof![3 => Just(None), 1 => (0.0_f32..1.0).prop_map(Some)];
    let expires = prop_oneof![3 => Just(None), 1 => (1_u64..2_000).prop_map(Some)];
    let entry = (0_u64..60, threshold.clone(), expires);
    let step = prop_oneof![
        4 => vec(entry, 1..30).prop_map(Step::Upsert),
        2 => vec(0_u64..60, 1..10).prop_map(Step::Delete),
        1 => (0_u64..60, threshold).prop_map(|(key, threshold)| Step::Threshold(key, threshold)),
        1 => Just(Step::Expire),
    ];
    vec(step, 1..14)
}

fn tolerance(metric: Metric, dim: usize) -> f64 {
    match metric {
        Metric::L2 => 2e-3,
        _ => 4e-6 * dim as f64 + 1e-5,
    }
}

/// The nearest entry of the index is the reference's, up to float32.
fn check(
    index: &VectorIndex,
    reference: &Reference,
    query: &[f32],
    threshold: f32,
) -> Result<(), TestCaseError> {
    let metric = index.settings().metric();
    let near = tolerance(metric, query.len());
    let reaches = |score: f64, floor: f64, by: f64| match metric {
        Metric::L2 => score <= floor + by,
        _ => score >= floor - by,
    };
    let ranked = reference.ranked(metric, query);
    let counts = |by: f64| {
        ranked.iter().find(|(_, score, own)| {
            reaches(*score, threshold.into(), by)
                && own.is_none_or(|own| reaches(*score, own.into(), by))
        })
    };
    match index.nearest("n", query, threshold, NOW).unwrap() {
        Some((key, score)) => {
            let (_, exact, own) = *ranked.iter().find(|(other, ..)| *other == key).unwrap();
            prop_assert!(
                (f64::from(score) - exact).abs() <= near,
                "{score} of {key} is {exact}"
            );
            prop_assert!(reaches(exact, threshold.into(), near));
            prop_assert!(own.is_none_or(|own| reaches(exact, own.into(), near)));
            if let Some((_, best, _)) = counts(-near) {
                prop_assert!(
                    reaches(exact, *best, near),
                    "{exact} is found, {best} is there"
                );
            }
        }
        None => prop_assert!(counts(-near).is_none(), "{:?} was missed", counts(-near)),
    }
    let found = index.search("n", query, 7, NOW).unwrap();
    prop_assert_eq!(found.len(), ranked.len().min(7));
    for ((_, score), (_, exact, _)) in found.iter().zip(&ranked) {
        prop_assert!(
            (f64::from(*score) - exact).abs() <= near,
            "{score} is ranked where {exact} is"
        );
    }
    Ok(())
}

fn replay(index: &VectorIndex, vectors: &[Vec<f32>], steps: &[Step]) -> Reference {
    let mut reference = Reference::default();
    let mut next = 0;
    for step in steps {
        match step {
            Step::Upsert(entries) => {
                let unique: BTreeMap<_, _> =
                    entries.iter().map(|(key, a, b)| (*key, (*a, *b))).collect();
                let mut added = Vec::new();
                for (key, (threshold, expires)) in unique {
                    let vector = &vectors[next % vectors.len()];
                    next += 1;
                    added.push(Entry {
                        key,
                        vector,
                        payload: None,
                        threshold,
                        expires,
                    });
                    reference.0.insert(
                        key,
                        Kept {
                            vector: vector.clone(),
                            threshold,
                            expires,
                        },
                    );
                }
                index.upsert("n", &added, 0).unwrap();
            }
            Step::Delete(keys) => {
                let there: std::collections::BTreeSet<_> = keys
                    .iter()
                    .filter(|key| reference.0.contains_key(key))
                    .collect();
                assert_eq!(index.delete("n", keys).unwrap(), there.len());
                for key in keys {
                    reference.0.remove(key);
                }
            }
            Step::Threshold(key, threshold) => {
                let there = reference.0.get_mut(key);
                assert_eq!(
                    index.set_threshold("n", *key, *threshold).unwrap(),
                    there.is_some()
                );
                if let Some(kept) = there {
                    kept.threshold = *threshold;
                }
            }
            Step::Expire => {
                let before = reference.0.len();
                reference
                    .0
                    .retain(|_, kept| kept.expires.is_none_or(|at| at > NOW));
                assert_eq!(index.expire(NOW), before - reference.0.len());
            }
        }
        assert_eq!(index.len(), reference.0.len());
    }
    reference
}

fn metric() -> impl Strategy<Value = Metric> {
    prop_oneof![Just(Metric::Cosine), Just(Metric::Dot), Just(Metric::L2)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn nearest_and_search_are_exact_after_any_changes(
        (vectors, queries) in (1_usize..90).prop_flat_map(|dim| (vectors(dim, 1..80), vectors(dim, 1..6))),
        steps in steps(),
        metric in metric(),
        threshold in prop_oneof![Just(0.0_f32), Just(1.0), 0.0_f32..1.0, 0.8_f32..1.0],
    ) {
        for level in Level::all() {
            let dim = vectors[0].len();
            let settings = Settings::new(dim, metric, Precision::Float32).unwrap();
            let index = VectorIndex::with_level(settings, level);
            let reference = replay(&index, &vectors, &steps);
            for query in queries.iter().chain(&vectors) {
                check(&index, &reference, query, threshold)?;
            }
            if metric != Metric::L2 {
                check(&index, &reference, &queries[0], -1.0)?;
            }
        }
    }

    #[test]
    fn nearest_is_exact_with_a_basis_that_was_learned(
        (vectors, queries) in (40_usize..100).prop_flat_map(|dim| (vectors(dim, 600..900), vectors(dim, 20))),
        metric in metric(),
        threshold in 0.3_f32..1.0,
    ) {
        let dim = vectors[0].len();
        let index = VectorIndex::new(Settings::new(dim, metric, Precision::Float32).unwrap());
        let mut reference = Reference::default();
        let entries: Vec<_> = (0_u64..).zip(&vectors).map(|(key, vector)| {
            reference.0.insert(key, Kept { vector: vector.clone(), threshold: None, expires: None });
            Entry { key, vector, payload: None, threshold: None, expires: None }
        }).collect();
        for part in entries.chunks(250) {
            index.add("n", part, 0).unwrap();
        }
        for query in &queries {
            check(&index, &reference, query, threshold)?;
        }
    }

    #[test]
    fn scores_of_every_precision_are_those_of_the_kept_numbers(
        (vectors, query) in (1_usize..90).prop_flat_map(|dim| (vectors(dim, 1..40), vec(-1.0_f32..1.0, dim))),
        metric in metric(),
        precision in prop_oneof![Just(Precision::Float16), Just(Precision::Int8)],
    ) {
        let dim = query.len();
        let settings = Settings::new(dim, metric, precision).unwrap();
        let mut bits = None;
        for level in Level::all() {
            let index = VectorIndex::with_level(settings, level);
            let entries: Vec<_> = (0_u64..).zip(&vectors).map(|(key, vector)| {
                Entry { key, vector, payload: None, threshold: None, expires: None }
            }).collect();
            index.add("n", &entries, 0).unwrap();
            let found = index.search("n", &query, vectors.len(), NOW).unwrap();
            prop_assert_eq!(found.len(), vectors.len());
            for (key, found) in &found {
                let exact = score(metric, &query, &vectors[*key as usize]);
                let size: f64 = query.iter().map(|number| f64::from(number.abs())).sum();
                // Half a step of a number each: 1/254 of the largest, or 2⁻¹¹ of itself.
                let by = if precision == Precision::Int8 { size / 254.0 * 4.0 } else { size * 2e-3 } + 2e-3;
                let by = if metric == Metric::L2 { by + 0.04 * (dim as f64).sqrt() } else { by };
                prop_assert!((f64::from(*found) - exact).abs() <= by, "{found} instead of {exact}");
            }
            // The best is what nearest gives, and no other instruction set gives another.
            let threshold = if metric == Metric::L2 { 1e6 } else { -1e6 };
            prop_assert_eq!(index.nearest("n", &query, threshold, NOW).unwrap(), Some(found[0]));
            let these: Vec<_> = found.iter().map(|(key, score)| (*key, score.to_bits())).collect();
            prop_assert_eq!(bits.get_or_insert(these.clone()), &these, "{}", level.name());
        }
    }
}

fn index(dim: usize) -> VectorIndex {
    VectorIndex::new(Settings::new(dim, Metric::Cosine, Precision::Float32).unwrap())
}

fn entry(key: u64, vector: &[f32]) -> Entry<'_> {
    Entry {
        key,
        vector,
        payload: None,
        threshold: None,
        expires: None,
    }
}

#[test]
fn equal_scores_go_to_the_smallest_key() {
    let index = index(2);
    for key in [9, 3, 5] {
        index.add("", &[entry(key, &[1.0, 1.0])], 0).unwrap();
    }

    assert_eq!(
        index.nearest("", &[2.0, 2.0], 0.5, 0).unwrap().unwrap().0,
        3
    );
    let keys: Vec<_> = index
        .search("", &[2.0, 2.0], 2, 0)
        .unwrap()
        .into_iter()
        .map(|found| found.0)
        .collect();
    assert_eq!(keys, [3, 5]);
}

#[test]
fn numbers_that_are_none_and_wrong_lengths_are_refused_and_nothing_is_added() {
    let index = index(2);
    let wrong = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e20];

    for number in wrong {
        let refused = index
            .add("", &[entry(1, &[1.0, 0.0]), entry(2, &[0.0, number])], 0)
            .unwrap_err();
        assert!(
            matches!(
                refused,
                Error::NotFinite {
                    row: 1,
                    column: 1,
                    ..
                }
            ),
            "{refused}"
        );
        assert!(index.nearest("", &[number, 0.0], 0.5, 0).is_err());
    }
    let refused = index.add("", &[entry(1, &[1.0])], 0).unwrap_err();
    assert!(matches!(
        refused,
        Error::Dimension {
            expected: 2,
            found: 1
        }
    ));
    assert!(index.nearest("", &[1.0, 0.0], f32::NAN, 0).is_err());
    assert!(index.is_empty());
}

#[test]
fn adding_refuses_a_key_that_is_there_and_upsert_replaces_it() {
    let index = index(2);
    index.add("", &[entry(1, &[1.0, 0.0])], 0).unwrap();

    let refused = index.add("", &[entry(2, &[1.0, 0.0]), entry(1, &[0.0, 1.0])], 0);
    assert!(matches!(refused, Err(Error::KeyExists { key: 1 })));
    let refused = index.upsert("", &[entry(3, &[1.0, 0.0]), entry(3, &[0.0, 1.0])], 0);
    assert!(matches!(refused, Err(Error::KeyTwice { key: 3 })));
    assert_eq!(index.len(), 1);
    index.upsert("", &[entry(1, &[0.0, 1.0])], 0).unwrap();

    assert_eq!(index.len(), 1);
    assert!(index.nearest("", &[1.0, 0.0], 0.5, 0).unwrap().is_none());
    assert_eq!(
        index.nearest("", &[0.0, 3.0], 0.5, 0).unwrap(),
        Some((1, 1.0))
    );
}

#[test]
fn namespaces_do_not_see_each_other() {
    let index = index(2);
    index.add("a", &[entry(1, &[1.0, 0.0])], 0).unwrap();
    index.add("b", &[entry(1, &[0.0, 1.0])], 0).unwrap();

    assert!(index.nearest("a", &[0.0, 1.0], 0.5, 0).unwrap().is_none());
    assert!(index.nearest("c", &[0.0, 1.0], -1.0, 0).unwrap().is_none());
    assert_eq!(index.namespaces(), ["a", "b"]);
    assert_eq!(index.clear("a").unwrap(), 1);
    assert_eq!(index.delete("b", &[1, 2]).unwrap(), 1);

    assert_eq!((index.len(), index.namespaces().len()), (0, 0));
}

#[test]
fn payloads_belong_to_their_entries() {
    let index = index(1);
    let with = |payload| Entry {
        payload: Some(payload),
        expires: Some(10),
        ..entry(1, &[1.0])
    };
    index.add("", &[with(b"first")], 0).unwrap();
    assert_eq!(
        index.payload("", 1, 0).unwrap().as_deref(),
        Some(b"first".as_slice())
    );

    index.upsert("", &[with(b"second")], 0).unwrap();

    assert_eq!(
        index.payload("", 1, 9).unwrap().as_deref(),
        Some(b"second".as_slice())
    );
    assert!(
        index.payload("", 1, 10).unwrap().is_none(),
        "it has expired"
    );
    assert!(index.payload("", 2, 0).unwrap().is_none());
    index.delete("", &[1]).unwrap();
    assert!(index.payload("", 1, 0).unwrap().is_none());
}

#[test]
fn places_of_expired_entries_are_taken_by_new_ones() {
    let index = index(64);
    let vector = |key: u64| -> Vec<f32> {
        (0..64)
            .map(|i| ((key * 31 + i) % 17) as f32 - 8.0)
            .collect()
    };
    let mut bytes = 0;

    for key in 0..20_000_u64 {
        let vector = vector(key);
        let entry = Entry {
            expires: Some(key + 1_000),
            ..entry(key, &vector)
        };
        index.add("", &[entry], key).unwrap();
        if key == 4_000 {
            bytes = index.stats().bytes;
        }
    }

    // The map of the keys may have grown once more.
    let now = index.stats().bytes;
    assert!(now * 10 <= bytes * 11, "{bytes} bytes grew to {now}");
    assert!(index.len() <= 1_001);
    let left = index.len();
    assert_eq!((index.expire(30_000), index.len()), (left, 0));
}

#[test]
fn most_of_the_memory_is_given_back_when_most_entries_are_deleted() {
    let index = index(64);
    let entries: Vec<Vec<f32>> = (0..5_000)
        .map(|key| (0..64).map(|i| ((key * 7 + i * 3) % 23) as f32).collect())
        .collect();
    let entries: Vec<_> = (0_u64..)
        .zip(&entries)
        .map(|(key, vector)| entry(key, vector))
        .collect();
    index.add("", &entries, 0).unwrap();
    let before = index.stats().bytes;

    index.delete("", &(0..4_900).collect::<Vec<_>>()).unwrap();

    assert!(index.stats().bytes < before / 4);
    for key in 4_900..5_000_u64 {
        let vector = entries[key as usize].vector;
        let found = index.nearest("", vector, 0.999, 0).unwrap().unwrap();
        assert!(found.1 > 0.999_9);
        assert!(index.contains("", key));
    }
}
