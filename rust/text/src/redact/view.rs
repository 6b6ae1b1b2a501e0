//! A text of which the rest may still come.

use std::cell::Cell;

/// Bytes of a text. Who looks behind the last of them, while more may come, is starved: what it says then counts only
/// once there is more. That is why a text in pieces gives what the whole gives, without a rule in any recogniser.
#[derive(Debug)]
pub(super) struct View<'a> {
    bytes: &'a [u8],
    whole: bool,
    starved: Cell<bool>,
}

impl<'a> View<'a> {
    pub(super) fn new(bytes: &'a [u8], whole: bool) -> Self {
        Self {
            bytes,
            whole,
            starved: Cell::new(false),
        }
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether somebody has looked behind the end since this was asked last.
    pub(super) fn was_starved(&self) -> bool {
        self.starved.replace(false) && !self.whole
    }

    /// The byte at `at`; behind the end 0, which belongs to nothing that is looked for.
    #[inline]
    pub(super) fn at(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or_else(|| {
            self.starved.set(true);
            0
        })
    }

    /// The byte before `at`; 0 at the beginning.
    #[inline]
    pub(super) fn before(&self, at: usize) -> u8 {
        let before = at.checked_sub(1).and_then(|at| self.bytes.get(at));
        before.copied().unwrap_or(0)
    }

    /// At most `most` bytes before `at`.
    pub(super) fn context(&self, at: usize, most: usize) -> &'a [u8] {
        &self.bytes[at.saturating_sub(most)..at]
    }

    /// The bytes from `start` to `end`, which have been looked at.
    pub(super) fn slice(&self, start: usize, end: usize) -> &'a [u8] {
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// Whether `expected` stands at `at`.
    #[inline]
    pub(super) fn says(&self, at: usize, expected: &[u8]) -> bool {
        (at..).zip(expected).all(|(at, byte)| self.at(at) == *byte)
    }

    /// [`Self::says`], in capitals or not; `expected` in small letters.
    pub(super) fn says_any_case(&self, at: usize, expected: &[u8]) -> bool {
        (at..)
            .zip(expected)
            .all(|(at, byte)| self.at(at).to_ascii_lowercase() == *byte)
    }

    /// Where the bytes that `belongs` takes end, from `start` on, `most` of them at most.
    #[inline]
    pub(super) fn run(&self, start: usize, most: usize, belongs: impl Fn(u8) -> bool) -> usize {
        let limit = start.saturating_add(most);
        let mut end = start;
        while end < limit && belongs(self.at(end)) {
            end += 1;
        }
        end
    }

    /// `end`, moved behind the character that it would cut.
    pub(super) fn whole_character(&self, mut end: usize) -> usize {
        let limit = end + 3;
        while end < limit && self.at(end) & 0xc0 == 0x80 {
            end += 1;
        }
        end
    }

    /// Whether a word may begin at `at`: no letter, digit or `_` stands before it. `\n`, `\r` and `\t` written out (JSON inside
    /// of text) are no letters.
    #[inline]
    pub(super) fn begins_word(&self, at: usize) -> bool {
        let before = self.before(at);
        if !(before.is_ascii_alphanumeric() || before == b'_') {
            return true;
        }
        matches!(before, b'n' | b'r' | b't') && self.before(at - 1) == b'\\'
    }

    /// Whether a word may end before `at`.
    #[inline]
    pub(super) fn ends_word(&self, at: usize) -> bool {
        let next = self.at(at);
        !(next.is_ascii_alphanumeric() || next == b'_')
    }
}

/// Whether `words` has one that stands in `text`, in capitals or not, with what it asks for on its left and right.
pub(super) fn mentions(text: &[u8], words: &[Word]) -> bool {
    let mut small = [0_u8; 64];
    let text = &text[text.len().saturating_sub(small.len())..];
    let small = &mut small[..text.len()];
    small.copy_from_slice(text);
    small.make_ascii_lowercase();
    words.iter().any(|word| word.is_in(small))
}

/// A word to look for: in small letters, and whether it must be whole on its left and on its right.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word(pub(super) &'static str, pub(super) bool, pub(super) bool);

impl Word {
    fn is_in(&self, text: &[u8]) -> bool {
        let Self(word, left, right) = *self;
        let word = word.as_bytes();
        let is_edge = |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii_alphanumeric());
        (0..text.len().saturating_sub(word.len() - 1)).any(|at| {
            text[at..].starts_with(word)
                && (!left || is_edge(at.checked_sub(1).and_then(|at| text.get(at))))
                && (!right || is_edge(text.get(at + word.len())))
        })
    }
}
