//! Any bytes as a GGUF file.
#![no_main]

use inferail_fuzz::tokenizer::check_definition;
use inferail_tokenizer::load::gguf;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| check_definition(gguf::definition(data)));
