//! The scanners against the regular expressions that they stand for.

use std::sync::LazyLock;

use inferail_simd::block::Level;
use proptest::prelude::*;

use super::super::pattern::Pattern;
use super::{Scanner, Scheme};

static PATTERNS: LazyLock<Vec<(Scheme, Pattern)>> = LazyLock::new(|| {
    let schemes = Scheme::ALL.iter();
    schemes
        .map(|scheme| (*scheme, Pattern::backtracking(scheme.pattern()).unwrap()))
        .collect()
});

fn by_reference(pattern: &Pattern, text: &str) -> Vec<u32> {
    let mut ends = vec![0; text.len() + 1];
    let count = pattern.matches(text).next(&mut ends).unwrap();
    ends.truncate(count);
    ends
}

/// By the scanner, with room for `room` ends in a call.
fn by_scanner(scheme: Scheme, level: Level, text: &str, room: usize) -> Vec<u32> {
    let mut found = Vec::new();
    let mut ends = vec![0; room];
    let mut cursor = Scanner::at_level(scheme, level).pieces(text);
    loop {
        let count = cursor.next(&mut ends);
        if count == 0 {
            return found;
        }
        found.extend_from_slice(&ends[..count]);
    }
}

/// One piece after another, without windows.
fn by_steps(scheme: Scheme, text: &str) -> Vec<u32> {
    let mut ends = Vec::new();
    let mut at = 0;
    while at < text.len() {
        at = super::step::piece_end(scheme.rules(), text.as_bytes(), at);
        ends.push(at as u32);
    }
    ends
}

fn pieces<'a>(text: &'a str, ends: &[u32]) -> Vec<&'a str> {
    let begins = [0].iter().chain(ends);
    let pieces = begins.zip(ends);
    pieces
        .map(|(begin, end)| &text[*begin as usize..*end as usize])
        .collect()
}

fn check(text: &str) {
    for (scheme, pattern) in &*PATTERNS {
        check_scheme(*scheme, pattern, text);
    }
}

fn check_scheme(scheme: Scheme, pattern: &Pattern, text: &str) {
    let expected = by_reference(pattern, text);
    let steps = by_steps(scheme, text);
    assert_eq!(
        pieces(text, &steps),
        pieces(text, &expected),
        "{scheme:?} step by step: {text:?}"
    );
    for level in Level::all() {
        for room in [1, 3, 256] {
            let found = by_scanner(scheme, level, text, room);
            assert_eq!(
                pieces(text, &found),
                pieces(text, &expected),
                "{scheme:?} {level:?}: {text:?}"
            );
        }
    }
}

/// Characters of every class, in every number of bytes, and those that the patterns name.
const ALPHABET: &[&str] = &[
    "a",
    "s",
    "ll",
    "t",
    "re",
    "b",
    "A",
    "S",
    "LL",
    "Z",
    "1",
    "23",
    "4567",
    "0",
    " ",
    " ",
    "  ",
    "\n",
    "\r\n",
    "\t",
    "\u{b}",
    "'",
    "'",
    "'s",
    "'LL",
    "'ve",
    "'ſ",
    "’",
    "!",
    "/",
    "//",
    "-",
    "…",
    "—",
    "\u{a0}",
    "\u{2003}",
    "\u{3000}",
    "\u{85}",
    "é",
    "É",
    "ß",
    "д",
    "Д",
    "ǅ",
    "中",
    "文字",
    "の",
    "ー",
    "ʰ",
    "\u{301}",
    "\u{93f}",
    "क",
    "\u{e0100}",
    "٣",
    "１",
    "²",
    "𝟘",
    "𐐀",
    "𐐨",
    "𠀀",
    "😀",
    "👍🏽",
    "\u{200d}",
    "\0",
    "\u{feff}",
    "\u{378}",
    "한",
    "\u{1100}",
];

fn texts(longest: usize) -> impl Strategy<Value = String> {
    let short = prop::collection::vec(prop::sample::select(ALPHABET), 0..longest);
    let runs = prop::collection::vec((prop::sample::select(ALPHABET), 1_usize..40), 0..12);
    prop_oneof![
        short.prop_map(|parts| parts.concat()),
        runs.prop_map(|runs| runs
            .iter()
            .map(|(part, times)| part.repeat(*times))
            .collect()),
        prop::collection::vec(any::<char>(), 0..longest).prop_map(String::from_iter),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn scanners_agree_with_patterns(text in texts(120)) {
        check(&text);
    }
}

#[test]
fn scanners_agree_with_patterns_on_named_cases() {
    for text in [
        "",
        "a",
        "Hello, world! It's 12345 o'clock.",
        "\n   \n  x",
        "a\n  ",
        "!\n\n  x",
        "!\n/\n//x/",
        "a's's'll'LLy",
        "中文ABC中文Abc中文ABCDe",
        "XʰUu ʰʰUU",
        "!!\u{301}a !\u{301}a",
        "\u{301}AA \u{301}Aa",
    ] {
        check(text);
        for pad in 50..70 {
            check(&format!("{}{text}", "x ".repeat(pad)));
            check(&format!("{}{text}{}", "x".repeat(pad), " y".repeat(40)));
        }
    }
}

#[test]
#[ignore = "26 s in a debug build"]
fn scanners_agree_with_patterns_on_every_code_point() {
    let characters = '\0'..=char::MAX;
    let text: String = characters
        .flat_map(|character| ['a', character, 'B', ' ', character, '1'])
        .collect();
    for (scheme, pattern) in &*PATTERNS {
        let found = by_scanner(*scheme, Level::best(), &text, 256);
        assert!(
            found == by_reference(pattern, &text),
            "{scheme:?} differs from its pattern"
        );
    }
}
