//! Any bytes as a `tekken.json`.
#![no_main]

use inferail_fuzz::tokenizer::check_definition;
use inferail_tokenizer::load::tekken;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| check_definition(tekken::definition(data)));
