//! Any bytes as a `.tiktoken` file.
#![no_main]

use inferail_fuzz::tokenizer::check_definition;
use inferail_tokenizer::{
    AddedToken, Definition, ModelDefinition, PreTokenizerDefinition, Scheme, load,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    check_definition(load::tiktoken::ranks(data).map(|vocabulary| Definition {
        added: vec![AddedToken::special(vocabulary.limit(), "<|endoftext|>")],
        vocabulary,
        model: ModelDefinition::Ranks,
        pre_tokenizer: PreTokenizerDefinition::Scheme(Scheme::Cl100k),
    }));
});
