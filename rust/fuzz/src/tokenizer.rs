//! What every tokenizer must do, wherever it came from.

use std::collections::BTreeMap;

use inferail_tokenizer::{
    AddedToken, Definition, Error, PreTokenizerDefinition, Specials, StreamingDecoder, Tokenizer, Vocabulary,
};

/// Texts of every kind that a tokenizer treats in a way of its own.
const TEXTS: [&str; 8] = [
    "",
    "Hello, world! It's 12345 o'clock.",
    "  two\n\n\tlines \r\n ",
    "naïve Größe \u{130}\u{17f} e\u{301}",
    "渡り鳥は空を飛ぶ。привет مرحبا",
    "👩\u{200d}🚀\u{1f1e9}\u{1f1ea}\u{fffd}\0",
    "<s>[INST] <|endoftext|></s><unk>[CLS]▁##ing",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

/// Prepares what a loader gave and puts [`TEXTS`] through it: every step gives a result or a typed error.
pub fn check_definition(loaded: Result<Definition, Error>) {
    if let Ok(tokenizer) = loaded.and_then(Tokenizer::new) {
        for text in TEXTS {
            check_text(&tokenizer, text);
        }
    }
}

/// Panics unless the three ways to encode `text` agree, and what they give can be decoded.
pub fn check_text(tokenizer: &Tokenizer, text: &str) {
    for specials in [Specials::AsText, Specials::All] {
        let Ok(ids) = tokenizer.encode(text, specials) else {
            continue;
        };
        assert_eq!(tokenizer.count(text, specials), Ok(ids.len()));
        for limit in [ids.len(), ids.len().saturating_sub(1)] {
            let expected = (ids.len() <= limit).then_some(ids.len());
            assert_eq!(
                tokenizer.count_till_limit(text, specials, limit),
                Ok(expected)
            );
        }
        assert!(tokenizer.decode_bytes(&ids).is_ok());
        check_stream(tokenizer, &ids);
    }
}

/// Panics unless `ids` one by one become what they become together, where the decoder can see them one by one.
fn check_stream(tokenizer: &Tokenizer, ids: &[u32]) {
    let mut decoder = StreamingDecoder::new();
    let mut streamed = String::new();
    for &id in ids {
        match decoder.step(tokenizer, id) {
            Ok(text) => streamed.push_str(&text),
            Err(error) => return assert!(matches!(error, Error::Unsupported { .. }), "{error}"),
        }
    }
    streamed.push_str(&decoder.finish());
    let together = tokenizer.decode_bytes(ids).unwrap_or_default();
    assert_eq!(streamed, String::from_utf8_lossy(&together));
}

/// Every byte, and a few hundred tokens of the kinds that real vocabularies have: ids are ranks.
pub fn byte_vocabulary() -> Vec<Vec<u8>> {
    const PARTS: &str = "th he in er an the ing and hell hello  t  the  w  a 's 'll 12 123 \r\n \n\n ö Ö é ß 渡 り鳥 пр при ؟ \
                         👩 \u{17f} // ** == --- aa aaaa aaaaaaaa ab ba aba abab";
    let mut tokens: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    let mut add = |token: &[u8]| {
        // Each longer token is reached by merges: its beginnings are tokens before it.
        for end in 2..=token.len() {
            if !tokens.iter().any(|other| other == &token[..end]) {
                tokens.push(token[..end].to_vec());
            }
        }
    };
    for part in PARTS.split(' ') {
        add(part.as_bytes());
        add(format!(" {part}").as_bytes());
    }
    for width in [2, 4, 8, 16] {
        add(" ".repeat(width).as_bytes());
    }
    tokens
}

/// Ranks, one special token `<|end|>` of the id `special`, and nothing else.
pub fn definition(
    vocabulary: Vocabulary,
    pre_tokenizer: PreTokenizerDefinition,
    special: u32,
) -> Definition {
    let added = vec![AddedToken::special(special, "<|end|>")];
    Definition::ranks(vocabulary, added, pre_tokenizer)
}

/// The tokenizer of [`byte_vocabulary`].
pub fn byte_tokenizer(pre_tokenizer: PreTokenizerDefinition, special: u32) -> Tokenizer {
    let tokens = byte_vocabulary();
    let ranked = tokens.iter().enumerate();
    Vocabulary::new(
        "fuzz vocabulary",
        ranked.map(|(rank, token)| (rank as u32, token.as_slice())),
    )
    .and_then(|vocabulary| Tokenizer::new(definition(vocabulary, pre_tokenizer, special)))
    .unwrap_or_else(|error| unreachable!("{error}"))
}

/// Byte pair encoding as it is defined: the whole piece if it is a token, else the pair of lowest rank first.
pub fn merge(ranks: &BTreeMap<Vec<u8>, u32>, piece: &[u8]) -> Vec<u32> {
    if let Some(rank) = ranks.get(piece) {
        return vec![*rank];
    }
    let mut parts: Vec<&[u8]> = piece.chunks(1).collect();
    while let Some((_, at)) = parts
        .windows(2)
        .enumerate()
        .filter_map(|(at, pair)| Some((*ranks.get(&pair.concat())?, at)))
        .min()
    {
        let begin: usize = parts[..at].iter().map(|part| part.len()).sum();
        let both = parts[at].len() + parts[at + 1].len();
        parts[at] = &piece[begin..begin + both];
        parts.remove(at + 1);
    }
    parts.iter().map(|part| ranks[*part]).collect()
}
