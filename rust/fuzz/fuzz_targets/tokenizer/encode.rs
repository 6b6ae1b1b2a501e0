//! Any text through every scanner and the fast merge, against the regular expression and the definition of both.
#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use inferail_fuzz::tokenizer::{byte_tokenizer, byte_vocabulary, check_text, merge};
use inferail_tokenizer::{PreTokenizerDefinition, Scheme, Specials, Tokenizer};
use libfuzzer_sys::fuzz_target;

const SPECIAL: u32 = 1_000;

const SCHEMES: [Scheme; 3] = [Scheme::R50k, Scheme::Cl100k, Scheme::O200k];

/// The scanner of each scheme, and the same with its pattern written so that no scanner is known for it.
static PAIRS: LazyLock<Vec<[Tokenizer; 2]>> = LazyLock::new(|| {
    let pair = |scheme: Scheme| {
        let pattern = format!("(?:{})", scheme.pattern());
        [
            byte_tokenizer(PreTokenizerDefinition::Scheme(scheme), SPECIAL),
            byte_tokenizer(PreTokenizerDefinition::Pattern(pattern), SPECIAL),
        ]
    };
    SCHEMES.map(pair).into()
});

static WHOLE: LazyLock<Tokenizer> =
    LazyLock::new(|| byte_tokenizer(PreTokenizerDefinition::None, SPECIAL));

static RANKS: LazyLock<BTreeMap<Vec<u8>, u32>> =
    LazyLock::new(|| byte_vocabulary().into_iter().zip(0..).collect());

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    for [scanner, pattern] in &*PAIRS {
        let ids = scanner.encode(&text, Specials::AsText);
        assert_eq!(ids, pattern.encode(&text, Specials::AsText));
        let bytes = ids.and_then(|ids| scanner.decode_bytes(&ids));
        assert_eq!(bytes.as_deref(), Ok(text.as_bytes()));
        check_text(scanner, &text);
    }
    // The definition takes cubic time.
    if text.len() <= 512 {
        let ids = WHOLE.encode(&text, Specials::AsText);
        assert_eq!(ids, Ok(merge(&RANKS, text.as_bytes())));
    }
});
