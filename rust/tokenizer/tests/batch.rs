//! Batches give what single calls give.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use std::num::NonZeroUsize;

use inferail_tokenizer::{
    Definition, PreTokenizerDefinition, Scheme, Specials, Tokenizer, Vocabulary,
};

fn bytes_only() -> Tokenizer {
    let tokens: Vec<[u8; 1]> = (0..=255).map(|byte| [byte]).collect();
    let numbered = tokens
        .iter()
        .zip(0..)
        .map(|(token, id)| (id, token.as_slice()));
    Tokenizer::new(Definition::ranks(
        Vocabulary::new("test", numbered).unwrap(),
        Vec::new(),
        PreTokenizerDefinition::Scheme(Scheme::Cl100k),
    ))
    .unwrap()
}

#[test]
fn batches_give_what_single_calls_give() {
    let tokenizer = bytes_only();
    let texts: Vec<String> = (0..40)
        .map(|index| format!("text {index}\n").repeat(index * 11 % 400))
        .collect();

    for threads in [None, NonZeroUsize::new(1), NonZeroUsize::new(3)] {
        let ids = tokenizer
            .encode_batch(&texts, Specials::All, threads)
            .unwrap();
        let counts = tokenizer
            .count_batch(&texts, Specials::All, threads)
            .unwrap();

        for ((text, ids), count) in texts.iter().zip(&ids).zip(counts) {
            assert_eq!(*ids, tokenizer.encode(text, Specials::All).unwrap());
            assert_eq!(ids.len(), count);
        }
    }
}
