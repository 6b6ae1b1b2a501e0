//! Framing alone: `cargo bench -p inferail-benches --bench sse`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use inferail_sse::{Event, LineSplitter, Parser};

const EVENTS: usize = 2000;

/// Bodies of 2,000 events in the shapes of three providers.
fn bodies() -> [(&'static str, String); 3] {
    let openai = concat!(
        r#"data: {"id":"chatcmpl-9zXq3","object":"chat.completion.chunk","created":1732190000,"model":"gpt-5-mini","#,
        r#""service_tier":"default","system_fingerprint":"fp_44709d6fcb","choices":[{"index":0,"delta":"#,
        r#"{"content":" latency"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"a1B2c3"}"#,
        "\n\n"
    );
    let anthropic = concat!(
        "event: content_block_delta\n",
        r#"data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" latency"}}"#,
        "\n\n"
    );
    let gemini = concat!(
        r#"data: {"candidates": [{"content": {"parts": [{"text": " latency"}],"role": "model"},"index": 0}],"#,
        r#""usageMetadata": {"promptTokenCount": 11,"candidatesTokenCount": 42,"totalTokenCount": 53},"#,
        r#""modelVersion": "gemini-2.5-pro","responseId": "aGVsbG8"}"#,
        "\r\n\r\n"
    );
    [
        ("openai", openai),
        ("anthropic", anthropic),
        ("gemini", gemini),
    ]
    .map(|(name, event)| (name, event.repeat(EVENTS)))
}

fn bench_sse_frame(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sse_frame");
    group.throughput(Throughput::Elements(EVENTS as u64));
    for (name, body) in bodies() {
        for size in [1400, 64, 1] {
            group.bench_function(format!("{name}/{size}B"), |bencher| {
                bencher.iter(|| frame(body.as_bytes(), size));
            });
        }
    }
    group.finish();
}

fn bench_sse_large_event(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sse_large_event");
    let body = format!("data: {}\n\n", "x".repeat(8 * 1024 * 1024));
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.sample_size(20);
    for size in [1400, 64] {
        group.bench_function(format!("8MiB/{size}B"), |bencher| {
            bencher.iter(|| frame(body.as_bytes(), size));
        });
    }
    group.finish();
}

fn bench_ndjson_split(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ndjson_split");
    let body =
        "{\"model\":\"m\",\"message\":{\"content\":\"hello\"},\"done\":false}\n".repeat(EVENTS);
    group.throughput(Throughput::Elements(EVENTS as u64));
    group.bench_function("1400B", |bencher| {
        bencher.iter(|| {
            let (mut splitter, mut bytes) = (LineSplitter::new(), 0);
            for chunk in body.as_bytes().chunks(1400) {
                let fed = splitter.feed(chunk, &mut |line: &[u8]| bytes += line.len());
                assert!(fed.is_ok());
            }
            black_box(bytes)
        });
    });
    group.finish();
}

fn frame(body: &[u8], size: usize) -> usize {
    let (mut parser, mut bytes) = (Parser::new(), 0);
    for chunk in body.chunks(size) {
        let fed = parser.feed(chunk, &mut |event: Event<'_>| bytes += event.data.len());
        assert!(fed.is_ok());
    }
    black_box(bytes)
}

criterion_group!(
    benches,
    bench_sse_frame,
    bench_sse_large_event,
    bench_ndjson_split
);
criterion_main!(benches);
