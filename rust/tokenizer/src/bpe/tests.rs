//! Every path against the reference.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use super::{Bpe, reference};
use crate::sink::Spans;
use crate::{Vocabulary, load};

const LETTERS: [&[u8]; 9] = [
    b"a",
    b"b",
    b"\xd0",
    b"\xbe",
    b"\xe3",
    b"\x81",
    b"\x97",
    "о".as_bytes(),
    "し".as_bytes(),
];

/// Every byte, then concatenations of earlier tokens: some cannot be reached by merges, some hold half a character.
fn made_up(parts: &[(u16, u16)]) -> Vec<Vec<u8>> {
    let mut tokens: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    for (left, right) in parts {
        let pick = |place: &u16| {
            // Mostly a few letters and what was made of them, so that pairs occur in texts.
            let place = usize::from(*place) % (tokens.len() + 60 * 256);
            tokens
                .get(place)
                .cloned()
                .unwrap_or_else(|| LETTERS[place % LETTERS.len()].to_vec())
        };
        let token = [pick(left), pick(right)].concat();
        if token.len() < 40 && !tokens.contains(&token) {
            tokens.push(token);
        }
    }
    tokens
}

/// A model, and the ranks that the reference takes.
type Pair = (Bpe, BTreeMap<Vec<u8>, u32>);

static SHIPPED: LazyLock<Vec<Pair>> = LazyLock::new(|| {
    let prepared = ["cl100k_base", "o200k_base", "r50k_base"].map(|name| {
        let vocabulary = shipped(name);
        let ranks = vocabulary
            .iter()
            .map(|(id, token)| (token.to_vec(), id))
            .collect();
        (Bpe::new(Arc::new(vocabulary)), ranks)
    });
    prepared.into()
});

fn shipped(name: &str) -> Vocabulary {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../python/inferail/tokenizer/data");
    let file = std::fs::read(data.join(name).with_extension("vocabulary")).unwrap();
    load::compact::read(&file).unwrap()
}

/// Encodes twice, the second time from the caches, and compares ids, spans, counts and the way back.
fn compare(model: &Bpe, ranks: &BTreeMap<Vec<u8>, u32>, pieces: &[String]) {
    let text = pieces.concat();
    let mut ends = Vec::new();
    let mut expected = Vec::new();
    for piece in pieces {
        ends.push(ends.last().copied().unwrap_or(0) + piece.len() as u32);
        reference::encode(ranks, piece.as_bytes(), &mut expected).unwrap();
    }
    for _ in 0..2 {
        let mut ids = Vec::new();
        model.encode(&text, 0, &ends, &mut ids).unwrap();
        assert_eq!(ids, expected, "{pieces:?}");
        let mut spans = Spans::default();
        model.encode(&text, 0, &ends, &mut spans).unwrap();
        assert_eq!(spans.ids, expected, "{pieces:?}");
        let mut decoded = Vec::new();
        for (id, end) in ids.iter().zip(&spans.ends) {
            assert!(model.append(*id, &mut decoded));
            assert_eq!(decoded.len(), *end as usize);
        }
        assert_eq!(decoded, text.as_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn made_up_vocabularies_merge_as_the_reference(
        parts in proptest::collection::vec((any::<u16>(), any::<u16>()), 0..300),
        pieces in proptest::collection::vec(
            "[ab]{1,20}|[aоир]{1,12}|[abоиしこ😀]{1,60}|[しこ]{60,70}|[ab]{126,140}|[аи]{120,130}",
            1..30,
        ),
    ) {
        let tokens = made_up(&parts);
        let numbered = tokens.iter().enumerate().map(|(id, token)| (id as u32, token.as_slice()));
        let model = Bpe::new(Arc::new(Vocabulary::new("test", numbered).unwrap()));
        let ranks = tokens.iter().cloned().zip(0..).collect();

        compare(&model, &ranks, &pieces);
    }

    #[test]
    fn shipped_vocabularies_merge_as_the_reference(
        pieces in proptest::collection::vec(
            concat!(
                "[a-z]{1,12}| ?[а-яё]{1,14}| ?[ぁ-ん]{1,9}| ?[ァ-ヴー]{1,8}| ?[一-龥]{1,9}| ?[가-힣]{1,8}| ?[أ-ي]{1,9}",
                "| ?[अ-ह]{1,6}| ?[α-ωά]{1,9}|[À-ž]{1,9}|[!-/]{1,20}| {1,40}|[😀-🙏]{1,5}|\\PC{1,30}",
            ),
            300..400,
        ),
    ) {
        for (model, ranks) in &*SHIPPED {
            compare(model, ranks, &pieces);
        }
    }
}
