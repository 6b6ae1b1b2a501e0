//! BM25: `cargo bench -p inferail-benches --bench bm25`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use inferail_text::bm25::{Bm25, Settings, words};

const TEXTS: u64 = 20_000;

/// Words of which the n-th comes about once for n times of the first, as in a language.
fn text(seed: u64, count: usize) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = (0..count).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let uniform = (state >> 11) as f64 / (1_u64 << 53) as f64;
        format!("w{}", (20_000_f64.powf(uniform)) as u64)
    });
    words.collect::<Vec<_>>().join(" ")
}

fn bench_bm25(criterion: &mut Criterion) {
    let Ok(settings) = Settings::new(1.2, 0.75, true) else {
        return;
    };
    let keys: Vec<u64> = (0..TEXTS).collect();
    let texts: Vec<String> = keys.iter().map(|key| text(*key, 60)).collect();
    let bytes: usize = texts.iter().map(String::len).sum();
    let mut group = criterion.benchmark_group("bm25");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("words", |bencher| {
        bencher.iter(|| {
            let mut count = 0;
            for text in &texts {
                words(black_box(text), true, |_| count += 1);
            }
            count
        });
    });
    group.bench_function("add_20k", |bencher| {
        bencher.iter(|| {
            let index = Bm25::new(settings);
            index.add(&keys, &texts).map(|()| index.len())
        });
    });
    group.finish();

    let index = Bm25::new(settings);
    if index.add(&keys, &texts).is_err() {
        return;
    }
    let mut group = criterion.benchmark_group("bm25_search_20k");
    for (name, query) in [
        ("common", "w1 w2 w3"),
        ("mixed", "w5 w400 w9000"),
        ("rare", "w9000 w15000"),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| index.search(black_box(query), 10));
        });
    }
    group.finish();
}

criterion_group!(benches, bench_bm25);
criterion_main!(benches);
