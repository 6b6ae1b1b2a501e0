//! The exact index: `cargo bench -p inferail-benches --bench ann_index`.
//!
//! Vectors are of the kind that embeddings are: groups of them share most of a low-dimensional part.

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use inferail_ann::{Entry, Metric, Precision, Settings, VectorIndex};
use inferail_sampler::{Purpose, uniform};

const DIM: usize = 384;
/// Dimensions that groups differ in; real embeddings of sentences have half of their length in 60.
const SHARED: usize = 60;

/// A number for each place, the same in every run, -1 to 1.
fn number(row: usize, column: usize) -> f32 {
    (uniform(7, (row * DIM + column) as u64, Purpose::Token, 0) * 2.0 - 1.0) as f32
}

fn vectors(count: usize, first: usize) -> Vec<Vec<f32>> {
    let vector = |row: usize| {
        let group = 10_000_000 + row / 8;
        let numbers = (0..DIM).map(|column| {
            let shared = if column < SHARED {
                number(group, column)
            } else {
                0.0
            };
            shared + 0.4 * number(row, column)
        });
        numbers.collect()
    };
    (first..first + count).map(vector).collect()
}

fn entries(vectors: &[Vec<f32>]) -> Vec<Entry<'_>> {
    let entry = |(key, vector)| Entry {
        key,
        vector,
        payload: None,
        threshold: None,
        expires: None,
    };
    (0_u64..)
        .zip(vectors.iter().map(Vec::as_slice))
        .map(entry)
        .collect()
}

fn index(vectors: &[Vec<f32>]) -> VectorIndex {
    #[expect(clippy::unwrap_used, reason = "a benchmark that cannot begin ends")]
    let index = VectorIndex::new(Settings::new(DIM, Metric::Cosine, Precision::Float32).unwrap());
    #[expect(clippy::unwrap_used, reason = "a benchmark that cannot begin ends")]
    index.add("", &entries(vectors), 0).unwrap();
    index
}

fn bench_nearest(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("nearest");
    for count in [1_000, 10_000, 100_000] {
        let index = index(&vectors(count, 0));
        let queries = vectors(64, count * 2);
        for threshold in [0.8_f32, 0.9, 0.95] {
            let id = BenchmarkId::new(threshold.to_string(), count);
            let mut turn = 0;
            group.bench_function(id, |bencher| {
                bencher.iter(|| {
                    turn += 1;
                    black_box(index.nearest("", &queries[turn % queries.len()], threshold, 0))
                });
            });
        }
    }
    group.finish();
}

fn bench_search(criterion: &mut Criterion) {
    let index = index(&vectors(10_000, 0));
    let queries = vectors(64, 20_000);
    let mut turn = 0;
    criterion.bench_function("search/10 of 10000", |bencher| {
        bencher.iter(|| {
            turn += 1;
            black_box(index.search("", &queries[turn % queries.len()], 10, 0))
        });
    });
}

fn bench_change(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("change");
    for count in [1_000, 10_000, 100_000] {
        let index = index(&vectors(count, 0));
        let others = vectors(64, count * 2);
        let mut key = count as u64;
        group.bench_function(BenchmarkId::new("replace the oldest", count), |bencher| {
            bencher.iter_batched(
                || {
                    key += 1;
                    key
                },
                |key| {
                    let vector = &others[(key % 64) as usize];
                    let added = Entry {
                        key,
                        ..entries(std::slice::from_ref(vector))[0]
                    };
                    let oldest = index.delete("", &[key - count as u64]);
                    (oldest, index.add("", &[added], 0))
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, bench_nearest, bench_search, bench_change);
criterion_main!(benches);
