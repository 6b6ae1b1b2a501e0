//! Any text as a regular expression, a Lark grammar, or a set of tags, by its first byte.
#![no_main]

use std::sync::LazyLock;

use inferail_fuzz::constrained::{check_grammar, vocabulary};
use inferail_sampler::grammar::{Grammar, Tag, Tags, Vocabulary};
use libfuzzer_sys::fuzz_target;

static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(vocabulary);

fn tags(text: &str) -> Tags {
    let mut parts = text.splitn(4, '|').map(str::to_owned);
    let mut next = || parts.next().unwrap_or_default();
    let trigger = next();
    Tags {
        tags: vec![Tag {
            begin: format!("{trigger}{}", next()),
            end: next(),
            schema: "{\"type\": \"null\"}".to_owned(),
        }],
        triggers: vec![trigger],
        repeated: true,
        free_text: true,
        ..Tags::default()
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(rest) else {
        return;
    };
    let made = match kind % 3 {
        0 => Grammar::from_regex(&VOCABULARY, text),
        1 => Grammar::from_lark(&VOCABULARY, text),
        _ => Grammar::from_tags(&VOCABULARY, &tags(text)),
    };
    check_grammar(made, &rest[rest.len() / 2..]);
});
