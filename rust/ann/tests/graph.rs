//! The graph against the obvious search through everything.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "the helpers of tests are tests"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use inferail_ann::{Error, GraphIndex, GraphOptions, Metric, Precision, Settings};
use proptest::collection::vec;
use proptest::prelude::*;

const METRICS: [Metric; 3] = [Metric::Cosine, Metric::Dot, Metric::L2];

type Entries = BTreeMap<u64, Vec<f32>>;

/// Numbers that look like chance (Lehmer, 1951; factor of Steele and Vigna, 2021).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(0xD134_2543_DE82_EF95).wrapping_add(1);
        (self.0 >> 33) % limit
    }

    /// Nearly normal, of deviation 1.
    fn normal(&mut self) -> f32 {
        let sum: u64 = (0..12).map(|_| self.below(1 << 20)).sum();
        sum as f32 / (1 << 20) as f32 - 6.0
    }

    fn vector(&mut self, dim: usize) -> Vec<f32> {
        (0..dim).map(|_| self.normal()).collect()
    }
}

/// Vectors in groups of very different density, as texts are.
struct Clusters {
    chance: Chance,
    centres: Vec<Vec<f32>>,
}

impl Clusters {
    fn new(dim: usize, count: usize, seed: u64) -> Self {
        let mut chance = Chance(seed);
        let centres = (0..count).map(|_| chance.vector(dim)).collect();
        Self { chance, centres }
    }

    fn vector(&mut self) -> Vec<f32> {
        // Some groups are larger than others.
        let most = 1 + self.chance.below(self.centres.len() as u64);
        let centre = self.chance.below(most) as usize;
        let spread = 0.2 + 0.1 * (centre % 5) as f32;
        let dim = self.centres[centre].len();
        let noise = self.chance.vector(dim);
        let pairs = self.centres[centre].iter().zip(noise);
        pairs
            .map(|(number, noise)| number + spread * noise)
            .collect()
    }
}

fn settings(dim: usize, metric: Metric, precision: Precision) -> Settings {
    Settings::new(dim, metric, precision).unwrap()
}

fn graph(dim: usize, metric: Metric, precision: Precision) -> GraphIndex {
    GraphIndex::new(settings(dim, metric, precision), GraphOptions::DEFAULT)
}

fn score(metric: Metric, left: &[f32], right: &[f32]) -> f64 {
    let pairs = || {
        left.iter()
            .zip(right)
            .map(|(a, b)| (f64::from(*a), f64::from(*b)))
    };
    let square = |numbers: &[f32]| -> f64 { numbers.iter().map(|n| f64::from(*n).powi(2)).sum() };
    let product: f64 = pairs().map(|(a, b)| a * b).sum();
    match metric {
        Metric::Dot => product,
        Metric::Cosine => {
            let lengths = (square(left) * square(right)).sqrt();
            if lengths > 0.0 {
                product / lengths
            } else {
                0.0
            }
        }
        Metric::L2 => pairs().map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt(),
    }
}

/// Keys and scores of everything, best first.
fn ranked(metric: Metric, entries: &Entries, query: &[f32]) -> Vec<(u64, f64)> {
    let scores = entries
        .iter()
        .map(|(key, vector)| (*key, score(metric, query, vector)));
    let mut ranked: Vec<(u64, f64)> = scores.collect();
    ranked.sort_by(|a, b| match metric {
        Metric::L2 => a.1.total_cmp(&b.1),
        _ => b.1.total_cmp(&a.1),
    });
    ranked
}

fn add(graph: &GraphIndex, entries: &Entries) {
    let keys: Vec<u64> = entries.keys().copied().collect();
    let vectors: Vec<&[f32]> = entries.values().map(Vec::as_slice).collect();
    graph.add(&keys, &vectors).unwrap();
}

fn entries(clusters: &mut Clusters, keys: std::ops::Range<u64>) -> Entries {
    keys.map(|key| (key, clusters.vector())).collect()
}

