//! The format of our own against a writer that is slow and obvious.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;

use inferail_tokenizer::{Error, Vocabulary, load};
use proptest::prelude::*;

type Tokens = BTreeMap<u32, Vec<u8>>;

fn write(tokens: &Tokens) -> Vec<u8> {
    let limit = tokens.last_key_value().map_or(0, |(id, _)| id + 1);
    let width = u32::BITS - limit.leading_zeros();
    let (mut lengths, mut bits, mut rests) = (Vec::new(), Vec::new(), Vec::new());
    for id in 0..limit {
        let token = tokens.get(&id).map_or(&[][..], Vec::as_slice);
        let beginning = tokens
            .range(..id)
            .filter(|(_, other)| other.len() < token.len() && token.starts_with(other))
            .max_by_key(|(_, other)| other.len());
        let (number, shared) = beginning.map_or((0, 0), |(id, other)| (id + 1, other.len()));
        lengths.push((token.len() - shared) as u8);
        bits.extend((0..width).map(|bit| number >> bit & 1 == 1));
        rests.extend_from_slice(&token[shared..]);
    }
    let num_bytes: usize = tokens.values().map(Vec::len).sum();
    let mut file = b"IRVOCAB\x01".to_vec();
    file.extend(limit.to_le_bytes());
    file.extend((num_bytes as u32).to_le_bytes());
    file.extend(lengths);
    file.extend(bits.chunks(8).map(|bits| {
        bits.iter()
            .rev()
            .fold(0, |byte, bit| byte << 1 | u8::from(*bit))
    }));
    file.extend(rests);
    with_checksum(file)
}

fn with_checksum(mut body: Vec<u8>) -> Vec<u8> {
    body.extend(crc32fast::hash(&body).to_le_bytes());
    body
}

fn tokens_of(vocabulary: &Vocabulary) -> Tokens {
    vocabulary
        .iter()
        .map(|(id, token)| (id, token.to_vec()))
        .collect()
}

fn problem(file: &[u8]) -> String {
    load::compact::read(file).unwrap_err().to_string()
}

fn small() -> Vec<u8> {
    let tokens = [(0, "a"), (1, "b"), (3, "ab"), (4, "abc")];
    write(
        &tokens
            .map(|(id, token)| (id, token.as_bytes().to_vec()))
            .into(),
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        tokens in prop::collection::btree_map(0_u32..300, prop::collection::vec(b'a'..b'd', 1..9), 0..200),
    ) {
        let vocabulary = load::compact::read(&write(&tokens)).unwrap();

        prop_assert_eq!(tokens_of(&vocabulary), tokens.clone());
        prop_assert_eq!(vocabulary.len(), tokens.len());
        prop_assert_eq!(vocabulary.limit(), tokens.last_key_value().map_or(0, |(id, _)| id + 1));
    }

    #[test]
    fn a_changed_byte_is_noticed(at in 0..small().len(), change in 1_u8..) {
        let mut file = small();
        file[at] ^= change;

        prop_assert!(load::compact::read(&file).is_err());
    }

    #[test]
    fn a_valid_checksum_around_anything_is_no_danger(body in prop::collection::vec(any::<u8>(), 0..64)) {
        let file = with_checksum([b"IRVOCAB\x01", body.as_slice()].concat());

        if let Ok(vocabulary) = load::compact::read(&file) {
            prop_assert!(vocabulary.len() <= body.len());
        }
    }
}

#[test]
fn every_cut_is_noticed() {
    let file = small();

    for length in 0..file.len() {
        assert!(load::compact::read(&file[..length]).is_err());
    }
}

#[test]
fn a_token_begins_only_with_one_before_it() {
    let mut file = small();
    let at = 16 + 5;
    file[at] |= 0b0000_0111; // token 0 begins with token 6
    file.truncate(file.len() - 4);

    let problem = problem(&with_checksum(file));

    assert_eq!(
        problem,
        "not a valid compact vocabulary: token 0 begins with token 6"
    );
}

#[test]
fn tokens_that_double_do_not_fill_the_memory() {
    let mut file = b"IRVOCAB\x01".to_vec();
    file.extend(40_u32.to_le_bytes());
    file.extend(u32::MAX.to_le_bytes());
    file.extend([1; 40]);

    assert!(problem(&with_checksum(file)).contains("too many"));
}

#[test]
fn ranks_are_read_in_both_formats() {
    let of_tiktoken = load::ranks(b"YQ== 0\nYg== 1\nYWI= 3\nYWJj 4\n").unwrap();
    let of_compact = load::ranks(&small()).unwrap();

    assert_eq!(tokens_of(&of_tiktoken), tokens_of(&of_compact));
}

#[test]
fn an_id_that_no_table_could_hold_is_refused() {
    let refused = load::ranks(b"YQ== 4294967295\n");

    assert!(
        matches!(refused, Err(Error::Format { problem, .. }) if problem.contains("4294967295"))
    );
}
