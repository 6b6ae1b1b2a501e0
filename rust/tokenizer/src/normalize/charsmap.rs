//! The precompiled character map of `SentencePiece`: a double-array trie from text to replacements.

use std::ops::Range;

use crate::Error;

const FORMAT: &str = "precompiled charsmap";

/// Replacements of the longest text that begins somewhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Charsmap {
    units: Box<[u32]>,
    /// Replacements one after another, each with a zero byte at its end.
    replacements: Box<str>,
    /// ASCII characters that stay as they are if another one follows.
    plain: [bool; 128],
}

impl std::fmt::Debug for Charsmap {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("Charsmap");
        shown
            .field("units", &self.units.len())
            .finish_non_exhaustive()
    }
}

impl Charsmap {
    /// Reads a map: the size of the trie in bytes, the trie in units of 32 bits, the replacements; numbers are little-endian.
    ///
    /// # Errors
    ///
    /// [`Error::Format`]: the sizes do not fit, or a replacement is not UTF-8.
    pub fn new(blob: &[u8]) -> Result<Self, Error> {
        let problem = |problem: &str| Error::format(FORMAT, problem);
        let (size, rest) = blob
            .split_first_chunk::<4>()
            .ok_or_else(|| problem("it has no size"))?;
        let (trie, replacements) = rest
            .split_at_checked(u32::from_le_bytes(*size) as usize)
            .ok_or_else(|| problem("it ends before its trie does"))?;
        let (units, []) = trie.as_chunks::<4>() else {
            return Err(problem("its trie is not made of whole units"));
        };
        let replacements =
            std::str::from_utf8(replacements).map_err(|_| problem("a replacement is not UTF-8"))?;
        let mut map = Self {
            units: units.iter().map(|unit| u32::from_le_bytes(*unit)).collect(),
            replacements: replacements.into(),
            plain: [false; 128],
        };
        map.plain = std::array::from_fn(|first| {
            let first = first as u8;
            map.first_match(&[first]).is_none() && (0..128).all(|second| !map.leads(first, second))
        });
        Ok(map)
    }

    /// Whether the first of two bytes is text that stays as it is, whatever comes later.
    #[inline]
    pub(super) fn is_plain(&self, byte: u8, next: u8) -> bool {
        byte < 128 && next < 128 && self.plain[byte as usize]
    }

    /// Whether a text in the map begins with these two bytes.
    fn leads(&self, first: u8, second: u8) -> bool {
        let step = |at: usize, byte: u8| {
            let unit = *self.units.get(at ^ byte as usize)?;
            let known = unit & (1 << 31 | 0xff) == u32::from(byte);
            known.then_some(at ^ byte as usize ^ offset(unit))
        };
        let root = self.units.first().copied().unwrap_or(0);
        step(offset(root), first)
            .and_then(|at| step(at, second))
            .is_some()
    }

    /// The length of the longest text in the map that `text` begins with, and what replaces it.
    pub(super) fn longest(&self, text: &[u8]) -> Option<(usize, &str)> {
        // The reference asks for 32 matches at most.
        self.matches(text)
            .take(32)
            .last()
            .map(|(length, at)| (length, self.replacement(at)))
    }

    /// What replaces the shortest text in the map that `text` begins with.
    fn first_match(&self, text: &[u8]) -> Option<&str> {
        self.matches(text)
            .next()
            .map(|(_, at)| self.replacement(at))
    }

    /// Every text in the map that `text` begins with: its length and where its replacement is, the shortest first.
    fn matches(&self, text: &[u8]) -> impl Iterator<Item = (usize, usize)> {
        let root = self.units.first().copied().unwrap_or(0);
        let mut at = offset(root);
        let mut bytes = text.iter().enumerate();
        std::iter::from_fn(move || {
            for (index, &byte) in bytes.by_ref() {
                at ^= byte as usize;
                let unit = *self.units.get(at)?;
                // A leaf's top bit keeps it from being taken for a label.
                if unit & (1 << 31 | 0xff) != u32::from(byte) {
                    return None;
                }
                at ^= offset(unit);
                if unit >> 8 & 1 == 1 {
                    let leaf = self.units.get(at)?;
                    return Some((index + 1, (leaf & !(1 << 31)) as usize));
                }
            }
            None
        })
    }

    fn replacement(&self, at: usize) -> &str {
        let rest = self.replacements.get(at..).unwrap_or("");
        rest.split('\0').next().unwrap_or("")
    }

    /// Replaces as Hugging Face does, which is not what the model's author does: what a user sees as one character is
    /// replaced as a whole, by what the *shortest* text in the map that it begins with is replaced by, if it has fewer than six
    /// bytes; else each of its code points.
    ///
    /// `put` takes a range of `text` and what it becomes.
    pub fn replace_graphemes<'a>(
        &'a self,
        text: &'a str,
        mut put: impl FnMut(Range<usize>, &'a str),
    ) {
        use unicode_segmentation::UnicodeSegmentation;
        for (begin, grapheme) in text.grapheme_indices(true) {
            let short = (grapheme.len() < 6)
                .then(|| self.first_match(grapheme.as_bytes()))
                .flatten();
            if let Some(replacement) = short {
                put(begin..begin + grapheme.len(), replacement);
                continue;
            }
            for (at, character) in grapheme.char_indices() {
                let range = begin + at..begin + at + character.len_utf8();
                let found = self.first_match(text[range.clone()].as_bytes());
                put(range.clone(), found.unwrap_or(&text[range]));
            }
        }
    }
}

/// Where the children of a unit are, relative to it.
fn offset(unit: u32) -> usize {
    ((unit >> 10) << ((unit & 1 << 9) >> 6)) as usize
}
