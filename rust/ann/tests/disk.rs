//! An index that was closed, cut off or damaged: what was acknowledged is there, and nothing else.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use inferail_ann::storage::{Fsync, Options};
use inferail_ann::{Entry, Error, Metric, Precision, Settings, VectorIndex};
use proptest::collection::vec;
use proptest::prelude::*;

const DIM: usize = 40;

fn settings(metric: Metric, precision: Precision) -> Settings {
    Settings::new(DIM, metric, precision).unwrap()
}

fn open(path: &Path, settings: Settings) -> VectorIndex {
    VectorIndex::open(path, settings, Options::default()).unwrap()
}

/// A vector that belongs to a number.
fn vector(number: u64) -> Vec<f32> {
    (0..DIM as u64)
        .map(|i| ((number * 37 + i * i * 11) % 101) as f32 / 50.0 - 1.0)
        .collect()
}

fn payload(number: u64) -> Vec<u8> {
    format!("answer {number}")
        .repeat((number % 5) as usize)
        .into_bytes()
}

fn put(index: &VectorIndex, namespace: &str, numbers: &[(u64, u64)], expires: Option<u64>) {
    let made: Vec<_> = numbers
        .iter()
        .map(|(key, number)| (*key, vector(*number), payload(*number)))
        .collect();
    let entries: Vec<_> = made
        .iter()
        .map(|(key, vector, payload)| Entry {
            key: *key,
            vector,
            payload: (key % 7 != 0).then_some(payload),
            threshold: (key % 5 == 0).then_some(0.5),
            expires,
        })
        .collect();
    index.upsert(namespace, &entries, 0).unwrap();
}

/// Everything that can be asked of an index, as bits.
fn answers(index: &VectorIndex, now: u64) -> Vec<String> {
    let mut told = Vec::new();
    for namespace in ["", "other"] {
        for number in 0..12 {
            let query = vector(number * 9);
            let bits = |(key, score): (u64, f32)| format!("{key} {:x}", score.to_bits());
            let threshold = if index.settings().metric() == Metric::L2 {
                4.0
            } else {
                0.4
            };
            let nearest = index.nearest(namespace, &query, threshold, now).unwrap();
            told.push(format!("{:?}", nearest.map(bits)));
            let found = index.search(namespace, &query, 5, now).unwrap();
            told.extend(found.into_iter().map(bits));
        }
        for key in 0..40 {
            told.push(format!("{:?}", index.payload(namespace, key, now).unwrap()));
        }
    }
    told
}

#[derive(Debug, Clone)]
enum Step {
    Put(bool, Vec<(u64, u64)>, Option<u64>),
    Delete(bool, Vec<u64>),
    Threshold(u64, Option<f32>),
    Clear,
    Snapshot,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let expires = prop_oneof![3 => Just(None), 1 => (900_u64..1_100).prop_map(Some)];
    let step = prop_oneof![
        5 => (any::<bool>(), vec((0_u64..40, 0_u64..200), 1..50), expires).prop_map(|(other, mut keys, at)| {
            keys.sort_unstable();
            keys.dedup_by_key(|key| key.0);
            Step::Put(other, keys, at)
        }),
        2 => (any::<bool>(), vec(0_u64..40, 1..12)).prop_map(|(other, keys)| Step::Delete(other, keys)),
        1 => (0_u64..40, prop_oneof![Just(None), (0.0_f32..1.0).prop_map(Some)]).prop_map(|(key, at)| Step::Threshold(key, at)),
        1 => Just(Step::Clear),
        2 => Just(Step::Snapshot),
        2 => Just(Step::Reopen),
    ];
    vec(step, 1..25)
}

fn namespace(other: bool) -> &'static str {
    if other { "other" } else { "" }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn an_index_that_was_opened_again_answers_as_one_that_was_not(
        steps in steps(),
        metric in prop_oneof![Just(Metric::Cosine), Just(Metric::Dot), Just(Metric::L2)],
        precision in prop_oneof![Just(Precision::Float32), Just(Precision::Float16), Just(Precision::Int8)],
    ) {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(metric, precision);
        let memory = VectorIndex::new(settings);
        let mut disk = Some(open(folder.path(), settings));
        for step in steps {
            for index in [&memory, disk.as_ref().unwrap()] {
                match &step {
                    Step::Put(other, keys, expires) => put(index, namespace(*other), keys, *expires),
                    Step::Delete(other, keys) => { index.delete(namespace(*other), keys).unwrap(); }
                    Step::Threshold(key, threshold) => { index.set_threshold("", *key, *threshold).unwrap(); }
                    Step::Clear => { index.clear("other").unwrap(); }
                    Step::Snapshot => index.snapshot(500).unwrap(),
                    Step::Reopen => {}
                }
            }
            if matches!(step, Step::Reopen) {
                drop(disk.take());
                disk = Some(open(folder.path(), settings));
            }
            let disk = disk.as_ref().unwrap();
            prop_assert_eq!(answers(disk, 1_000), answers(&memory, 1_000));
            prop_assert!(disk.verify().is_empty());
        }
    }
}

