//! Any text as a JSON Schema; what the last bytes say is taken of its grammar.
#![no_main]

use std::sync::LazyLock;

use inferail_fuzz::constrained::{check_grammar, vocabulary};
use inferail_sampler::grammar::{Grammar, SchemaOptions, Vocabulary, Whitespace};
use libfuzzer_sys::fuzz_target;

static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(vocabulary);

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let whitespace = if data.len() % 2 == 0 {
        Whitespace::Compact
    } else {
        Whitespace::Flexible
    };
    let options = SchemaOptions {
        whitespace,
        ignored: Vec::new(),
    };
    let choices = &data[data.len() / 2..];
    check_grammar(Grammar::from_schema(&VOCABULARY, text, &options), choices);
});
