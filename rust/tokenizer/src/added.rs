//! Added tokens: found in the text before the model sees it.

use aho_corasick::{AhoCorasick, Input, MatchKind};
use hashbrown::HashMap;
use unicode_categories::UnicodeCategories;

use crate::{Error, Vocabulary};

/// A token that is found in the text before everything else.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of the format")]
pub struct AddedToken {
    /// Its id.
    pub id: u32,
    /// What is looked for.
    pub content: String,
    /// Whether it stands for structure, not for text: decoding can leave it out, and encoding can take it as text.
    pub special: bool,
    /// Whether it is found only where no letter, digit or underscore touches it.
    pub single_word: bool,
    /// Whether white space before it belongs to it.
    pub lstrip: bool,
    /// Whether white space after it belongs to it.
    pub rstrip: bool,
    /// Whether it is looked for in the normalised text, itself normalised.
    pub normalized: bool,
}

impl AddedToken {
    /// A special token as tiktoken knows it: exact, wherever it is.
    pub fn special(id: u32, content: impl Into<String>) -> Self {
        Self {
            id,
            content: content.into(),
            special: true,
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: false,
        }
    }
}

/// All added tokens, prepared for search.
#[derive(Debug, Clone)]
pub(crate) struct Added {
    tokens: Vec<AddedToken>,
    /// Those that are looked for in the text as it is.
    verbatim: Option<Automaton>,
    /// Those that are looked for in the normalised text.
    normalized: Option<Automaton>,
    /// Places in `tokens` by id.
    by_id: HashMap<u32, u32>,
    only_special: bool,
}

#[derive(Debug, Clone)]
struct Automaton {
    search: AhoCorasick,
    /// The place in `tokens` of each pattern.
    places: Box<[u32]>,
}

/// An added token in a text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Match<'a> {
    pub(crate) token: &'a AddedToken,
    /// Where it begins and ends in the text, white space it takes along included.
    pub(crate) begin: usize,
    pub(crate) end: usize,
}

/// What a search does after a token that is not wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It goes on behind the token (Hugging Face `tokenizers`).
    IsSkipped,
    /// It goes on one character later (tiktoken).
    IsText,
}

impl Added {
    /// Prepares tokens; `normalize` is what happens to text before those with that flag are looked for.
    ///
    /// # Errors
    ///
    /// [`Error::Format`]: an id is too large, or they are too many for one automaton. What `normalize` says.
    pub(crate) fn new(
        tokens: Vec<AddedToken>,
        normalize: impl Fn(&str) -> Result<String, Error>,
    ) -> Result<Self, Error> {
        let mut verbatim = Vec::new();
        let mut normalized = Vec::new();
        for (token, place) in tokens.iter().zip(0..) {
            if token.id >= Vocabulary::MAX_IDS {
                let problem = format!("id {} is too large", token.id);
                return Err(Error::format("added tokens", problem));
            }
            if token.content.is_empty() {
                continue;
            }
            if token.normalized {
                normalized.push((normalize(&token.content)?, place));
            } else {
                verbatim.push((token.content.clone(), place));
            }
        }
        let by_id = tokens.iter().zip(0..tokens.len() as u32).rev();
        Ok(Self {
            verbatim: Automaton::new(&verbatim)?,
            normalized: Automaton::new(&normalized)?,
            by_id: by_id.map(|(token, place)| (token.id, place)).collect(),
            only_special: tokens.iter().all(|token| token.special),
            tokens,
        })
    }

    pub(crate) fn tokens(&self) -> &[AddedToken] {
        &self.tokens
    }

    /// The first token with this id.
    pub(crate) fn by_id(&self, id: u32) -> Option<&AddedToken> {
        self.tokens.get(*self.by_id.get(&id)? as usize)
    }

    /// Whether nothing is found when special tokens are text.
    pub(crate) fn only_special(&self) -> bool {
        self.only_special
    }

