//! Bytes to deltas: `cargo bench -p inferail-benches --bench wire`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use inferail_wire::{Delta, Provider, StreamDecoder};

const EVENTS: usize = 2000;

/// Bodies of 2,000 events, each of one text delta.
fn bodies() -> [(Provider, String); 6] {
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
    let responses = concat!(
        "event: response.output_text.delta\n",
        r#"data: {"type":"response.output_text.delta","sequence_number":17,"item_id":"msg_68af40309a2c8193","#,
        r#""output_index":0,"content_index":0,"delta":" latency","logprobs":[],"obfuscation":"a1B2c3"}"#,
        "\n\n"
    );
    let ollama = concat!(
        r#"{"model":"qwen3:8b","created_at":"2026-11-21T09:41:07.123456Z","#,
        r#""message":{"role":"assistant","content":" latency"},"done":false}"#,
        "\n"
    );
    let tgi = concat!(
        r#"data:{"index":17,"token":{"id":22,"text":" latency","logprob":-0.0625,"special":false},"#,
        r#""generated_text":null,"details":null}"#,
        "\n\n"
    );
    [
        (Provider::OpenAiChat, openai),
        (Provider::Anthropic, anthropic),
        (Provider::Gemini, gemini),
        (Provider::OpenAiResponses, responses),
        (Provider::Ollama, ollama),
        (Provider::Tgi, tgi),
    ]
    .map(|(provider, event)| (provider, event.repeat(EVENTS)))
}

fn bench_wire_decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("wire_decode");
    group.throughput(Throughput::Elements(EVENTS as u64));
    for (provider, body) in bodies() {
        for size in [1400, body.len() / EVENTS] {
            group.bench_function(format!("{}/{size}B", provider.as_str()), |bencher| {
                bencher.iter(|| decode(provider, body.as_bytes(), size));
            });
        }
    }
    group.finish();
}

fn decode(provider: Provider, body: &[u8], size: usize) -> usize {
    let (mut decoder, mut bytes) = (StreamDecoder::new(provider), 0);
    for chunk in body.chunks(size) {
        decoder.feed(chunk, &mut |delta: Delta<'_>| {
            bytes += delta.text.unwrap_or_default().len();
        });
    }
    black_box(bytes)
}

criterion_group!(benches, bench_wire_decode);
criterion_main!(benches);