#[test]
fn a_log_that_ends_anywhere_gives_what_was_acknowledged_before() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(Metric::Cosine, Precision::Float32);
    let log = folder.path().join("index.log");
    let mut ends = Vec::new();
    let index = open(folder.path(), settings);
    for key in 1..12 {
        put(&index, "", &[(key, key)], None);
        ends.push((fs::metadata(&log).unwrap().len(), key));
    }
    drop(index);
    let whole = fs::read(&log).unwrap();
    let start = ends[0].0 as usize / 2;

    for length in start..=whole.len() {
        let copy = tempfile::tempdir().unwrap();
        fs::write(copy.path().join("index.log"), &whole[..length]).unwrap();
        let Ok(index) = VectorIndex::open(copy.path(), settings, Options::default()) else {
            // Only where the header itself is cut off.
            assert!((length as u64) < ends[0].0);
            continue;
        };

        for (end, key) in &ends {
            let there = index.payload("", *key, 0).unwrap();
            let expected = (*end <= length as u64 && key % 7 != 0).then(|| payload(*key));
            assert_eq!(
                there.as_deref(),
                expected.as_deref(),
                "{key} of {length} bytes"
            );
            assert_eq!(index.contains("", *key), *end <= length as u64);
        }
        let is_whole =
            ends.iter().any(|(end, _)| *end == length as u64) || length as u64 <= ends[0].0;
        let cut = index.report().unwrap().cut.is_some();
        assert!(is_whole || cut, "{length} bytes were not reported");
    }
}

#[test]
fn a_damaged_snapshot_is_refused_by_name_and_never_gives_another_answer() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(Metric::Cosine, Precision::Float32);
    let index = open(folder.path(), settings);
    let keys: Vec<_> = (0..40).map(|key| (key, key)).collect();
    put(&index, "", &keys, None);
    index.snapshot(0).unwrap();
    let expected = answers(&index, 0);
    drop(index);
    let path = folder.path().join("index.snapshot");
    let whole = fs::read(&path).unwrap();
    let (mut refused, mut named) = (0, 0);

    for at in (0..whole.len()).step_by(61) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&path, &bytes).unwrap();
        match VectorIndex::open(folder.path(), settings, Options::default()) {
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains("index.snapshot"), "{error}");
            }
            Ok(index) => {
                let damage = index.verify();
                named += damage.len();
                assert!(!damage.is_empty(), "byte {at} was not missed");
                let answers =
                    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| answers(&index, 0)));
                // An answer that needs the damaged piece is an error, which `answers` unwraps.
                if let Ok(answers) = answers {
                    assert_eq!(answers, expected, "byte {at}");
                }
            }
        }
    }
    assert!(
        refused > 0 && named > 0,
        "{refused} were refused, {named} named"
    );
}

#[test]
fn a_folder_of_another_index_or_with_a_writer_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let index = open(folder.path(), settings(Metric::Cosine, Precision::Float32));

    let second = VectorIndex::open(folder.path(), *index.settings(), Options::default());
    assert!(matches!(second, Err(Error::Locked { .. })));
    drop(index);

    let other = VectorIndex::open(
        folder.path(),
        settings(Metric::Dot, Precision::Float32),
        Options::default(),
    );
    let Err(error) = other else {
        panic!("it was opened")
    };
    assert!(error.to_string().contains("other settings"), "{error}");
}

#[test]
fn a_log_is_replaced_by_a_snapshot_when_it_has_grown() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(Metric::Cosine, Precision::Int8);
    let index = open(folder.path(), settings);
    let large = vec![7; 1 << 20];
    let numbers = vector(3);

    let mut most = 0;
    for round in 0..200 {
        let entry = Entry {
            key: round % 3,
            vector: &numbers,
            payload: Some(&large),
            threshold: None,
            expires: None,
        };
        index.upsert("", &[entry], 0).unwrap();
        most = most.max(index.stats().log_bytes);
    }

    assert!(most < 70 << 20, "the log grew to {most} bytes");
    assert!(folder.path().join("index.snapshot").exists());
    drop(index);
    assert_eq!(
        open(folder.path(), settings)
            .payload("", 2, 0)
            .unwrap()
            .as_deref(),
        Some(large.as_slice())
    );
}

#[test]
fn every_kind_of_forcing_keeps_the_same() {
    for fsync in [
        Fsync::Always,
        Fsync::Every(Duration::from_secs(1)),
        Fsync::Never,
    ] {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(Metric::Cosine, Precision::Float32);
        let options = Options {
            fsync,
            now: Arc::new(|| Duration::ZERO),
            ..Options::default()
        };
        let index = VectorIndex::open(folder.path(), settings, options).unwrap();

        put(&index, "", &[(1, 1)], None);
        index.sync().unwrap();
        drop(index);

        assert_eq!(
            open(folder.path(), settings)
                .payload("", 1, 0)
                .unwrap()
                .as_deref(),
            Some(payload(1).as_slice())
        );
    }
}
