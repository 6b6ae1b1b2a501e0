//! The graph of 20,000 vectors in groups: `cargo bench -p inferail-benches --bench ann_graph`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use inferail_ann::{GraphIndex, GraphOptions, Metric, Precision, Settings};

const DIM: usize = 384;
const ENTRIES: usize = 20_000;

/// Numbers that look like chance (Lehmer, 1951; factor of Steele and Vigna, 2021).
struct Chance(u64);

impl Chance {
    fn number(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(0xD134_2543_DE82_EF95).wrapping_add(1);
        (self.0 >> 40) as f32 / 8_388_608.0 - 1.0
    }
}

fn vectors(count: usize) -> Vec<Vec<f32>> {
    let mut chance = Chance(1);
    let centres: Vec<Vec<f32>> = (0..200)
        .map(|_| (0..DIM).map(|_| chance.number()).collect())
        .collect();
    let near = |at: usize| {
        let centre = &centres[at % centres.len()];
        centre
            .iter()
            .map(|number| number + chance.number())
            .collect()
    };
    (0..count).map(near).collect()
}

#[expect(clippy::unwrap_used, reason = "a benchmark that cannot begin ends")]
fn bench_graph(criterion: &mut Criterion) {
    let all = vectors(ENTRIES + 1000);
    let rows: Vec<&[f32]> = all.iter().map(Vec::as_slice).collect();
    let (entries, queries) = rows.split_at(ENTRIES);
    let keys: Vec<u64> = (0..ENTRIES as u64).collect();
    let settings = Settings::new(DIM, Metric::Cosine, Precision::Float32).unwrap();
    let graph = GraphIndex::new(settings, GraphOptions::DEFAULT);
    graph.add(&keys, entries).unwrap();

    let mut group = criterion.benchmark_group("ann_graph");
    let mut turn = 0;
    let mut next = || {
        turn += 1;
        queries[turn % queries.len()]
    };
    for effort in [32, 64, 128] {
        group.bench_function(format!("search_effort_{effort}"), |bencher| {
            bencher.iter(|| graph.search(black_box(next()), 10, Some(effort)));
        });
    }
    group.bench_function("insert_and_delete", |bencher| {
        bencher.iter(|| {
            graph.add(&[u64::MAX], &[next()]).unwrap();
            graph.delete(&[u64::MAX])
        });
    });
    group.finish();
}

criterion_group!(benches, bench_graph);
criterion_main!(benches);
