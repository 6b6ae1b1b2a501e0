//! A token from a row of 128,256 logits: `cargo bench -p inferail-benches --bench sampler`.
//!
//! `1` is a row that is hot in the cache, as it is when a model has just written it; `256` is one of 256 rows that come
//! from memory.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use inferail_sampler::{
    History, Input, Parameters, Place, Purpose, Row, Sampler, Scratch, uniform,
};

const VOCABULARY: usize = 128_256;

/// Logits of a language model: the r-th largest is 14 − 1.7 ln r and some noise, anywhere in the row.
fn peaked(seed: u64) -> Vec<f32> {
    let mut row: Vec<f32> = (1..=VOCABULARY)
        .map(|rank| 14.0 - 1.7 * (rank as f32).ln())
        .collect();
    for at in (1..VOCABULARY).rev() {
        let other = uniform(seed, at as u64, Purpose::Token, 0) * (at + 1) as f64;
        row.swap(at, other as usize);
    }
    for (at, logit) in row.iter_mut().enumerate() {
        *logit += 0.3 * normal(seed, at as u64);
    }
    row
}

/// Logits of a model that knows nothing.
fn flat(seed: u64) -> Vec<f32> {
    (0..VOCABULARY as u64).map(|at| normal(seed, at)).collect()
}

fn normal(seed: u64, at: u64) -> f32 {
    let sum: f64 = (0..12)
        .map(|sample| uniform(seed, at, Purpose::Draft, sample))
        .sum();
    (sum - 6.0) as f32
}

fn history(sampler: &Sampler) -> History {
    let zipf = |at: u64| {
        let most = VOCABULARY as f64 - 1.0;
        uniform(3, at, Purpose::Token, 1)
            .max(1e-9)
            .powf(-1.0 / 0.3)
            .min(most) as u32
    };
    let tokens: Vec<u32> = (0..2000).map(zipf).collect();
    sampler.history(&tokens)
}

fn bench_sampler(criterion: &mut Criterion) {
    let rows: Vec<Vec<f32>> = (0..256).map(peaked).collect();
    let flat_row = flat(1);
    let warm = Parameters {
        temperature: 0.8,
        ..Parameters::default()
    };
    let workloads = [
        (
            "greedy",
            Parameters {
                temperature: 0.0,
                ..warm.clone()
            },
        ),
        ("plain", warm.clone()),
        (
            "top_k",
            Parameters {
                top_k: 50,
                ..warm.clone()
            },
        ),
        (
            "top_p",
            Parameters {
                top_p: 0.9,
                ..warm.clone()
            },
        ),
        (
            "min_p",
            Parameters {
                min_p: 0.05,
                ..warm.clone()
            },
        ),
        (
            "top_k_top_p",
            Parameters {
                top_k: 50,
                top_p: 0.9,
                ..warm.clone()
            },
        ),
        (
            "penalties_top_p",
            Parameters {
                repetition_penalty: 1.1,
                frequency_penalty: 0.5,
                presence_penalty: 0.5,
                top_p: 0.9,
                ..warm.clone()
            },
        ),
        (
            "logprobs_20",
            Parameters {
                temperature: 0.0,
                logprobs: Some(20),
                ..warm.clone()
            },
        ),
    ];
    for (name, parameters) in workloads {
        let Ok(sampler) = Sampler::new(parameters) else {
            continue;
        };
        let history = history(&sampler);
        let mut scratch = Scratch::default();
        let mut group = criterion.benchmark_group(name);
        let mut position = 0;
        let mut pick = |row: &[f32]| {
            position += 1;
            let input = Input {
                row: Row::F32(row),
                mask: None,
                history: Some(&history),
            };
            sampler.pick(black_box(&input), &Place::new(7, position), &mut scratch)
        };
        group.bench_function("1", |bencher| bencher.iter(|| pick(&rows[0])));
        let mut at = 0;
        group.bench_function("256", |bencher| {
            bencher.iter(|| {
                at = (at + 1) % rows.len();
                pick(&rows[at])
            });
        });
        group.bench_function("flat", |bencher| bencher.iter(|| pick(&flat_row)));
        group.finish();
    }
}

criterion_group!(benches, bench_sampler);
criterion_main!(benches);