    /// Whether any token is looked for in the normalised text.
    pub(crate) fn has_normalized(&self) -> bool {
        self.normalized.is_some()
    }

    /// Tokens that `wanted` accepts, in order: those that are looked for in the text as it is.
    pub(crate) fn verbatim<'a>(
        &'a self,
        text: &str,
        wanted: impl Fn(&AddedToken) -> bool,
        refused: Refused,
    ) -> Vec<Match<'a>> {
        self.matches(self.verbatim.as_ref(), text, wanted, refused)
    }

    /// Tokens that `wanted` accepts, in order: those that are looked for in the normalised text.
    pub(crate) fn normalized<'a>(
        &'a self,
        text: &str,
        wanted: impl Fn(&AddedToken) -> bool,
        refused: Refused,
    ) -> Vec<Match<'a>> {
        self.matches(self.normalized.as_ref(), text, wanted, refused)
    }

    /// The first token that `wanted` accepts, wherever it is looked for.
    pub(crate) fn first(
        &self,
        text: &str,
        wanted: impl Fn(&AddedToken) -> bool,
    ) -> Option<Match<'_>> {
        let automata = [&self.verbatim, &self.normalized].into_iter().flatten();
        let found = automata.filter_map(|automaton| {
            let mut at = 0;
            while let Some((token, begin, end)) = automaton.next(&self.tokens, text, at) {
                if wanted(token) {
                    return Some(Match { token, begin, end });
                }
                at = begin + text[begin..].chars().next().map_or(1, char::len_utf8);
            }
            None
        });
        found.min_by_key(|found| (found.begin, std::cmp::Reverse(found.end)))
    }

    fn matches<'a>(
        &'a self,
        automaton: Option<&Automaton>,
        text: &str,
        wanted: impl Fn(&AddedToken) -> bool,
        refused: Refused,
    ) -> Vec<Match<'a>> {
        let mut matches = Vec::new();
        let Some(automaton) = automaton else {
            return matches;
        };
        let mut at = 0;
        // Where the last match ends, white space included.
        let mut taken = 0;
        while let Some((token, mut begin, mut end)) = automaton.next(&self.tokens, text, at) {
            at = end;
            if !wanted(token) {
                if refused == Refused::IsText {
                    at = begin + text[begin..].chars().next().map_or(1, char::len_utf8);
                }
                continue;
            }
            let before = text[..begin].chars().next_back();
            let after = text[end..].chars().next();
            if token.single_word && (before.is_some_and(is_word) || after.is_some_and(is_word)) {
                continue;
            }
            if token.lstrip {
                begin = text[..begin].trim_end().len().max(taken);
            }
            if token.rstrip {
                end = text.len() - text[end..].trim_start().len();
            }
            matches.push(Match { token, begin, end });
            taken = end;
        }
        matches
    }
}

impl Automaton {
    fn new(patterns: &[(String, u32)]) -> Result<Option<Self>, Error> {
        if patterns.is_empty() {
            return Ok(None);
        }
        let search = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(patterns.iter().map(|(content, _)| content.as_bytes()))
            .map_err(|error| Error::format("added tokens", error.to_string()))?;
        Ok(Some(Self {
            search,
            places: patterns.iter().map(|(_, place)| *place).collect(),
        }))
    }

    /// The first token from byte `at` on, the longest of those that begin there.
    fn next<'a>(
        &self,
        tokens: &'a [AddedToken],
        text: &str,
        at: usize,
    ) -> Option<(&'a AddedToken, usize, usize)> {
        let found = self.search.find(Input::new(text).span(at..text.len()))?;
        let place = self.places[found.pattern().as_usize()];
        Some((&tokens[place as usize], found.start(), found.end()))
    }
}

/// What regular expressions call a character of a word.
fn is_word(character: char) -> bool {
    character == '_'
        || character == '\u{200c}'
        || character == '\u{200d}'
        || character.is_alphabetic()
        || character.is_mark()
        || character.is_number_decimal_digit()
        || character.is_punctuation_connector()
}
