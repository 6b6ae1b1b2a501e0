//! Any text, split anywhere: a gate opens at the same character, loses nothing and shows nothing twice.
#![no_main]

use inferail_fuzz::Splits;
use inferail_text::sentence::{Scanner, SentenceGate};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut scanner = Scanner::default();
    let mut opened_at = None;
    let mut before = 0;
    for (at, c) in text.char_indices() {
        if let Some(end) = scanner.push(c) {
            assert!(before < end && end <= at, "sentences end one behind the other");
            assert!(text.is_char_boundary(end));
            before = end;
            opened_at = opened_at.or(Some(at + c.len_utf8()));
        }
    }
    let mut gate = SentenceGate::new(1, usize::MAX);
    let mut splits = Splits::new(data);
    let (mut shown, mut read, mut rest) = (String::new(), 0, text);
    while !rest.is_empty() {
        let at = rest.ceil_char_boundary(1 + splits.below(rest.len()));
        let (piece, after) = rest.split_at(at);
        shown.push_str(&gate.feed(piece));
        read += piece.len();
        let is_due = opened_at.is_some_and(|at| at <= read);
        assert_eq!(gate.is_open(), is_due);
        assert_eq!(shown, if is_due { &text[..read] } else { "" });
        rest = after;
    }
    shown.push_str(&gate.finish());
    assert_eq!(shown, text);
});
