//! Ranks, a pattern and merges in a row.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use inferail_tokenizer::{
    AddedToken, Definition, PreTokenizerDefinition, Scheme, Specials, Tokenizer, Vocabulary, load,
};

fn tokenizer() -> Tokenizer {
    let bytes = (0..=255_u8).map(|byte| vec![byte]);
    let merged = ["he", "ll", "hell", "hello", " w"].map(|token| token.as_bytes().to_vec());
    let tokens: Vec<Vec<u8>> = bytes.chain(merged).collect();
    let ranks = tokens.iter().enumerate();
    let ranked = ranks.map(|(rank, token)| (rank as u32, token.as_slice()));
    let file = load::tiktoken::write(&Vocabulary::new("test", ranked).unwrap());
    let definition = Definition::ranks(
        load::tiktoken::ranks(&file).unwrap(),
        vec![AddedToken::special(300, "<|end|>")],
        PreTokenizerDefinition::Scheme(Scheme::Cl100k),
    );
    Tokenizer::new(definition).unwrap()
}

#[test]
fn text_becomes_tokens_and_text_again() {
    let tokenizer = tokenizer();

    let ids = tokenizer
        .encode("hello world<|end|>", Specials::All)
        .unwrap();

    assert_eq!(ids, [259, 260, 111, 114, 108, 100, 300]);
    assert_eq!(tokenizer.decode_bytes(&ids).unwrap(), b"hello world<|end|>");
    assert_eq!(tokenizer.count("hello", Specials::AsText), Ok(1));
    assert_eq!(
        tokenizer.count_till_limit("hello world", Specials::All, 3),
        Ok(None)
    );
    assert_eq!(
        tokenizer.encode_first("hello world", Specials::All, 3),
        Ok(ids[..3].to_vec())
    );
}

#[test]
fn written_ranks_are_those_of_the_file() {
    let file = b"AA== 0\naGU= 1\naGVs 7\naGVsbA== 9\n";

    let vocabulary = load::tiktoken::ranks(file).unwrap();

    assert_eq!(load::tiktoken::write(&vocabulary), file);
    assert_eq!(vocabulary.token(9), Some(b"hell".as_slice()));
}