/// The share of the true ten nearest that are found.
fn recall(graph: &GraphIndex, entries: &Entries, queries: &[Vec<f32>], effort: usize) -> f64 {
    let metric = graph.settings().metric();
    let mut found = 0;
    for query in queries {
        let truth = ranked(metric, entries, query);
        let results = graph.search(query, 10, Some(effort)).unwrap();
        let is_true = |key: u64| truth[..10].iter().any(|(other, _)| *other == key);
        found += results.iter().filter(|(key, _)| is_true(*key)).count();
    }
    found as f64 / (10 * queries.len()) as f64
}

fn assert_exact(metric: Metric, entries: &Entries, query: &[f32], found: &[(u64, f32)], to: f64) {
    for (key, given) in found {
        let Some(vector) = entries.get(key) else {
            panic!("key {key} is not in the index");
        };
        let exact = score(metric, query, vector);
        let apart = (f64::from(*given) - exact).abs();
        assert!(apart <= to * (1.0 + exact.abs()), "{given} for {exact}");
    }
    let in_order = |pair: &[(u64, f32)]| match metric {
        Metric::L2 => pair[0].1 <= pair[1].1,
        _ => pair[0].1 >= pair[1].1,
    };
    assert!(found.windows(2).all(in_order), "{found:?}");
    let mut keys: Vec<u64> = found.iter().map(|(key, _)| *key).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), found.len(), "a key comes twice");
}

#[test]
fn a_search_finds_nearly_all_of_the_nearest_with_exact_scores() {
    for metric in METRICS {
        let mut clusters = Clusters::new(48, 40, 1);
        let entries = entries(&mut clusters, 0..4000);
        let queries: Vec<Vec<f32>> = (0..60).map(|_| clusters.vector()).collect();
        let graph = graph(48, metric, Precision::Float32);
        add(&graph, &entries);

        let recall = recall(&graph, &entries, &queries, 128);
        assert!(recall >= 0.98, "{metric:?}: {recall}");
        for query in &queries {
            let found = graph.search(query, 10, None).unwrap();
            assert_eq!(found.len(), 10);
            assert_exact(metric, &entries, query, &found, 1e-4);
        }
    }
}

#[test]
fn half_and_coded_numbers_are_nearly_as_good() {
    for (precision, to) in [(Precision::Float16, 2e-3), (Precision::Int8, 3e-2)] {
        let mut clusters = Clusters::new(64, 30, 2);
        let entries = entries(&mut clusters, 0..3000);
        let queries: Vec<Vec<f32>> = (0..50).map(|_| clusters.vector()).collect();
        let graph = graph(64, Metric::Cosine, precision);
        add(&graph, &entries);

        let recall = recall(&graph, &entries, &queries, 128);
        assert!(recall >= 0.9, "{precision:?}: {recall}");
        let found = graph.search(&queries[0], 10, None).unwrap();
        assert_exact(Metric::Cosine, &entries, &queries[0], &found, to);
    }
}

#[test]
fn clusters_that_lie_far_apart_are_nearly_all_found() {
    let mut chance = Chance(3);
    let mut all = Entries::new();
    let centres: Vec<Vec<f32>> = (0..200).map(|_| chance.vector(32)).collect();
    // One group after the other: the last ones are not there when the first are linked.
    for (group, centre) in centres.iter().enumerate() {
        for member in 0..20 {
            let noise = chance.vector(32);
            let vector = centre.iter().zip(noise).map(|(a, b)| a + 1e-3 * b);
            all.insert((group * 20 + member) as u64, vector.collect());
        }
    }
    let graph = graph(32, Metric::L2, Precision::Float32);
    add(&graph, &all);

    let hits = centres.iter().enumerate().filter(|(group, centre)| {
        let found = graph.search(centre, 10, Some(64)).unwrap();
        found.iter().all(|(key, _)| *key / 20 == *group as u64)
    });
    let hits = hits.count();
    // Nothing leads from one group to the next but the tree, and the places where a search begins.
    assert!(hits >= 190, "{hits} of 200");
}

