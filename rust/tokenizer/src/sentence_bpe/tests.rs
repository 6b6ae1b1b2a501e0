use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{SentenceBpe, SentenceBpeDefinition, SentenceMerges, UnknownCharacters, reference};
use crate::sink::{Counter, Spans};
use crate::{Error, Vocabulary};

/// Tokens with their scores over a small alphabet, so that much merges and ties are common.
fn tokens() -> impl Strategy<Value = Vec<(String, f32)>> {
    let token = prop_oneof![
        3 => "[ab▁]{1,4}",
        1 => "[abcé▁語]{1,6}",
        1 => "[a語😀]{1,3}",
    ];
    proptest::collection::btree_map(token, (-8_i8..1).prop_map(f32::from), 1..40)
        .prop_map(|tokens| tokens.into_iter().collect())
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[ab ]{0,40}",
        2 => "[abcé 語😀z]{0,60}",
        1 => "a{0,300}",
        1 => "[ab]{100,400}",
    ]
}

/// `<unk>` is 0; the bytes follow if they are wanted; then the tokens.
fn model(
    tokens: &[(String, f32)],
    bytes: bool,
    symbols: usize,
) -> (SentenceBpeDefinition, Vocabulary) {
    let mut list = vec![("<unk>".to_owned(), 0.0)];
    if bytes {
        list.extend((0..256).map(|byte| (format!("<0x{byte:02X}>"), 0.0)));
    }
    let first = list.len() as u32;
    list.extend_from_slice(tokens);
    let pairs = list
        .iter()
        .enumerate()
        .map(|(id, (token, _))| (id as u32, token.as_bytes()));
    let vocabulary = Vocabulary::new("test", pairs).unwrap();
    let definition = SentenceBpeDefinition {
        merges: SentenceMerges::Scores(list.iter().map(|(_, score)| *score).collect()),
        metaspace: true,
        unknown: UnknownCharacters {
            bytes: bytes.then(|| Box::new(std::array::from_fn(|byte| 1 + byte as u32))),
            token: Some(0),
            fuse: true,
        },
        symbols: (first..list.len() as u32).rev().take(symbols).collect(),
        ignore_merges: false,
    };
    (definition, vocabulary)
}

/// Every way to make a token of two tokens, in an order of its own.
fn as_pairs(definition: &SentenceBpeDefinition, vocabulary: &Vocabulary) -> SentenceMerges {
    let bytes = definition.unknown.bytes.as_deref();
    let plain = vocabulary
        .iter()
        .filter(|(id, _)| *id > 0 && !bytes.is_some_and(|bytes| bytes.contains(id)));
    let ids: BTreeMap<&[u8], u32> = plain.map(|(id, token)| (token, id)).collect();
    let mut pairs = Vec::new();
    for (token, &id) in &ids {
        for at in 1..token.len() {
            if let (Some(&left), Some(&right)) = (ids.get(&token[..at]), ids.get(&token[at..])) {
                pairs.push([left, right, id]);
            }
        }
    }
    pairs.retain(|pair| pair.iter().all(|id| !definition.symbols.contains(id)));
    pairs.sort_by_key(|[left, right, id]| (left * 7 + right * 13 + id) % 11);
    SentenceMerges::Pairs(pairs)
}

fn expected(definition: &SentenceBpeDefinition, vocabulary: &Vocabulary, text: &str) -> Vec<u32> {
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

fn check(definition: &SentenceBpeDefinition, vocabulary: &Vocabulary, text: &str) {
    let model = SentenceBpe::new(definition, vocabulary).unwrap();
    let expected = expected(definition, vocabulary, text);
    let ends: &[u32] = if text.is_empty() {
        &[]
    } else {
        &[text.len() as u32]
    };
    for _ in 0..2 {
        let mut ids = Vec::new();
        model.encode(text, 0, ends, &mut ids).unwrap();
        assert_eq!(ids, expected, "{text:?}");
    }
    let mut spans = Spans::default();
    model.encode(text, 0, ends, &mut spans).unwrap();
    assert_eq!(spans.ids, expected, "{text:?}");
    assert_eq!(spans.at as usize, text.len());
    let mut counter = Counter {
        count: 0,
        limit: usize::MAX,
    };
    model.encode(text, 0, ends, &mut counter).unwrap();
    assert_eq!(counter.count, expected.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn model_merges_by_scores_as_the_reference(
        tokens in tokens(), text in texts(), bytes: bool, symbols in 0_usize..4,
    ) {
        let (definition, vocabulary) = model(&tokens, bytes, symbols);
        check(&definition, &vocabulary, &text);
    }

    #[test]
    fn model_merges_by_pairs_as_the_reference(tokens in tokens(), text in texts(), bytes: bool) {
        let (mut definition, vocabulary) = model(&tokens, bytes, 0);
        definition.merges = as_pairs(&definition, &vocabulary);
        check(&definition, &vocabulary, &text);
    }
}

#[test]
fn model_says_where_a_character_has_no_token() {
    let (mut definition, vocabulary) = model(&[("a".to_owned(), 0.0)], false, 0);
    definition.unknown.token = None;
    let model = SentenceBpe::new(&definition, &vocabulary).unwrap();

    let error = model.encode("aa☃", 0, &[5], &mut Vec::new());

    assert_eq!(error, Err(Error::NoToken { offset: 2 }));
}

#[test]
fn model_takes_a_whole_piece_for_its_token_if_merges_are_ignored() {
    let tokens = ["a", "b", "ba", "aba"].map(|token| (token.to_owned(), 0.0));
    let (mut definition, vocabulary) = model(&tokens, false, 0);
    definition.merges = SentenceMerges::Pairs(vec![[2, 1, 3]]);
    definition.ignore_merges = true;
    let model = SentenceBpe::new(&definition, &vocabulary).unwrap();

    let mut ids = Vec::new();
    model.encode("abaabab", 0, &[3, 7], &mut ids).unwrap();

    assert_eq!(ids, [4, 1, 3, 2]);
}

#[test]
fn model_refuses_a_score_that_is_no_number() {
    let (definition, vocabulary) = model(&[("a".to_owned(), f32::NAN)], false, 0);

    let error = SentenceBpe::new(&definition, &vocabulary);

    assert!(matches!(error, Err(Error::Format { .. })));
}
