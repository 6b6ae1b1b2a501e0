//! Chunks: `cargo bench -p inferail-benches --bench chunker`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use inferail_text::chunk::{Chunker, Measure};

const PROSE: &str = "Dear team, please review the document below and answer by Friday. The brown fox, as always, was quick. \
    It took 3 of us 45 minutes to find chapter 12. Dr. Smith knows more about it, and so does everybody else.\n\n";
const MARKDOWN: &str = "## A heading\n\nSome words stand here, and more of them follow. They go on.\n\n- one item\n- another\n\n\
    ```rust\nfn main() {}\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n\n";

fn bench_chunker(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chunker");
    let one_paragraph = PROSE.replace('\n', " ").repeat(2_500);
    let texts = [
        ("prose", PROSE.repeat(2_500)),
        ("one_paragraph", one_paragraph),
        ("markdown", MARKDOWN.repeat(2_500)),
        ("no_blanks", "漢字".repeat(80_000)),
    ];
    for (name, text) in texts {
        group.throughput(Throughput::Bytes(text.len() as u64));
        for (what, overlap) in [("", 0), ("_overlap", 256)] {
            let chunker = Chunker::new(Measure::Characters, 2_048, overlap, true);
            let Ok(chunker) = chunker else { return };
            group.bench_function(format!("{name}{what}"), |bencher| {
                bencher.iter(|| chunker.chunks(black_box(&text)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, bench_chunker);
criterion_main!(benches);
