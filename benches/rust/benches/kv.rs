//! The manager of the paged cache, and what names of blocks cost: `cargo bench -p inferail-benches --bench kv`.
//!
//! A request has 1,536 tokens, of which 1,024 are one of 64 prompts that are shared; the pool has 100,000 blocks of 16
//! tokens and is full, so every new block evicts another.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use inferail_kv::hash::Namer;
use inferail_kv::{Manager, Opening, Plan, Policy, Settings};

const BLOCK_SIZE: usize = 16;
const BLOCKS: usize = 100_000;
const SHARED: usize = 1_024;
const NEW: usize = 512;

/// Ids that look like chance (Lehmer, 1951; factor of Steele and Vigna, 2021).
struct Chance(u64);

impl Chance {
    fn ids(&mut self, count: usize) -> Vec<u32> {
        let next = || {
            self.0 = self.0.wrapping_mul(0xD134_2543_DE82_EF95).wrapping_add(1);
            (self.0 >> 47) as u32
        };
        std::iter::repeat_with(next).take(count).collect()
    }
}

fn requests(count: usize) -> Vec<Vec<u32>> {
    let mut chance = Chance(1);
    let prompts: Vec<Vec<u32>> = (0..64).map(|_| chance.ids(SHARED)).collect();
    (0..count)
        .map(|at| [prompts[at % 64].clone(), chance.ids(NEW)].concat())
        .collect()
}

/// The chained names of 32 blocks, with each kind of hash. The rest of a request is found without one.
fn bench_name(criterion: &mut Criterion) {
    let ids = Chance(1).ids(NEW);
    let mut group = criterion.benchmark_group("name");
    let namer = Namer::random();
    for (name, namer) in [("blake3_keyed", namer), ("xxh3_128_secret", namer.fast())] {
        group.bench_function(format!("{name}_32_blocks"), |bencher| {
            bencher.iter(|| {
                let rows = black_box(&ids).chunks_exact(BLOCK_SIZE);
                rows.fold(1, |parent, row| namer.name(parent, row))
            });
        });
    }
    group.finish();
}

#[expect(clippy::unwrap_used, reason = "a benchmark that cannot begin ends")]
fn bench_request(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("kv");
    let all = requests(4_096);
    let policies = [
        ("lru", Policy::Lru),
        ("lfu", Policy::Lfu),
        ("priority", Policy::Priority),
        ("cost", Policy::Cost),
    ];
    for (name, policy) in policies {
        let mut settings = Settings::new(BLOCK_SIZE, BLOCKS);
        settings.policy = policy;
        let mut manager = Manager::new(settings).unwrap();
        let mut plan = Plan::default();
        let mut turn = 0;
        let mut one = || {
            turn += 1;
            let ids = &all[turn % all.len()];
            let opened = manager.open(ids, &Opening::default(), None, &mut plan);
            let id = opened.unwrap();
            manager.clear(&mut plan);
            manager.commit(id, ids.len()).unwrap();
            manager.release(id, &mut plan).unwrap();
        };
        for _ in 0..all.len() {
            one();
        }
        group.bench_function(format!("request_{name}"), |bencher| bencher.iter(&mut one));
    }
    group.bench_function("create", |bencher| {
        bencher.iter(|| Manager::new(Settings::new(BLOCK_SIZE, BLOCKS)));
    });
    group.finish();
}

criterion_group!(benches, bench_name, bench_request);
criterion_main!(benches);
