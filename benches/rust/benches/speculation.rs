//! Drafts and stop strings: `cargo bench -p inferail-benches --bench speculation`.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use inferail_sampler::speculative::{
    Dense, Drafts, Draws, PromptLookup, accept_exactly, verify, verify_dense,
};
use inferail_sampler::stop::{StopScanner, StopStrings};
use inferail_sampler::{Distribution, Purpose, uniform};

const VOCABULARY: usize = 128_000;
const DRAFTED: usize = 5;
/// Tokens that top-p leaves.
const KEPT: usize = 100;
const HISTORY: usize = 32_768;

/// A number for each of `count` things, the same in every run.
fn numbers(count: usize, purpose: Purpose) -> impl Iterator<Item = f64> {
    (0..count as u64).map(move |at| uniform(1, at, purpose, 0))
}

fn list(first: u32) -> Distribution {
    let weights: Vec<f64> = numbers(KEPT, Purpose::Token).collect();
    let sum: f64 = weights.iter().sum();
    Distribution {
        ids: (0..KEPT as u32).map(|at| first + at * 1_279).collect(),
        probabilities: weights.into_iter().map(|weight| weight / sum).collect(),
    }
}

/// Rows in which one token has nearly all, which is then drafted, and every other a little.
fn rows(count: usize) -> (Vec<u32>, Vec<f32>) {
    let mut values = Vec::new();
    let mut likeliest = Vec::new();
    for row in 0..count {
        let id = (row * 25_013 + 11) % VOCABULARY;
        let rest = 0.002 / VOCABULARY as f32;
        values.extend((0..VOCABULARY).map(|other| if other == id { 0.998 } else { rest }));
        likeliest.push(id as u32);
    }
    (likeliest, values)
}

fn bench_verify(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("verify_5_drafts");
    let targets: Vec<_> = (0..=DRAFTED as u32).map(list).collect();
    // Each draft is the target itself, so that all are accepted and all is read.
    let draft: Vec<u32> = targets[..DRAFTED]
        .iter()
        .map(|target| target.ids[40])
        .collect();
    group.bench_function("sparse_100", |bencher| {
        let drafts = Drafts::Stochastic(&targets[..DRAFTED]);
        bencher.iter(|| verify(black_box(&draft), &targets, drafts, Draws::default()));
    });

    let (likeliest, values) = rows(DRAFTED + 1);
    let draft = &likeliest[..DRAFTED];
    group.throughput(Throughput::Bytes(size_of_val(&values[..]) as u64));
    group.bench_function("dense_128k/deterministic", |bencher| {
        bencher.iter(|| {
            let targets = Dense::new(black_box(&values[..]), VOCABULARY)?;
            verify_dense::<_, f32>(draft, targets, None, Draws::default())
        });
    });
    group.bench_function("dense_128k/stochastic", |bencher| {
        bencher.iter(|| {
            let targets = Dense::new(black_box(&values[..]), VOCABULARY)?;
            let drafts = Dense::new(&values[..DRAFTED * VOCABULARY], VOCABULARY)?;
            verify_dense(draft, targets, Some(drafts), Draws::default())
        });
    });
    group.bench_function("dense_128k/rejected_at_once", |bencher| {
        bencher.iter(|| {
            let targets = Dense::new(black_box(&values[..]), VOCABULARY)?;
            let drafts = Dense::new(&values[VOCABULARY..], VOCABULARY)?;
            verify_dense(&likeliest[1..], targets, Some(drafts), Draws::default())
        });
    });
    group.finish();
    criterion.bench_function("accept_exactly_5_drafts", |bencher| {
        bencher.iter(|| accept_exactly(black_box(draft), &likeliest));
    });
}

/// Words of a skewed vocabulary, in which much repeats, as in a text.
fn history() -> Vec<u32> {
    let draws = numbers(HISTORY, Purpose::Draft);
    draws.map(|draw| (draw.powi(4) * 20_000.0) as u32).collect()
}

/// The longest n-gram of 5 to 2 tokens, looked for from the end backwards.
fn searched(tokens: &[u32]) -> Option<usize> {
    (2..=5).rev().find_map(|len| {
        let (before, gram) = (tokens.split_last()?.1, tokens.get(tokens.len() - len..)?);
        before.windows(len).rposition(|window| window == gram)
    })
}

fn bench_lookup(criterion: &mut Criterion) {
    let tokens = history();
    let Ok(empty) = PromptLookup::new(2, 5) else {
        return;
    };
    let mut lookup = empty.clone();
    lookup.extend(&tokens);
    let mut group = criterion.benchmark_group("prompt_lookup_32k");
    group.bench_function("push_and_draft", |bencher| {
        let mut next = tokens.iter().cycle();
        bencher.iter(|| {
            lookup.push(next.next().copied().unwrap_or_default());
            let draft = lookup.draft(DRAFTED);
            lookup.truncate(HISTORY);
            draft
        });
    });
    group.bench_function("search_backwards", |bencher| {
        bencher.iter(|| searched(black_box(&tokens)));
    });
    group.throughput(Throughput::Elements(HISTORY as u64));
    group.bench_function("extend", |bencher| {
        bencher.iter(|| {
            let mut lookup = empty.clone();
            lookup.extend(black_box(&tokens));
            lookup
        });
    });
    group.finish();
}

/// Text in pieces as tokens have them.
fn pieces() -> Vec<&'static str> {
    let sentence = [
        "The",
        " queue",
        " drains",
        " in",
        " the",
        " order",
        " of",
        " its",
        " deadlines",
        ",",
        " and",
        " what",
        " is",
        " late",
        " is",
        " refused",
        " at",
        " once",
        ".\n",
    ];
    sentence.into_iter().cycle().take(10_000).collect()
}

fn bench_stops(criterion: &mut Criterion) {
    let pieces = pieces();
    let few = ["\n\n", "</answer>", "\nUser:", "<|im_end|>"].map(str::to_owned);
    let many: Vec<String> = (0..100)
        .map(|at| format!("\nSpeaker {at}: the end"))
        .collect();
    let mut group = criterion.benchmark_group("stop_strings");
    group.throughput(Throughput::Bytes(
        pieces.iter().map(|piece| piece.len() as u64).sum(),
    ));
    for (name, strings) in [("4", &few[..]), ("100", &many[..])] {
        let Ok(strings) = StopStrings::new(strings) else {
            return;
        };
        let strings = Arc::new(strings);
        group.bench_function(format!("{name}/feed"), |bencher| {
            bencher.iter(|| {
                let mut scanner = StopScanner::new(Arc::clone(&strings), false);
                pieces
                    .iter()
                    .map(|piece| scanner.feed(piece).len())
                    .sum::<usize>()
            });
        });
    }
    group.finish();
    criterion.bench_function("stop_strings/100/compile", |bencher| {
        bencher.iter(|| StopStrings::new(black_box(&many)).is_ok());
    });
}

criterion_group!(benches, bench_verify, bench_lookup, bench_stops);
criterion_main!(benches);
