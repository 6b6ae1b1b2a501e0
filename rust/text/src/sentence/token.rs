//! The word in front of a full stop.

use super::abbreviations::{Word, leads_ordinal, look_up};
use super::characters::is_unspaced;

/// Longest word that is looked at, in bytes; a longer one is no abbreviation.
const LONGEST: usize = 24;

/// The letters, digits and full stops since the last other character.
#[derive(Clone, Debug, Default)]
pub(super) struct Token {
    text: String,
    long: bool,
    /// Whether nothing but markers stands before it in its line.
    pub(super) begins_line: bool,
}

impl Token {
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.long = false;
    }

    pub(super) fn push(&mut self, c: char) {
        if self.text.len() + c.len_utf8() > LONGEST {
            self.long = true;
        } else {
            self.text.push(c);
        }
    }

    /// Whether it stands before an ordinal number.
    pub(super) fn leads_ordinal(&self) -> bool {
        !self.long && self.text.len() <= 6 && leads_ordinal(&self.text.to_lowercase())
    }

    /// What it is in front of a full stop; `led` says that an article or a preposition stands before it.
    pub(super) fn kind(&self, led: bool) -> Word {
        let text = self.text.as_str();
        if self.long || text.is_empty() || text.ends_with('.') {
            return Word::Plain; // nothing, a long word, or the dots of an ellipsis
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let number = (self.begins_line && text.len() <= 3) || (led && text.len() <= 4);
            return if number {
                Word::Abbreviation
            } else {
                Word::Plain
            };
        }
        if self.begins_line && text.bytes().all(|byte| b"IVXLC".contains(&byte)) {
            return Word::Abbreviation;
        }
        // Initials, `z. B.`, `e.g`, `U.S`, `т.е`, `Ph.D`.
        let most = if text.contains('.') { 2 } else { 1 };
        let short = |part: &str| part.chars().all(is_letter) && part.chars().nth(most).is_none();
        if text.split('.').all(short) {
            return Word::Abbreviation;
        }
        look_up(text, &text.to_lowercase())
    }
}

/// Whether a letter can stand for a word; a syllable of Korean or a sign of Chinese is one.
fn is_letter(c: char) -> bool {
    c.is_alphabetic() && !is_unspaced(c) && !matches!(c, '\u{ac00}'..='\u{d7a3}')
}
