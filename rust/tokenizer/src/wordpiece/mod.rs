//! `WordPiece`: each word is cut into the longest tokens, from left to right.

use hashbrown::HashMap;

use crate::pretokenize::GAP;
use crate::sink::Sink;
use crate::{Error, Vocabulary};

/// What files say about a `WordPiece` model (BERT), or one of whole words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordPieceDefinition {
    /// What tokens inside a word begin with.
    pub prefix: String,
    /// The token of a word that cannot be cut into tokens. Without one, such a text is [`crate::Error::NoToken`].
    pub unknown: Option<u32>,
    /// Words of more characters are unknown.
    pub max_characters: usize,
    /// Whether words are cut at all: if not, one that is no token is unknown (`WordLevel`).
    pub cut: bool,
}

/// A prepared model.
#[derive(Debug, Clone)]
pub(crate) struct WordPiece {
    /// Tokens at the beginning of a word.
    first: Tokens,
    /// Tokens inside a word, without their prefix.
    inner: Tokens,
    unknown: Option<u32>,
    max_characters: usize,
}

/// Tokens, and the length of the longest.
#[derive(Debug, Clone, Default)]
struct Tokens {
    ids: HashMap<Box<[u8]>, u32>,
    longest: usize,
}

impl Tokens {
    fn insert(&mut self, token: &[u8], id: u32) {
        self.longest = self.longest.max(token.len());
        self.ids.insert(token.into(), id);
    }

    /// The longest token that `text` begins with: its length and id.
    fn longest_in(&self, text: &str) -> Option<(usize, u32)> {
        let mut end = text.len().min(self.longest);
        while end > 0 {
            if text.is_char_boundary(end)
                && let Some(&id) = self.ids.get(&text.as_bytes()[..end])
            {
                return Some((end, id));
            }
            end -= 1;
        }
        None
    }
}

impl WordPiece {
    pub(crate) fn new(definition: &WordPieceDefinition, vocabulary: &Vocabulary) -> Self {
        let mut first = Tokens::default();
        let mut inner = Tokens::default();
        for (id, token) in vocabulary.iter() {
            first.insert(token, id);
            if definition.cut
                && let Some(token) = token.strip_prefix(definition.prefix.as_bytes())
            {
                inner.insert(token, id);
            }
        }
        Self {
            first,
            inner,
            unknown: definition.unknown,
            max_characters: definition.max_characters,
        }
    }

    /// Encodes the pieces of `text` that begin at byte `begin` and end at `ends`, as the pre-tokenizer wrote them.
    ///
    /// # Errors
    ///
    /// [`Error::NoToken`]: a word cannot be cut into tokens, and no token stands for such words.
    pub(crate) fn encode<S: Sink>(
        &self,
        text: &str,
        begin: u32,
        ends: &[u32],
        sink: &mut S,
    ) -> Result<(), Error> {
        let mut begin = begin as usize;
        let mut tokens = Vec::new();
        for &end in ends {
            let stop = (end & !GAP) as usize;
            if end & GAP == 0 && !sink.is_full() {
                let word = &text[begin..stop];
                tokens.clear();
                if self.cut(word, &mut tokens) {
                    for &(id, bytes) in &tokens {
                        sink.push(id, bytes);
                    }
                } else {
                    let unknown = self.unknown.ok_or(Error::NoToken { offset: begin })?;
                    sink.push(unknown, word.len() as u32);
                }
            }
            begin = stop;
        }
        Ok(())
    }

    /// Cuts a word into tokens; false if that is not possible.
    fn cut(&self, word: &str, tokens: &mut Vec<(u32, u32)>) -> bool {
        let is_long =
            word.len() > self.max_characters && word.chars().count() > self.max_characters;
        if is_long {
            return false;
        }
        if self.inner.ids.is_empty() {
            // Nothing goes on inside a word: it is one token or none.
            let id = self.first.ids.get(word.as_bytes());
            tokens.extend(id.map(|id| (*id, word.len() as u32)));
            return id.is_some();
        }
        let mut at = 0;
        while at < word.len() {
            let known = if at == 0 { &self.first } else { &self.inner };
            let Some((length, id)) = known.longest_in(&word[at..]) else {
                return false;
            };
            tokens.push((id, length as u32));
            at += length;
        }
        true
    }
}
