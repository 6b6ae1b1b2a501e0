//! The scan against the slow way, and texts in pieces against the whole.

use proptest::prelude::*;

use super::kind::{Found, Kind, Kinds};
use super::recognise::recognise;
use super::view::View;
use super::{Stream, find, find_in_json};

const PIECES: &[&str] = &[
    "ada@example.com",
    "@",
    "a.b",
    ".com",
    " ",
    " ",
    "\n",
    "+49 30 1234567",
    "+",
    "415-555-2671",
    "(415) 555-2671",
    "4111 1111 1111 1111",
    "4111111111111111",
    "DE89370400440532013000",
    "DE89 3704 0044 0532 0130 00",
    "123-45-6789",
    "192.168.1.7",
    "2001:db8::1",
    ":",
    "::",
    "sk-abcdefghij0123456789ABCD",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "AKIAIOSFODNN7EXAMPLE",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
    "-----BEGIN PRIVATE KEY-----",
    "-----END PRIVATE KEY-----",
    "MIIB",
    "Bearer abcdef1234567890",
    "password=",
    "\"password\": \"",
    "hunter2!",
    "\"",
    "\\\"",
    "é",
    "密码：",
    "0",
    "42",
    "-",
    ".",
    "tel ",
    "https://u:p4ss@h.example/",
    "_",
    "=",
];

fn text() -> impl Strategy<Value = String> {
    let piece =
        prop_oneof![4 => proptest::sample::select(PIECES).prop_map(str::to_owned), 1 => ".{0,3}"];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// Every recogniser at every byte, without a table; a byte is marked by the first that takes it.
fn slowly(text: &[u8]) -> Vec<Option<Kind>> {
    let mut all: Vec<Found> = Vec::new();
    let mut skip = 0;
    for at in 0..text.len() {
        if at >= skip
            && let Some(one) = recognise(&View::new(text, true), at, Kinds::ALL)
        {
            skip = one.end;
            all.push(one);
        }
    }
    all.sort_by_key(|one| (one.start, std::cmp::Reverse(one.end), one.kind));
    let mut marks = vec![None; text.len()];
    for one in all {
        for mark in &mut marks[one.start..one.end] {
            *mark = mark.or(Some(one.kind));
        }
    }
    marks
}

fn marks(text: &[u8]) -> Vec<Option<Kind>> {
    let mut marks = vec![None; text.len()];
    for one in find(text, Kinds::ALL) {
        marks[one.start..one.end].fill(Some(one.kind));
    }
    marks
}

fn streamed(text: &[u8], sizes: &[usize]) -> (Vec<Option<Kind>>, Vec<u8>) {
    let (mut marks, mut given) = (Vec::new(), Vec::new());
    let mut stream = Stream::new(Kinds::ALL);
    let (mut rest, mut sizes) = (text, sizes.iter().cycle());
    let mut give = |kind: Option<Kind>, piece: &[u8]| {
        marks.extend(piece.iter().map(|_| kind));
        given.extend_from_slice(piece);
    };
    while !rest.is_empty() {
        let (piece, after) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
        stream.feed(piece, &mut give);
        rest = after;
    }
    stream.finish(&mut give);
    (marks, given)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn scan_marks_what_every_recogniser_at_every_byte_marks(text in text()) {
        prop_assert_eq!(marks(text.as_bytes()), slowly(text.as_bytes()));
    }

    #[test]
    fn stream_marks_what_the_whole_marks_wherever_it_is_cut(text in text(), sizes in proptest::collection::vec(1_usize..40, 1..8)) {
        let (marked, given) = streamed(text.as_bytes(), &sizes);
        prop_assert_eq!(given, text.as_bytes());
        prop_assert_eq!(marked, marks(text.as_bytes()));
    }

    #[test]
    fn findings_end_at_characters(text in text()) {
        for one in find(text.as_bytes(), Kinds::ALL) {
            prop_assert!(text.is_char_boundary(one.start) && text.is_char_boundary(one.end));
        }
    }

    #[test]
    fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        find(&bytes, Kinds::ALL);
        find_in_json(&bytes, Kinds::ALL);
    }
}

#[test]
fn json_strings_are_read_without_their_escapes() {
    let body = br#"{"a": "x\nada\u0040example.com \"q\"", "card": 4111111111111111}"#;

    let found = find_in_json(body, Kinds::ALL).unwrap();

    assert_eq!(found.len(), 2);
    assert_eq!(
        &body[found[0].found.start..found[0].found.end],
        br"ada\u0040example.com"
    );
    assert!(found[1].is_number && found[1].found.kind == Kind::Card);
}

#[test]
fn stream_holds_a_bounded_part_back() {
    let mut stream = Stream::new(Kinds::ALL);
    for _ in 0..2_000 {
        stream.feed(
            b"-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\n",
            |_, _| (),
        );
        assert!(stream.held() <= 17 * 1024);
    }
}
