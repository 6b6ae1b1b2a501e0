//! Texts to vectors: `cargo bench -p inferail-benches --bench encoder`.
//!
//! `products` is the matrices of all six layers of all-MiniLM-L6-v2 with so many tokens, in each format and on each instruction
//! set that this CPU has; `attention` and `lexical` are the rest. The whole model is measured from Python, where it is
//! installed: `benches/python/bench_encoder.py`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use inferail_engine::lexical::Hasher;
use inferail_simd::gemm::{
    Activation, Attention, AttentionScratch, Format, Level, Matrix, Scratch,
};

const LAYERS: usize = 6;
const HIDDEN: usize = 384;
/// Outputs and inputs of a layer's products.
const SHAPES: [(usize, usize); 4] = [
    (3 * HIDDEN, HIDDEN),
    (HIDDEN, HIDDEN),
    (4 * HIDDEN, HIDDEN),
    (HIDDEN, 4 * HIDDEN),
];

/// Numbers from −1 to 1: xorshift.
fn numbers(count: usize) -> Vec<f32> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / 8_388_608.0 - 1.0
    };
    std::iter::repeat_with(next).take(count).collect()
}

fn bench_products(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("products");
    let weights = numbers(4 * HIDDEN * HIDDEN);
    let biases = numbers(4 * HIDDEN);
    for format in [Format::F32, Format::Bf16, Format::Int8] {
        let layer = || {
            let matrix = |&(width, depth): &(usize, usize)| {
                Matrix::new(format, &weights[..width * depth], width, depth)
            };
            SHAPES.iter().filter_map(matrix).collect::<Vec<Matrix>>()
        };
        let layers: Vec<Vec<Matrix>> = (0..LAYERS).map(|_| layer()).collect();
        for level in Level::all().into_iter().skip(1) {
            for tokens in [12, 64] {
                let rows = numbers(tokens * 4 * HIDDEN);
                let mut out = vec![0.0; tokens * 4 * HIDDEN];
                let mut scratch = Scratch::default();
                let macs = SHAPES.map(|(width, depth)| (LAYERS * tokens * width * depth) as u64);
                group.throughput(Throughput::Elements(macs.iter().sum()));
                let name = format!("{format:?}/{}/{tokens}", level.name());
                group.bench_function(name, |bencher| {
                    bencher.iter(|| {
                        for matrix in layers.iter().flatten() {
                            let rows = &rows[..tokens * matrix.depth()];
                            let out = &mut out[..tokens * matrix.width()];
                            let bias = &biases[..matrix.width()];
                            let plain = Activation::None;
                            matrix.multiply(level, black_box(rows), bias, plain, &mut scratch, out);
                        }
                    });
                });
            }
        }
    }
    group.finish();
}

fn bench_attention(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("attention");
    for tokens in [12, 64, 256] {
        let projected = numbers(tokens * 3 * HIDDEN);
        let mut out = vec![0.0; tokens * HIDDEN];
        let mut scratch = AttentionScratch::default();
        group.bench_function(tokens.to_string(), |bencher| {
            bencher.iter(|| {
                let attention = Attention {
                    projected: black_box(&projected),
                    heads: 12,
                    size: 32,
                };
                attention.attend(Level::best(), &mut scratch, &mut out);
            });
        });
    }
    group.finish();
}

fn bench_lexical(criterion: &mut Criterion) {
    let text = ["the quick brown fox jumps over the lazy dog again"];
    if let Ok(hasher) = Hasher::new(512) {
        criterion.bench_function("lexical", |bencher| {
            bencher.iter(|| hasher.encode(black_box(&text)));
        });
    }
}

criterion_group!(benches, bench_products, bench_attention, bench_lexical);
criterion_main!(benches);
