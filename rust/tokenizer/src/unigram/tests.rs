use proptest::prelude::*;

use super::{Unigram, UnigramDefinition, reference};
use crate::sink::Spans;
use crate::{Error, UnknownCharacters, Vocabulary};

fn tokens() -> impl Strategy<Value = Vec<(String, f32)>> {
    let token = prop_oneof![3 => "[ab▁]{1,4}", 1 => "[abcé▁語]{1,6}", 1 => "[a語😀]{1,3}"];
    // Few scores for exact ties, and some that are nearly equal.
    let score = prop_oneof![
        (-8_i8..0).prop_map(f32::from),
        (1_u16..999).prop_map(|n| f32::from(n) * -0.013),
        // So many that sums are set back.
        (1_u16..9).prop_map(|n| f32::from(n) * -9_999.1)
    ];
    proptest::collection::btree_map(token, score, 1..40)
        .prop_map(|tokens| tokens.into_iter().collect())
}

/// `<unk>` is 0; the bytes follow if they are wanted; then the tokens.
fn model(tokens: &[(String, f32)], bytes: bool, single: bool) -> (UnigramDefinition, Vocabulary) {
    let mut list = vec![("<unk>".to_owned(), None)];
    if bytes {
        list.extend((0..256).map(|byte| (format!("<0x{byte:02X}>"), None)));
    }
    list.extend(
        tokens
            .iter()
            .map(|(token, score)| (token.clone(), Some(f64::from(*score)))),
    );
    let pairs = list
        .iter()
        .zip(0..)
        .map(|((token, _), id)| (id, token.as_bytes()));
    let vocabulary = Vocabulary::new("test", pairs).unwrap();
    let definition = UnigramDefinition {
        scores: list.iter().map(|(_, score)| *score).collect(),
        symbols: Vec::new(),
        metaspace: true,
        unknown: UnknownCharacters {
            bytes: bytes.then(|| Box::new(std::array::from_fn(|byte| 1 + byte as u32))),
            token: Some(0),
            fuse: true,
        },
        single_precision: single,
        split: false,
    };
    (definition, vocabulary)
}

fn expected(definition: &UnigramDefinition, vocabulary: &Vocabulary, text: &str) -> Vec<u32> {
    let mut ids = Vec::new();
    let mut after_unknown = false;
    for (part, id) in reference::encode(definition, vocabulary, &text.replace(' ', "▁")) {
        match (id, &definition.unknown.bytes) {
            (Some(id), _) => ids.push(id),
            (None, Some(tokens)) => {
                // What the text has is a space.
                let part = part.replace('▁', " ");
                ids.extend(part.bytes().map(|byte| tokens[byte as usize]));
            }
            (None, None) if after_unknown => {}
            (None, None) => ids.push(0),
        }
        after_unknown = id.is_none();
    }
    ids
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn model_finds_the_way_of_the_reference(
        tokens in tokens(),
        text in prop_oneof!["[ab ]{0,40}", "[abcé 語😀z]{0,60}", "([ab]{1,3} ){0,60}"],
        bytes: bool,
        single: bool,
        split: bool,
        symbols in 0_usize..3,
    ) {
        let (mut definition, vocabulary) = model(&tokens, bytes, single);
        definition.split = split;
        let limit = vocabulary.limit();
        definition.symbols = (limit - tokens.len() as u32..limit).take(symbols).collect();
        let model = Unigram::new(&definition, &vocabulary).unwrap();
        let expected = if split {
            let words = text.split_inclusive(' ').flat_map(|part| {
                let space = part.len() - usize::from(part.ends_with(' '));
                [&part[..space], &part[space..]]
            });
            // A space belongs to what follows it.
            let mut pieces = vec![String::new()];
            for word in words {
                if word == " " {
                    pieces.push(String::new());
                }
                pieces.last_mut().unwrap().push_str(word);
            }
            pieces.iter().flat_map(|piece| expected(&definition, &vocabulary, piece)).collect()
        } else {
            expected(&definition, &vocabulary, &text)
        };

        let ends: &[u32] = if text.is_empty() { &[] } else { &[text.len() as u32] };
        for _ in 0..2 {
            let mut spans = Spans::default();
            model.encode(&text, 0, ends, &mut spans).unwrap();
            prop_assert_eq!(&spans.ids, &expected);
            prop_assert_eq!(spans.at as usize, text.len());
        }
    }
}

#[test]
fn model_says_where_a_character_has_no_token() {
    let (mut definition, vocabulary) = model(&[("a".to_owned(), -1.0)], false, true);
    definition.unknown.token = None;
    let model = Unigram::new(&definition, &vocabulary).unwrap();

    let error = model.encode("aa☃", 0, &[5], &mut Vec::new());

    assert_eq!(error, Err(Error::NoToken { offset: 2 }));
}
