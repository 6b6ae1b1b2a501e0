//! Redaction: `cargo bench -p inferail-benches --bench redact`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use inferail_text::redact::{Kinds, find, find_in_json};

const PROSE: &str = "Dear team, please review the document below and answer by Friday. The brown fox, as always, was quick. \
    It took 3 of us 45 minutes to find chapter 12, so write to ada@example.com if you are late.\n";
const BODY: &str = r#"{"role":"user","content":"Tell me more about \"it\"\nplease","temperature":0.7,"max_tokens":4096,"id":"chatcmpl-9zXq3","created":1732190000}"#;

fn bench_redact(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("redact");
    let json = format!("[{}{BODY}]", format!("{BODY},").repeat(6_000));
    let mixed = format!("{PROSE}{PROSE}{BODY}\n").repeat(2_500);
    for (name, text) in [("prose", PROSE.repeat(5_000)), ("mixed", mixed)] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| find(black_box(text.as_bytes()), Kinds::ALL));
        });
    }
    group.throughput(Throughput::Bytes(json.len() as u64));
    group.bench_function("json_body", |bencher| {
        bencher.iter(|| find_in_json(black_box(json.as_bytes()), Kinds::ALL));
    });
    group.finish();
}

criterion_group!(benches, bench_redact);
criterion_main!(benches);
