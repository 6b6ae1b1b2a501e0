//! Any bytes as a `.tiktoken` file.
#![no_main]

use inferail_fuzz::tokenizer::{check_definition, definition};
use inferail_tokenizer::{PreTokenizerDefinition, Scheme, load};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    check_definition(load::tiktoken::ranks(data).map(|vocabulary| {
        let special = vocabulary.limit();
        let pre_tokenizer = PreTokenizerDefinition::Scheme(Scheme::Cl100k);
        definition(vocabulary, pre_tokenizer, special)
    }));
});
