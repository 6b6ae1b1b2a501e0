//! Every path against the reference.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use super::backtrack::{Backtracker, Notes};
use super::merge::Merged;
use super::{Bpe, Merges, reference};
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

/// Tokens that are text.
static TOKENS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let tokens = SHIPPED[0]
        .1
        .keys()
        .map(|token| String::from_utf8(token.clone()));
    tokens.filter_map(Result::ok).collect()
});

/// Long pieces of few different parts: whole tokens, their begins and single letters, repeated and in a row.
fn long_pieces() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        2 => "[ab]{1,9}|[a-z]{1,7}| {1,40}|\\n{1,9}|[!-/]{1,9}|[A-Za-z0-9+/]{1,20}",
        1 => "[的一是不了人我在有他]{1,9}|[一-龥]{1,9}|[ぁ-ん]{1,9}|[가-힣]{1,9}|[а-я]{1,9}|\\PC{1,9}",
        1 => any::<[prop::sample::Index; 2]>().prop_map(|[token, cut]| {
            let token: Vec<char> = token.get(&TOKENS).chars().collect();
            token[..=cut.index(token.len())].iter().collect()
        }),
    ];
    let parts = proptest::collection::vec((part, 1..20_usize), 1..9);
    parts.prop_map(|parts| {
        let repeated = parts.iter().map(|(part, count)| part.repeat(*count));
        repeated.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 24 } else { 2000 }))]

    #[test]
    fn long_pieces_of_shipped_vocabularies_become_what_the_reference_says(piece in long_pieces()) {
        for (model, ranks) in &*SHIPPED {
            compare_long(model, ranks, &piece);
        }
    }

    #[test]
    fn long_pieces_of_made_up_vocabularies_become_what_the_reference_says(
        parts in proptest::collection::vec((any::<u16>(), any::<u16>()), 0..300),
        shuffled in proptest::bool::weighted(0.3),
        pieces in proptest::collection::vec(
            "[ab]{256,400}|[abо]{200,300}|(a{1,9}b){100,200}|[しこoaи]{200,300}|a{256,600}",
            1..6,
        ),
    ) {
        let mut tokens = made_up(&parts);
        if shuffled && tokens.len() > 258 {
            // Ids that are lower than those of their halves, and bytes among the others.
            tokens[256..].reverse();
            tokens.swap(97, 257);
        }
        let numbered = tokens.iter().enumerate().map(|(id, token)| (id as u32, token.as_slice()));
        let model = Bpe::new(Arc::new(Vocabulary::new("test", numbered).unwrap()));
        let ranks = tokens.iter().cloned().zip(0..).collect();
        for piece in pieces {
            compare_long(&model, &ranks, &piece);
        }
    }
}

/// As [`compare`] for one piece, without and with a heap. The reference is quadratic and sees the begin of it.
fn compare_long(model: &Bpe, ranks: &BTreeMap<Vec<u8>, u32>, piece: &str) {
    let begin = piece
        .char_indices()
        .map(|(at, _)| at)
        .take_while(|at| *at <= 400)
        .last();
    compare(model, ranks, &[piece[..begin.unwrap_or(0)].to_owned()]);
    if ranks.contains_key(piece.as_bytes()) {
        return;
    }
    let mut merged = [Merged::default(), Merged::default()];
    let text = piece.as_bytes();
    model
        .merger
        .heaped(&model.table, text, &mut merged[0])
        .unwrap();
    model
        .merger
        .merge(&model.table, text, piece, &mut merged[1])
        .unwrap();
    assert_eq!(merged[1].ids, merged[0].ids, "{piece:?}");
    let known = Backtracker::new(&model.merger, &model.table).unwrap();
    let mut ids = Vec::new();
    if known.encode(
        &model.merger,
        &model.table,
        (text, text.len()),
        &mut Notes::default(),
        &mut ids,
    ) {
        assert_eq!(ids, merged[0].ids, "{piece:?}");
    }
}

#[test]
fn every_token_of_shipped_vocabularies_can_be_searched_for() {
    for (model, ranks) in &*SHIPPED {
        let known = Backtracker::new(&model.merger, &model.table).unwrap();
        let every = if cfg!(debug_assertions) { 17 } else { 1 };
        for (token, id) in ranks.iter().step_by(every) {
            let mut ids = Vec::new();
            assert!(known.encode(
                &model.merger,
                &model.table,
                (token, token.len()),
                &mut Notes::default(),
                &mut ids
            ));
            assert_eq!(ids, [*id]);
        }
    }
}

