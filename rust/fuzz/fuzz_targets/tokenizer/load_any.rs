//! Any bytes as a file of a kind that is not told.
#![no_main]

use inferail_fuzz::tokenizer::check_definition;
use inferail_tokenizer::load::{self, Ids, Options};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for ids in [Ids::File, Ids::HuggingFace] {
        check_definition(load::any(data, Options { ids }));
    }
});