#[test]
fn churn_costs_neither_recall_nor_room() {
    let mut clusters = Clusters::new(48, 40, 4);
    let mut entries = entries(&mut clusters, 0..3000);
    let graph = graph(48, Metric::Cosine, Precision::Float32);
    add(&graph, &entries);
    let mut chance = Chance(5);
    let mut next = 3000;
    for _ in 0..5 {
        for _ in 0..3000 {
            let at = chance.below(entries.len() as u64) as usize;
            let old = *entries.keys().nth(at).unwrap();
            entries.remove(&old);
            assert_eq!(graph.delete(&[old]).unwrap(), 1);
            let vector = clusters.vector();
            graph.add(&[next], &[&vector]).unwrap();
            entries.insert(next, vector);
            next += 1;
        }
    }
    let fresh = self::graph(48, Metric::Cosine, Precision::Float32);
    add(&fresh, &entries);
    let queries: Vec<Vec<f32>> = (0..100).map(|_| clusters.vector()).collect();

    for effort in [16, 32, 64] {
        let after = recall(&graph, &entries, &queries, effort);
        let new = recall(&fresh, &entries, &queries, effort);
        assert!(after >= new - 0.01, "effort {effort}: {after}, anew {new}");
    }
    let stats = graph.stats().unwrap();
    assert_eq!(stats.entries, 3000);
    assert!(stats.free <= 1, "{stats:?}");
    let bytes = fresh.stats().unwrap().bytes;
    assert!(stats.bytes * 10 <= bytes * 12, "{stats:?}, anew {bytes}");
}

#[test]
fn every_entry_is_found_by_its_own_vector() {
    let mut clusters = Clusters::new(32, 10, 6);
    let entries = entries(&mut clusters, 0..3000);
    let graph = graph(32, Metric::Cosine, Precision::Float32);
    add(&graph, &entries);

    let lost = entries.iter().filter(|(key, vector)| {
        let found = graph.search(vector, 1, Some(64)).unwrap();
        found[0].0 != **key
    });
    assert!(lost.count() <= 3);
}

#[test]
fn duplicates_hide_nothing() {
    let graph = graph(16, Metric::Cosine, Precision::Float32);
    let mut chance = Chance(7);
    let same = chance.vector(16);
    let mut entries: Entries = (0..1500).map(|key| (key, same.clone())).collect();
    entries.extend((1500..3000).map(|key| (key, chance.vector(16))));
    entries.extend((3000..3500).map(|key| (key, vec![0.0; 16])));
    add(&graph, &entries);

    let found = graph.search(&same, 200, None).unwrap();
    assert!(found.iter().all(|(_, score)| *score > 0.9999));
    let queries: Vec<Vec<f32>> = (0..50).map(|_| chance.vector(16)).collect();
    let recall = recall(&graph, &entries, &queries, 128);
    assert!(recall > 0.9, "{recall}");
    let found = graph.search(&[0.0; 16], 10, None).unwrap();
    assert!(found.iter().all(|(_, score)| score.abs() < 1e-6));
}

#[test]
fn a_k_beyond_the_entries_gives_all_of_them() {
    for count in [1_u64, 2, 5, 700] {
        let mut chance = Chance(count);
        let entries: Entries = (0..count).map(|key| (key, chance.vector(8))).collect();
        let graph = graph(8, Metric::L2, Precision::Float32);
        add(&graph, &entries);

        let query = chance.vector(8);
        let found = graph.search(&query, 1000, None).unwrap();
        let keys: Vec<u64> = found.iter().map(|(key, _)| *key).collect();
        let truth: Vec<u64> = ranked(Metric::L2, &entries, &query)
            .iter()
            .map(|r| r.0)
            .collect();
        assert_eq!(keys, truth);
    }
}

