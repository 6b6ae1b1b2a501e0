//! Places between characters, words and sentences: each is told by the text around it alone.

use unicode_segmentation::GraphemeCursor;

use crate::sentence::{Scanner, closes, stops, stops_unspaced};

/// Bytes before a place that say whether a sentence ends there: enough for the word that has the stop.
const BEFORE: usize = 96;
/// Bytes behind it that may have to be read.
const BEHIND: usize = 32;

/// The character before byte `at`.
fn before(text: &str, at: usize) -> Option<char> {
    text[..at].chars().next_back()
}

/// Whether a word begins at `at`: blank space is before it and none behind.
pub(crate) fn is_word(text: &str, at: usize) -> bool {
    let bytes = text.as_bytes();
    let (Some(last), Some(first)) = (bytes.get(at.wrapping_sub(1)), bytes.get(at)) else {
        return false;
    };
    if last.is_ascii() && !is_space(*last) {
        return false;
    }
    if first.is_ascii() && is_space(*first) {
        return false;
    }
    if last.is_ascii() && first.is_ascii() {
        return true;
    }
    text.is_char_boundary(at)
        && before(text, at).is_some_and(char::is_whitespace)
        && text[at..]
            .chars()
            .next()
            .is_some_and(|c| !c.is_whitespace())
}

/// As [`char::is_whitespace`].
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Whether a sentence begins at `at`.
pub(crate) fn is_sentence(text: &str, at: usize) -> bool {
    let spaced = is_word(text, at);
    if !spaced
        && (text
            .as_bytes()
            .get(at.wrapping_sub(1))
            .is_none_or(u8::is_ascii)
            || !text.is_char_boundary(at))
    {
        return false;
    }
    let end = if spaced {
        text[..at].trim_end().len()
    } else {
        at
    };
    let mut last = text[..end].chars().rev().skip_while(|c| closes(*c));
    let is_stop = if spaced { stops } else { stops_unspaced };
    if !last.next().is_some_and(is_stop) {
        return false;
    }
    let mut begin = text.floor_char_boundary(end.saturating_sub(BEFORE));
    if begin > 0 {
        // At a word, not inside of one.
        let word = text[begin..end].find(char::is_whitespace);
        begin += word.unwrap_or(0);
    }
    let mut scanner = Scanner::default();
    for (offset, c) in text[begin..].char_indices() {
        if begin + offset > at + BEHIND {
            return false;
        }
        match scanner.push(c) {
            Some(found) if begin + found == end => return true,
            Some(found) if begin + found > end => return false,
            _ => {}
        }
    }
    false
}

/// Whether no character, as a reader sees it, is cut at `at`.
pub(crate) fn is_grapheme(text: &str, at: usize) -> bool {
    let bytes = text.as_bytes();
    let (Some(last), Some(first)) = (bytes.get(at.wrapping_sub(1)), bytes.get(at)) else {
        return at == 0 || at == text.len();
    };
    if last.is_ascii() && first.is_ascii() {
        return (*last, *first) != (b'\r', b'\n');
    }
    text.is_char_boundary(at)
        && GraphemeCursor::new(at, text.len(), true)
            .is_boundary(text, 0)
            .unwrap_or(false)
}
