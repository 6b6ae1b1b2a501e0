//! Any bytes as a `tokenizer.json`.
#![no_main]

use inferail_fuzz::tokenizer::check_definition;
use inferail_tokenizer::load::{Ids, Options, huggingface};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for ids in [Ids::File, Ids::HuggingFace] {
        check_definition(huggingface::definition(data, Options { ids }));
    }
});
