//! Characters that merges always complete first, so that merging can begin with them instead of with their bytes.
//!
//! The merges inside a character can be done ahead of all others, and the result is the same, if no merge reaches into the
//! character before it is complete, and every token that has the whole of it has a higher rank than its own last merge:
//! whatever is available only because the character was completed early then has a higher rank than every merge that would
//! have come before its completion. Few tokens break this (250 of the 100,256 of `cl100k_base`: `о` and half of a letter),
//! and only where they touch: between two bytes, against characters that are completed later. So for each pair of
//! bytes at the border of two characters the lowest rank of such a token is kept.

use super::table::{NONE, Table};

/// What is known of the characters of two and three bytes.
#[derive(Debug)]
pub(crate) struct Characters {
    /// The token of each character below U+10000, or [`NONE`] if merges do not make it one token.
    tokens: Box<[u32]>,
    /// By the last byte of a character and the first of the next: the lowest rank of a token that breaks the rule there.
    broken: Box<[u32]>,
}

impl Characters {
    /// # Arguments
    ///
    /// `pair` is the token of two bytes.
    pub(crate) fn new(table: &Table, pair: impl Fn(u8, u8) -> u32) -> Self {
        let mut tokens = vec![NONE; 1 << 16].into_boxed_slice();
        for (id, token) in table.vocabulary().iter() {
            if let Some(place) = character(token)
                && completed(token, id, &pair)
            {
                tokens[place] = id;
            }
        }
        let mut broken = vec![NONE; 1 << 16].into_boxed_slice();
        for (id, token) in table.vocabulary().iter() {
            if token.len() > 1 && !token.is_ascii() && breaks(token, id, &tokens) {
                for border in token.windows(2).filter(|border| border[1] & 0xC0 != 0x80) {
                    let lowest = &mut broken[usize::from(border[0]) << 8 | usize::from(border[1])];
                    *lowest = (*lowest).min(id);
                }
            }
        }
        Self { tokens, broken }
    }

    /// Where the parts of `piece` begin before the first merge, and their tokens.
    ///
    /// A character is one part; two where merges leave a character of three bytes so; and as many as it has bytes where
    /// the rule is broken beside it.
    #[inline]
    pub(crate) fn parts(
        &self,
        piece: &str,
        bytes: &[u32; 256],
        pair: impl Fn(u8, u8) -> u32,
        mut part: impl FnMut(usize, u32),
    ) {
        let text = piece.as_bytes();
        let mut write = |begin: usize, end: usize, token: u32, safe: bool| {
            let byte = |place: usize| bytes[usize::from(text[place])];
            if safe && token != NONE {
                part(begin, token);
            } else if let (true, &[first, second, third]) = (safe, &text[begin..end]) {
                let (early, late) = (pair(first, second), pair(second, third));
                if early <= late && early != NONE {
                    part(begin, early);
                    part(begin + 2, byte(begin + 2));
                } else {
                    part(begin, byte(begin));
                    part(begin + 1, if late == NONE { byte(begin + 1) } else { late });
                    if late == NONE {
                        part(begin + 2, byte(begin + 2));
                    }
                }
            } else {
                (begin..end).for_each(|place| part(place, byte(place)));
            }
        };
        // The character before: it is written when it is known what comes after it.
        let (mut begin, mut token, mut completion, mut safe) = (0, NONE, 0, true);
        for (at, character) in piece.char_indices() {
            let found = match u32::from(character) {
                0..0x80 => bytes[usize::from(text[at])],
                0x80..0x1_0000 => self.tokens[character as usize],
                _ => NONE,
            };
            // The single bytes of ASCII are there from the start.
            let completed = if character.is_ascii() { 0 } else { found };
            let mut safe_after = true;
            if at > 0 {
                let broken = self.broken[usize::from(text[at - 1]) << 8 | usize::from(text[at])];
                safe_after = broken == NONE || broken > completion.max(completed);
                write(begin, at, token, safe && safe_after);
            }
            (begin, token, completion, safe) = (at, found, completed, safe_after);
        }
        write(begin, text.len(), token, safe);
    }
}

/// The code point of a token that is one character of two or three bytes.
fn character(token: &[u8]) -> Option<usize> {
    if !(2..=3).contains(&token.len()) {
        return None;
    }
    let mut characters = std::str::from_utf8(token).ok()?.chars();
    let character = characters.next()?;
    characters.next().is_none().then_some(character as usize)
}

/// Whether the merges of a character's bytes end in its token, the last of them with the highest rank.
fn completed(token: &[u8], id: u32, pair: impl Fn(u8, u8) -> u32) -> bool {
    match *token {
        [_, _] => true,
        [first, second, third] => {
            let lowest = pair(first, second).min(pair(second, third));
            lowest != NONE && lowest < id
        }
        _ => false,
    }
}

/// Whether a token has part of a character beside others, or comes before one of its own characters is complete.
fn breaks(token: &[u8], id: u32, tokens: &[u32]) -> bool {
    let Ok(text) = std::str::from_utf8(token) else {
        // Part of one character alone has no border.
        return true;
    };
    let late = |character: char| match u32::from(character) {
        0..0x80 => false,
        0x80..0x1_0000 => tokens[character as usize] >= id,
        _ => true,
    };
    text.chars().nth(1).is_some() && text.chars().any(late)
}