#[test]
fn an_index_that_was_emptied_is_as_new() {
    let mut clusters = Clusters::new(16, 5, 8);
    let entries = entries(&mut clusters, 0..1000);
    let graph = graph(16, Metric::Cosine, Precision::Float32);
    assert!(graph.search(&[1.0; 16], 3, None).unwrap().is_empty());
    add(&graph, &entries);
    let keys: Vec<u64> = entries.keys().copied().collect();
    assert_eq!(graph.delete(&keys).unwrap(), 1000);
    assert_eq!(graph.delete(&keys).unwrap(), 0);

    assert!(graph.is_empty());
    assert!(graph.search(&[1.0; 16], 3, None).unwrap().is_empty());
    assert!((graph.recall(10, 3, None).unwrap() - 1.0).abs() < f64::EPSILON);
    add(&graph, &entries);
    let queries: Vec<Vec<f32>> = (0..20).map(|_| clusters.vector()).collect();
    assert!(recall(&graph, &entries, &queries, 64) > 0.95);
}

#[test]
fn equal_seeds_and_insertions_make_equal_graphs() {
    let mut clusters = Clusters::new(24, 10, 9);
    let entries = entries(&mut clusters, 0..2000);
    let folder = tempfile::tempdir().unwrap();
    let files = ["one", "other"].map(|name| {
        let graph = graph(24, Metric::Dot, Precision::Float16);
        add(&graph, &entries);
        graph.delete(&[5, 99, 1000]).unwrap();
        let path = folder.path().join(name);
        graph.save(&path).unwrap();
        std::fs::read(path).unwrap()
    });
    assert!(files[0] == files[1]);
}

#[test]
fn what_is_wrong_is_said_and_nothing_is_changed() {
    let graph = graph(4, Metric::Cosine, Precision::Float32);
    graph.add(&[1], &[&[1.0, 0.0, 0.0, 0.0]]).unwrap();
    let good: &[f32] = &[0.0, 1.0, 0.0, 0.0];

    let error = graph.add(&[2, 1], &[good, good]).unwrap_err();
    assert!(matches!(error, Error::KeyExists { key: 1 }));
    let error = graph.upsert(&[2, 2], &[good, good]).unwrap_err();
    assert!(matches!(error, Error::KeyTwice { key: 2 }));
    let error = graph.add(&[2, 3], &[good]).unwrap_err();
    assert!(matches!(error, Error::Count { .. }));
    let error = graph.add(&[2, 3], &[good, &[1.0]]).unwrap_err();
    assert!(matches!(
        error,
        Error::Dimension {
            expected: 4,
            found: 1
        }
    ));
    let error = graph
        .add(&[2, 3], &[good, &[0.0, f32::NAN, 0.0, 0.0]])
        .unwrap_err();
    assert!(matches!(
        error,
        Error::NotFinite {
            row: 1,
            column: 1,
            ..
        }
    ));
    for (k, effort) in [(0, None), (1, Some(0))] {
        let error = graph.search(good, k, effort).unwrap_err();
        assert!(matches!(error, Error::Parameter { .. }));
    }
    assert!(graph.tune(1.5, 1, None).is_err());
    assert!(graph.recall(0, 1, None).is_err());
    assert!(GraphOptions::new(3, 100, 0).is_err());
    assert!(GraphOptions::new(16, 1, 0).is_err());
    assert_eq!(graph.len(), 1);
    assert!(!graph.contains(2).unwrap());
    graph.upsert(&[1, 2], &[good, good]).unwrap();
    let found = graph.search(good, 2, None).unwrap();
    assert_eq!(
        found.iter().map(|(key, _)| *key).collect::<Vec<_>>(),
        [1, 2]
    );
}

