//! Any bytes as a `SentencePiece` model.
#![no_main]

use inferail_fuzz::tokenizer::check_definition;
use inferail_tokenizer::load::sentencepiece;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| check_definition(sentencepiece::definition(data)));
