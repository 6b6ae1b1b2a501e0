//! `WordPiece`: each word is cut into the longest tokens, from left to right.

mod bert;

use crate::pretokenize::GAP;
use crate::sink::Sink;
use crate::vocabulary::Trie;
use crate::{Error, Vocabulary};

pub(crate) use bert::Bert;

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
    first: Trie,
    /// Tokens inside a word, without their prefix; nothing, if words are not cut.
    inner: Option<Trie>,
    unknown: Option<u32>,
    max_characters: usize,
}

impl WordPiece {
    /// # Errors
    ///
    /// [`Error::Format`]: too large a vocabulary.
    pub(crate) fn new(
        definition: &WordPieceDefinition,
        vocabulary: &Vocabulary,
    ) -> Result<Self, Error> {
        let owned = |(id, token): (u32, &[u8])| (!token.is_empty()).then(|| (token.to_vec(), id));
        let inner = || {
            let tokens = vocabulary.iter();
            Trie::new(tokens.filter_map(|(id, token)| {
                let token = token.strip_prefix(definition.prefix.as_bytes())?;
                owned((id, token))
            }))
        };
        Ok(Self {
            first: Trie::new(vocabulary.iter().filter_map(owned))?,
            inner: definition.cut.then(inner).transpose()?,
            unknown: definition.unknown,
            max_characters: definition.max_characters,
        })
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
                tokens.clear();
                self.word(&text.as_bytes()[begin..stop], &mut tokens)
                    .map_err(|_| Error::NoToken { offset: begin })?;
                for &(id, bytes) in &tokens {
                    sink.push(id, bytes);
                }
            }
            begin = stop;
        }
        Ok(())
    }

    /// Puts the tokens of a word, with their lengths, behind `tokens`: the one of unknown words, if it cannot be cut.
    ///
    /// # Errors
    ///
    /// [`Error::NoToken`]: there is no such token.
    fn word(&self, word: &[u8], tokens: &mut Vec<(u32, u32)>) -> Result<(), Error> {
        let before = tokens.len();
        if !self.cut(word, tokens) {
            let unknown = self.unknown.ok_or(Error::NoToken { offset: 0 })?;
            tokens.truncate(before);
            tokens.push((unknown, word.len() as u32));
        }
        Ok(())
    }

    /// Cuts a word into tokens; false if that is not possible.
    fn cut(&self, word: &[u8], tokens: &mut Vec<(u32, u32)>) -> bool {
        let begins_character = |byte: &&u8| **byte & 0xc0 != 0x80;
        let is_long = word.len() > self.max_characters
            && word.iter().filter(begins_character).count() > self.max_characters;
        if is_long {
            return false;
        }
        let mut at = 0;
        while at < word.len() {
            let known = match &self.inner {
                Some(inner) if at > 0 => inner,
                _ => &self.first,
            };
            let Some((bytes, id)) = known.longest(&word[at..]) else {
                return false;
            };
            at += bytes;
            tokens.push((id, bytes as u32));
            if self.inner.is_none() {
                // Nothing goes on inside a word: it is one token or none.
                return at == word.len();
            }
        }
        true
    }
}
