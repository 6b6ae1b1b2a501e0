//! Text made of what is hard, cut anywhere.

use proptest::prelude::*;

use super::super::{Scanner, SentenceGate};
use super::reference;

/// Pieces that the rules are about, glued together in any order.
const PIECES: &[&str] = &[
    ".",
    ".",
    ".",
    "!",
    "?",
    "…",
    "...",
    " ",
    " ",
    " ",
    "  ",
    "\n",
    "\n\n",
    "\n  ",
    "a",
    "He",
    "he",
    "B",
    "3",
    "42",
    "1999",
    "Dr",
    "dr",
    "z",
    "e.g",
    "No",
    "etc",
    "am",
    "im",
    "No",
    "U.S",
    "Ph.D",
    "XIV",
    "I",
    "`",
    "``",
    "```",
    "```py\n",
    "\n```\n",
    "~",
    "~~~",
    "\n~~~\n",
    "#",
    "# ",
    "- ",
    "* ",
    "**",
    "\"",
    "”",
    "“",
    "«",
    " »",
    "»",
    "»",
    "(",
    ")",
    "[",
    "]",
    ",",
    ":",
    ";",
    "-",
    "–",
    "|",
    "。",
    "！",
    "？",
    "」",
    "「",
    "你好",
    "と",
    "다",
    "네",
    "।",
    "नमस्ते",
    "؟",
    "۔",
    "مرحبا",
    "สวัสดีครับผมชื่อ",
    "วันนี้",
    "Καλά",
    "example.com",
    "http://a.b/c?d=e",
    "main.py",
    "\u{a0}",
    "\t",
    "é",
    "ß",
    "\r\n",
    "👍",
    "\u{301}",
    "x = 1",
    "fn f() {}",
    "\u{2028}",
    "．",
    "３",
];

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES), 0..24).prop_map(|pieces| pieces.concat())
}

fn scanned(text: &str) -> Vec<usize> {
    let mut scanner = Scanner::default();
    text.chars().filter_map(|c| scanner.push(c)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn scanner_knows_after_each_character_what_its_twin_knows(text in text()) {
        for (end, _) in text.char_indices() {
            prop_assert_eq!(scanned(&text[..end]), reference::ends(&text[..end]), "{:?}", &text[..end]);
        }
        prop_assert_eq!(scanned(&text), reference::ends(&text), "{:?}", text);
    }

    #[test]
    fn scanner_agrees_with_its_twin_on_any_characters(text in "\\PC{0,12}") {
        prop_assert_eq!(scanned(&text), reference::ends(&text), "{:?}", text);
    }

    #[test]
    fn gate_decides_the_same_however_the_text_is_cut(
        text in text(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        sentences in 1_usize..3,
        most in 1_usize..60,
    ) {
        let mut whole = SentenceGate::new(sentences, most);
        let opened_at = text.char_indices().find_map(|(at, c)| {
            whole.feed(c.encode_utf8(&mut [0; 4]));
            whole.is_open().then(|| at + c.len_utf8())
        });

        let mut cuts: Vec<usize> = cuts.iter().map(|cut| text.floor_char_boundary(cut.index(text.len() + 1))).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let mut gate = SentenceGate::new(sentences, most);
        let mut shown = String::new();
        for cut in cuts.windows(2) {
            let piece = gate.feed(&text[cut[0]..cut[1]]).into_owned();
            shown.push_str(&piece);
            let is_due = opened_at.is_some_and(|at| at <= cut[1]);
            prop_assert_eq!(gate.is_open(), is_due);
            prop_assert_eq!(&shown, if is_due { &text[..cut[1]] } else { "" });
            prop_assert_eq!(gate.held().len() + shown.len(), cut[1]);
        }
        prop_assert_eq!(gate.sentence(), whole.sentence());
        shown.push_str(&gate.finish());
        prop_assert_eq!(shown, text);
    }
}