#[test]
fn recall_is_what_a_search_through_everything_says() {
    let mut clusters = Clusters::new(32, 30, 10);
    let entries = entries(&mut clusters, 0..4000);
    let graph = GraphIndex::new(
        settings(32, Metric::Cosine, Precision::Float32),
        GraphOptions::new(8, 16, 0).unwrap(),
    );
    add(&graph, &entries);
    let queries: Vec<Vec<f32>> = (0..100).map(|_| clusters.vector()).collect();
    let given: Vec<&[f32]> = queries.iter().map(Vec::as_slice).collect();

    let mut before = 0.0;
    for effort in [10, 40, 160] {
        let told = graph.recall_of(&given, 10, Some(effort)).unwrap();
        assert!((told - recall(&graph, &entries, &queries, effort)).abs() < 2e-3);
        assert!(told >= before);
        before = told;
    }
    // Everything is looked at.
    assert!(graph.recall_of(&given, 10, Some(4000)).unwrap() >= 1.0);
    let effort = graph.tune(0.95, 10, Some(&given)).unwrap();
    assert!(graph.recall_of(&given, 10, Some(effort)).unwrap() >= 0.95);
    assert!(graph.recall_of(&given, 10, Some(effort * 4 / 5)).unwrap() < 0.96);
    let made_up = graph.tune(0.95, 10, None).unwrap();
    assert!(graph.recall(200, 10, Some(made_up)).unwrap() >= 0.93);
}

fn saved(folder: &Path, entries: &Entries, metric: Metric, precision: Precision) -> GraphIndex {
    let graph = graph(24, metric, precision);
    add(&graph, entries);
    // A free place that the file leaves out.
    graph.delete(&[0, 7]).unwrap();
    graph.save(&folder.join("graph")).unwrap();
    graph
}

#[test]
fn what_was_saved_is_found_as_before_and_can_be_changed() {
    for metric in METRICS {
        for precision in [Precision::Float32, Precision::Float16, Precision::Int8] {
            let mut clusters = Clusters::new(24, 10, 11);
            let mut entries = entries(&mut clusters, 0..1500);
            let folder = tempfile::tempdir().unwrap();
            let graph = saved(folder.path(), &entries, metric, precision);
            let opened = GraphIndex::open(&folder.path().join("graph")).unwrap();

            assert_eq!(opened.len(), 1498);
            assert_eq!(opened.settings(), graph.settings());
            assert_eq!(opened.options(), graph.options());
            for _ in 0..20 {
                let query = clusters.vector();
                let found = opened.search(&query, 10, Some(40)).unwrap();
                assert_eq!(found, graph.search(&query, 10, Some(40)).unwrap());
            }
            assert_eq!(opened.delete(&[0, 1, 2]).unwrap(), 2);
            let vector = clusters.vector();
            opened.add(&[9000], &[&vector]).unwrap();
            entries.retain(|key, _| ![0, 1, 2, 7].contains(key));
            entries.insert(9000, vector.clone());
            let found = opened.search(&vector, 1, None).unwrap();
            assert_exact(metric, &entries, &vector, &found, 0.05);
            opened.save(&folder.path().join("graph")).unwrap();
            let again = GraphIndex::open(&folder.path().join("graph")).unwrap();
            assert_eq!(again.len(), 1497);
            assert!(again.contains(9000).unwrap());
        }
    }
}

#[test]
fn an_empty_index_is_saved_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("graph");
    graph(8, Metric::L2, Precision::Float32)
        .save(&path)
        .unwrap();
    let opened = GraphIndex::open(&path).unwrap();

    assert!(opened.search(&[0.0; 8], 3, None).unwrap().is_empty());
    opened.add(&[1], &[&[1.0; 8]]).unwrap();
    assert_eq!(opened.search(&[1.0; 8], 3, None).unwrap(), [(1, 0.0)]);
}

#[test]
fn damage_is_refused_wherever_it_is() {
    let mut clusters = Clusters::new(24, 10, 12);
    let entries = entries(&mut clusters, 0..600);
    let folder = tempfile::tempdir().unwrap();
    saved(folder.path(), &entries, Metric::Cosine, Precision::Float32);
    let path = folder.path().join("graph");
    let sound = std::fs::read(&path).unwrap();
    let query = clusters.vector();

    let damaged = folder.path().join("damaged");
    for step in 0..200 {
        let at = step * sound.len() / 200;
        let mut bytes = sound.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&damaged, &bytes).unwrap();
        let outcome = GraphIndex::open(&damaged)
            .and_then(|graph| graph.search(&query, 600, None).map(|_| graph))
            .and_then(|graph| graph.stats());
        let error = outcome.expect_err("the damage was not seen");
        let typed = matches!(error, Error::Damaged { .. } | Error::Version { .. });
        assert!(typed, "byte {at}: {error}");
    }
    for length in [0, 10, 1000, sound.len() - 1] {
        std::fs::write(&damaged, &sound[..length]).unwrap();
        assert!(GraphIndex::open(&damaged).is_err(), "{length} bytes");
    }
    assert!(matches!(
        GraphIndex::open(&folder.path().join("none")),
        Err(Error::Io { .. })
    ));
}

