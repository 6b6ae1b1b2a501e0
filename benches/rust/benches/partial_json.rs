//! JSON while it is written: `cargo bench -p inferail-benches --bench partial_json`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use inferail_wire::json::{Builder, PartialParser, Scalar};

/// Looks at every value and keeps none.
struct Nothing;

impl Builder for Nothing {
    fn scalar(&mut self, scalar: Scalar<'_>) {
        black_box(scalar);
    }
}

/// Tool arguments of about `bytes` bytes.
fn document(bytes: usize) -> String {
    let step = r#"{"id": 17, "title": "Step", "why": "Explain how the queue drains, and why.", "done": true, "cost": 0.5}"#;
    format!(
        r#"{{"steps": [{}]}}"#,
        vec![step; bytes.div_ceil(step.len())].join(", ")
    )
}

/// The time of one 4-character delta, which must not depend on how many came before it.
fn bench_partial_json_feed(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("partial_json_feed");
    for bytes in [3_000, 300_000] {
        let text = document(bytes);
        for size in [4, text.len()] {
            let pieces = pieces(&text, size);
            group.throughput(Throughput::Elements(pieces.len() as u64));
            group.bench_function(format!("{bytes}B/{size}B"), |bencher| {
                bencher.iter(|| read(&pieces));
            });
        }
    }
    group.finish();
}

/// The text, which is ASCII, in pieces of `size` characters.
fn pieces(text: &str, size: usize) -> Vec<&str> {
    let starts = (0..text.len()).step_by(size);
    starts
        .map(|start| &text[start..text.len().min(start + size)])
        .collect()
}

fn read(pieces: &[&str]) -> bool {
    let mut parser = PartialParser::new();
    for piece in pieces {
        if parser.feed(piece, &mut Nothing).is_err() {
            return false;
        }
        black_box(parser.unfinished());
    }
    parser.is_complete()
}

criterion_group!(benches, bench_partial_json_feed);
criterion_main!(benches);