/// A vocabulary of a list, each merge of which joins two of `alphabet` or of what was merged before. Some merges have a second
/// way to the same token, a few come in another order than ids, and some tokens have no merge.
fn listed(
    parts: &[(u16, u16)],
    swapped: &[(u16, u16)],
    alphabet: &[u8],
    disorder: bool,
) -> (Vec<Vec<u8>>, Vec<[u32; 3]>) {
    let mut tokens: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    let mut pairs = Vec::new();
    for (index, &(left, right)) in parts.iter().enumerate() {
        let pick = |place: u16| {
            let place = usize::from(place) % (alphabet.len() + tokens.len() - 256);
            alphabet
                .get(place)
                .map_or(place + 256 - alphabet.len(), |byte| usize::from(*byte))
        };
        let (left, right) = (pick(left), pick(right));
        let token = [tokens[left].clone(), tokens[right].clone()].concat();
        if token.len() > 30 {
            continue;
        }
        let known = tokens.iter().position(|known| *known == token);
        let merged = known.unwrap_or_else(|| {
            tokens.push(token);
            tokens.len() - 1
        });
        if index % 17 != 16 {
            pairs.push([left as u32, right as u32, merged as u32]);
        }
    }
    for &(first, second) in swapped {
        // A token may then come before its parts.
        let merged = tokens.len() - 256;
        if merged > 0 {
            let [first, second] = [first, second].map(|place| 256 + usize::from(place) % merged);
            tokens.swap(first, second);
            for id in pairs.iter_mut().flatten() {
                *id = match *id as usize {
                    id if id == first => second as u32,
                    id if id == second => first as u32,
                    _ => *id,
                };
            }
        }
    }
    pairs.sort_by_key(|[_, _, merged]| *merged);
    if disorder && pairs.len() > 3 {
        let middle = pairs.len() / 2;
        pairs.swap(middle, middle + 1);
    }
    (tokens, pairs)
}

/// What both engines make of the same pieces, if the list can be taken as ranks.
fn compare_list(
    (tokens, pairs): &(Vec<Vec<u8>>, Vec<[u32; 3]>),
    ignore_merges: bool,
    pieces: &[String],
) -> bool {
    let numbered = tokens.iter().enumerate();
    let numbered = numbered.map(|(id, token)| (id as u32, token.as_slice()));
    let vocabulary = Arc::new(Vocabulary::new("test", numbered).unwrap());
    let Some(fast) = Bpe::of_list(&vocabulary, pairs, ignore_merges) else {
        return false;
    };
    let slow = Merges::new(&vocabulary, pairs, ignore_merges).unwrap();
    let text = pieces.concat();
    let ends = pieces.iter().scan(0, |end, piece| {
        *end += piece.len() as u32;
        Some(*end)
    });
    let ends: Vec<u32> = ends.collect();
    let (mut expected, mut ids) = (Vec::new(), Vec::new());
    slow.encode(&text, 0, &ends, &mut expected).unwrap();
    fast.encode(&text, 0, &ends, &mut ids).unwrap();
    assert_eq!(ids, expected, "{tokens:?} {pairs:?} {pieces:?}");
    // Again, with what is remembered, and with lengths.
    let (mut spans, mut expected) = (Spans::default(), Spans::default());
    slow.encode(&text, 0, &ends, &mut expected).unwrap();
    fast.encode(&text, 0, &ends, &mut spans).unwrap();
    assert_eq!(spans.ids, ids, "{tokens:?} {pairs:?} {pieces:?}");
    assert_eq!(spans.ends, expected.ends, "{tokens:?} {pairs:?} {pieces:?}");
    true
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 300 } else { 3000 }))]

    #[test]
    fn lists_taken_as_ranks_merge_as_lists(
        parts in proptest::collection::vec((any::<u16>(), any::<u16>()), 0..60),
        swapped in proptest::collection::vec((any::<u16>(), any::<u16>()), 0..9),
        pieces in proptest::collection::vec("[ab]{1,9}|[abc]{1,20}|[abcо]{1,30}|a{1,140}", 1..40),
        ignore_merges in any::<bool>(),
        disorder in proptest::bool::weighted(0.2),
    ) {
        compare_list(&listed(&parts, &swapped, b"abc\xd0\xbe", disorder), ignore_merges, &pieces);
    }
}

#[test]
fn a_list_in_the_order_of_ids_is_taken_as_ranks() {
    // "abc" has two ways, and "bcb" is a token that no merge makes.
    let mut tokens: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    tokens.extend([
        b"ab".to_vec(),
        b"bc".to_vec(),
        b"abc".to_vec(),
        b"cbcb".to_vec(),
    ]);
    let (a, b, c) = (97, 98, 99);
    let list = (
        tokens,
        vec![[a, b, 256], [b, c, 257], [a, 257, 258], [256, c, 258]],
    );
    let pieces = ["abc", "bcb", "cbcb", "abcbcb", "aabbcc"].map(str::to_owned);

    for ignore_merges in [false, true] {
        assert!(compare_list(&list, ignore_merges, &pieces));
    }
}

#[test]
fn a_list_in_another_order_than_ids_is_not_taken_as_ranks() {
    let mut tokens: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    tokens.extend([b"ab".to_vec(), b"bc".to_vec()]);
    let list = (tokens, vec![[98, 99, 257], [97, 98, 256]]);

    assert!(!compare_list(&list, false, &["abc".to_owned()]));
}
