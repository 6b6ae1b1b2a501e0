//! Ranks, a pattern and merges in a row.

use inferail_tokenizer::{
    AddedToken, Definition, ModelDefinition, NormalizerDefinition, PreTokenizerDefinition, Scheme,
    Specials, Tokenizer, load,
};

fn tokenizer() -> Tokenizer {
    let mut file: String = (0..=255_u8)
        .map(|byte| line(&[byte], byte.into()))
        .collect();
    for (rank, token) in ["he", "ll", "hell", "hello", " w"].iter().enumerate() {
        file.push_str(&line(token.as_bytes(), 256 + rank as u32));
    }
    let definition = Definition {
        vocabulary: load::tiktoken::ranks(file.as_bytes()).unwrap(),
        model: ModelDefinition::Ranks,
        added: vec![AddedToken::special(300, "<|end|>")],
        normalizer: NormalizerDefinition::None,
        pre_tokenizer: PreTokenizerDefinition::Scheme(Scheme::Cl100k),
    };
    Tokenizer::new(definition).unwrap()
}

fn line(token: &[u8], rank: u32) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in token.chunks(3) {
        let bits = three
            .iter()
            .fold(0, |bits, byte| bits << 8 | u32::from(*byte))
            << (24 - 8 * three.len());
        for digit in 0..4 {
            let value = DIGITS[(bits >> (18 - 6 * digit) & 63) as usize] as char;
            text.push(if digit <= three.len() { value } else { '=' });
        }
    }
    format!("{text} {rank}\n")
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
}
