//! Text to tokens: `cargo bench -p inferail-benches --bench tokenizer`.

use std::hint::black_box;
use std::path::Path;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use inferail_tokenizer::{
    Definition, Error, PreTokenizerDefinition, Scheme, Specials, Tokenizer, load,
};

/// Words of several alphabets, as they stand in texts.
const SENTENCES: [(&str, &str); 4] = [
    (
        "english",
        "The queue drains in the order of its deadlines, and what is late is refused at once: 1,024 calls.\n",
    ),
    (
        "code",
        "    if let Some(found) = self.index.get(&key) {\n        return Ok(found.clone());\n    }\n",
    ),
    (
        "cyrillic",
        "Очередь разбирается в порядке сроков, а опоздавшие запросы сразу отклоняются.\n",
    ),
    (
        "japanese",
        "期限の順に処理され、遅れた要求は直ちに拒否されます。\n",
    ),
];

fn file(name: &str) -> Vec<u8> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../python/inferail/tokenizer/data");
    std::fs::read(data.join(name).with_extension("vocabulary")).unwrap_or_default()
}

fn tokenizer(file: &[u8]) -> Result<Tokenizer, Error> {
    let cut = PreTokenizerDefinition::Scheme(Scheme::Cl100k);
    Tokenizer::new(Definition::ranks(load::ranks(file)?, Vec::new(), cut))
}

/// 100 kB of a sentence, each time with another number in it: few pieces are new, as in a text.
fn text(sentence: &str) -> String {
    let mut text = String::new();
    for number in 0.. {
        if text.len() >= 100_000 {
            break;
        }
        text.push_str(sentence);
        text.push_str(&number.to_string());
    }
    text
}

fn bench_tokenizer(criterion: &mut Criterion) {
    let file = file("cl100k_base");
    let Ok(tokenizer) = tokenizer(&file) else {
        return;
    };
    let mut group = criterion.benchmark_group("tokenizer_cl100k");
    for (name, sentence) in SENTENCES {
        let text = text(sentence);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(format!("{name}/encode"), |bencher| {
            bencher.iter(|| tokenizer.encode(black_box(&text), Specials::AsText));
        });
        group.bench_function(format!("{name}/count"), |bencher| {
            bencher.iter(|| tokenizer.count(black_box(&text), Specials::AsText));
        });
        let ids = tokenizer
            .encode(&text, Specials::AsText)
            .unwrap_or_default();
        group.bench_function(format!("{name}/decode"), |bencher| {
            bencher.iter(|| tokenizer.decode_bytes(black_box(&ids)));
        });
        // Caches are empty: every piece is looked up in the vocabulary or merged.
        group.bench_function(format!("{name}/encode_first"), |bencher| {
            bencher.iter_batched_ref(
                || self::tokenizer(&file),
                |fresh| {
                    fresh
                        .as_ref()
                        .map(|fresh| fresh.encode(&text, Specials::AsText))
                        .is_ok()
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

fn bench_tokenizer_prompt(criterion: &mut Criterion) {
    let Ok(tokenizer) = tokenizer(&file("cl100k_base")) else {
        return;
    };
    let prompt = "What is the order in which the queue drains, and what happens to the calls that come too late now?";
    let mut group = criterion.benchmark_group("tokenizer_prompt");
    group.bench_function("100B/encode", |bencher| {
        bencher.iter(|| tokenizer.encode(black_box(prompt), Specials::AsText));
    });
    group.bench_function("100B/count", |bencher| {
        bencher.iter(|| tokenizer.count(black_box(prompt), Specials::AsText));
    });
    group.finish();
}

fn bench_tokenizer_load(criterion: &mut Criterion) {
    let file = file("cl100k_base");
    criterion.bench_function("tokenizer_load/cl100k", |bencher| {
        bencher.iter(|| tokenizer(black_box(&file)).is_ok());
    });
}

criterion_group!(
    benches,
    bench_tokenizer,
    bench_tokenizer_prompt,
    bench_tokenizer_load
);
criterion_main!(benches);
