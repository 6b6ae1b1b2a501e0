//! Places in a text that no merge reaches across, because no token has what stands on both sides of them.
//!
//! Long pieces of Chinese or Japanese are full of them: most pairs of characters are in no token. What lies between two such
//! places is merged alone.

use super::table::Table;

/// Bits of the filter of pairs of characters: 128 KiB.
const BITS: u32 = 20;

/// Which borders between characters can be merged away. Some are said to be that never are, none the other way round.
#[derive(Debug)]
pub(super) struct Borders {
    /// By a hash of two characters: some token has them side by side.
    pairs: Box<[u64]>,
    /// By the last byte of a character and the first of the next, of which some token has only parts.
    parts: Box<[u64]>,
}

impl Borders {
    pub(super) fn new(table: &Table) -> Self {
        let mut borders = Self {
            pairs: vec![0; 1 << BITS >> 6].into(),
            parts: vec![0; 1 << 16 >> 6].into(),
        };
        for (_, token) in table.vocabulary().iter() {
            if token.len() > 1 && !token.is_ascii() {
                for at in 1..token.len() {
                    borders.insert(token, at);
                }
            }
        }
        borders
    }

    fn insert(&mut self, token: &[u8], at: usize) {
        if is_inside(token[at]) {
            return;
        }
        let begin = token[..at].iter().rposition(|byte| !is_inside(*byte));
        let before = begin.map_or(&[][..], |begin| &token[begin..at]);
        let rest = &token[at..];
        let after = &rest[..length(rest[0]).min(rest.len())];
        let whole =
            |character: &[u8]| std::str::from_utf8(character).is_ok() && !character.is_empty();
        if whole(before) && whole(after) {
            set(&mut self.pairs, pair(before, after));
        } else {
            set(&mut self.parts, edge(token[at - 1], token[at]));
        }
    }

    /// Calls `part` with the ranges of `piece` that are merged alone, and with the number of their characters.
    pub(super) fn cut<E>(
        &self,
        piece: &str,
        mut part: impl FnMut(usize, usize, usize) -> Result<(), E>,
    ) -> Result<(), E> {
        let text = piece.as_bytes();
        let (mut begin, mut at, mut characters) = (0, 0, 0);
        while at < text.len() {
            let end = at + length(text[at]);
            characters += 1;
            if end >= text.len() || self.is_fixed(text, at, end) {
                part(begin, end.min(text.len()), characters)?;
                (begin, characters) = (end, 0);
            }
            at = end;
        }
        Ok(())
    }

    /// Whether nothing is merged across the border at byte `border`, the end of the character that begins at `at`.
    #[inline]
    fn is_fixed(&self, text: &[u8], at: usize, border: usize) -> bool {
        // Pairs of ASCII are not in the filter.
        if text[at].is_ascii() && text[border].is_ascii() {
            return false;
        }
        let end = (border + length(text[border])).min(text.len());
        !is_set(&self.pairs, pair(&text[at..border], &text[border..end]))
            && !is_set(&self.parts, edge(text[border - 1], text[border]))
    }
}

/// Whether a byte goes on with a character.
fn is_inside(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

/// The length of the character that begins with `lead`.
#[inline]
fn length(lead: u8) -> usize {
    match lead {
        0..0xC0 => 1,
        0xC0..0xE0 => 2,
        0xE0..0xF0 => 3,
        _ => 4,
    }
}

#[inline]
fn pair(before: &[u8], after: &[u8]) -> usize {
    let number = |character: &[u8]| {
        let shifted = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        character.iter().fold(0, shifted)
    };
    let both = number(before) << 32 | number(after);
    (both.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - BITS)) as usize
}

#[inline]
fn edge(before: u8, after: u8) -> usize {
    usize::from(before) << 8 | usize::from(after)
}

fn set(bits: &mut [u64], index: usize) {
    bits[index / 64] |= 1 << (index % 64);
}

#[inline]
fn is_set(bits: &[u64], index: usize) -> bool {
    bits[index / 64] >> (index % 64) & 1 == 1
}
