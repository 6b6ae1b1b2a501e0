//! Paged attention on one thread: `cargo bench -p inferail-benches --bench kv_attention`.
//!
//! 8 sequences of 4,096 tokens, 8 key/value heads of 128 numbers, 4 query heads for each. `bytes` are those of keys, values
//! and scales, which is what has to come from memory; `read` reads as many bytes and does nothing with them.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use inferail_simd::pages::{Context, Format, Level, Memory, Partials, Row, Scaling, Shape, write};

const SEQUENCES: usize = 8;
const TOKENS: usize = 4096;
const GROUP: usize = 4;
const BLOCK: usize = 16;

struct Cache {
    shape: Shape,
    memory: Memory,
    tables: Vec<Vec<u32>>,
}

fn noise(place: usize) -> f32 {
    let bits = (place as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    bits as f32 / (1 << 23) as f32 - 1.0
}

#[expect(clippy::unwrap_used, reason = "a benchmark that cannot begin ends")]
fn cache(format: Format) -> Cache {
    let shape = Shape {
        kv_heads: 8,
        head_dim: 128,
        block_size: BLOCK,
        format,
    };
    let blocks = SEQUENCES * TOKENS / BLOCK;
    let mut memory = Memory::new(blocks * shape.page_bytes().unwrap()).unwrap();
    // Blocks of a sequence are scattered, as they are in a pool that has been used for a while: an odd factor permutes.
    let mut ids = (0..blocks).map(|at| (at * 1_103_515_245 % blocks) as u32);
    let tables: Vec<Vec<u32>> = (0..SEQUENCES)
        .map(|_| ids.by_ref().take(TOKENS / BLOCK).collect())
        .collect();
    let row: Vec<f32> = (0..BLOCK * shape.width()).map(noise).collect();
    for block in 0..blocks {
        let first = (block * BLOCK) as i64;
        let slots: Vec<i64> = (first..first + BLOCK as i64).collect();
        let row = Row::F32(&row);
        write(
            Level::best(),
            shape,
            memory.as_mut_slice(),
            &slots,
            row,
            row,
        );
    }
    Cache {
        shape,
        memory,
        tables,
    }
}

/// Reads every cache line, as fast as this thread can.
fn read_all(bytes: &[u8]) -> u64 {
    let words: &[u64] = inferail_simd::map::view(bytes).unwrap_or_default();
    let mut sums = [0_u64; 32];
    for line in words.as_chunks::<32>().0 {
        for (sum, word) in sums.iter_mut().zip(line) {
            *sum ^= *word;
        }
    }
    sums.into_iter().fold(0, |all, sum| all ^ sum)
}

fn decode(level: Level, cache: &Cache, queries: &[f32], partials: &mut Partials, out: &mut [f32]) {
    let shape = cache.shape;
    let scaling = Scaling {
        scale: 0.088,
        soft_cap: None,
    };
    let ranges: [_; GROUP] = std::array::from_fn(|_| 0..TOKENS);
    for table in &cache.tables {
        for kv_head in 0..shape.kv_heads {
            partials.start(
                shape.head_dim,
                scaling,
                queries.chunks_exact(shape.head_dim),
            );
            let context = Context {
                shape,
                layer: cache.memory.as_slice(),
                table,
                kv_head,
            };
            partials.attend(level, context, 0, &ranges);
            for query in 0..GROUP {
                partials.finish(query, &mut out[query * shape.head_dim..][..shape.head_dim]);
            }
        }
    }
}

fn bench_decode(criterion: &mut Criterion) {
    let queries: Vec<f32> = (0..GROUP * 128).map(noise).collect();
    let mut out = vec![0.0; GROUP * 128];
    for format in Format::ALL {
        let cache = cache(format);
        let mut group = criterion.benchmark_group(format!("kv_attention/{}", format.name()));
        group
            .sample_size(20)
            .measurement_time(Duration::from_secs(3));
        group.throughput(Throughput::Bytes(cache.memory.as_slice().len() as u64));
        group.bench_function("read", |bencher| {
            bencher.iter(|| read_all(black_box(cache.memory.as_slice())));
        });
        let mut partials = Partials::default();
        for level in Level::all().into_iter().rev().take(2) {
            group.bench_function(level.name(), |bencher| {
                bencher.iter(|| decode(level, &cache, &queries, &mut partials, &mut out));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, bench_decode);
criterion_main!(benches);