#[test]
fn searches_go_on_while_another_thread_writes() {
    let mut clusters = Clusters::new(32, 20, 13);
    let entries = entries(&mut clusters, 0..2000);
    let others: Vec<Vec<f32>> = (0..600).map(|_| clusters.vector()).collect();
    let queries: Vec<Vec<f32>> = (0..40).map(|_| clusters.vector()).collect();
    let graph = graph(32, Metric::Cosine, Precision::Float32);
    add(&graph, &entries);
    let is_done = AtomicBool::new(false);

    let rounds = std::thread::scope(|scope| {
        let search = || {
            let mut rounds = 0;
            while !is_done.load(Ordering::Relaxed) || rounds == 0 {
                for query in &queries {
                    let found = graph.search(query, 10, Some(32)).unwrap();
                    assert_eq!(found.len(), 10);
                    for (key, given) in found {
                        // What stays is there with its score; what comes and goes has a key of its own.
                        let vector = match key {
                            0..2000 => &entries[&key],
                            _ => &others[key as usize - 10_000],
                        };
                        let exact = score(Metric::Cosine, query, vector);
                        assert!((f64::from(given) - exact).abs() < 1e-4);
                    }
                }
                rounds += 1;
            }
            rounds
        };
        let readers = [scope.spawn(search), scope.spawn(search)];
        for (key, vector) in (10_000..).zip(&others) {
            graph.add(&[key], &[vector]).unwrap();
            if key % 3 == 0 {
                graph.delete(&[key]).unwrap();
            }
        }
        is_done.store(true, Ordering::Relaxed);
        readers.map(|reader| reader.join().unwrap())
    });

    assert!(rounds.iter().all(|rounds| *rounds > 0));
    assert_eq!(graph.len(), 2400);
}

/// One step of a random life.
#[derive(Debug, Clone)]
enum Step {
    Put(u64, Vec<f32>),
    Delete(u64),
    Search(Vec<f32>, usize),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let number = prop_oneof![Just(0.0_f32), Just(1.0), -1.0_f32..1.0];
    let vector = vec(number, 5);
    prop_oneof![
        8 => (0_u64..60, vector.clone()).prop_map(|(key, vector)| Step::Put(key, vector)),
        4 => (0_u64..60).prop_map(Step::Delete),
        3 => (vector, 1_usize..80).prop_map(|(query, k)| Step::Search(query, k)),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_changes_is_followed(
        steps in vec(step(), 1..250),
        metric in prop::sample::select(METRICS.to_vec()),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("graph");
        let options = GraphOptions::new(4, 8, 1).unwrap();
        let mut graph = GraphIndex::new(settings(5, metric, Precision::Float32), options);
        let mut entries = Entries::new();
        for step in steps {
            match step {
                Step::Put(key, vector) => {
                    graph.upsert(&[key], &[&vector]).unwrap();
                    entries.insert(key, vector);
                }
                Step::Delete(key) => {
                    let was_there = entries.remove(&key).is_some();
                    prop_assert_eq!(graph.delete(&[key]).unwrap(), usize::from(was_there));
                }
                Step::Search(query, k) => {
                    // An effort of 1 walks as soon as there are eight entries.
                    let found = graph.search(&query, k, Some(1)).unwrap();
                    prop_assert_eq!(found.len(), k.min(entries.len()));
                    assert_exact(metric, &entries, &query, &found, 1e-5);
                }
                Step::Reopen => {
                    graph.save(&path).unwrap();
                    graph = GraphIndex::open(&path).unwrap();
                }
            }
            prop_assert_eq!(graph.len(), entries.len());
        }
    }
}
