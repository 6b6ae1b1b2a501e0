//! What a text that goes on may become: the tokens that stay, and every way the others may come out.
//!
//! The last tokens of a text that is not at its end are guesses: `" fanta"` may become `" fantastic"`, one token. Whoever
//! lets a model go on behind a prompt without forcing it to begin a new token there (token healing) has to know.

use std::collections::BTreeSet;

use crate::{EncodeOptions, Error, OffsetUnit, Specials, Tokenizer, Vocabulary};

/// Tokens of a text that goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unstable {
    /// The tokens that stay, whatever follows.
    pub stable: Vec<u32>,
    /// Tokens that may follow them: the bytes of each begin with the rest of the text. In the order of ids.
    pub completions: BTreeSet<Vec<u32>>,
}

impl Tokenizer {
    /// The tokens of `text` if it may go on, as tiktoken's `encode_with_unstable` has them. For tokenizers of ranks only.
    ///
    /// The last piece of the text and white space before it are not certain. Every token that could begin inside of
    /// them and reach over the end is tried: thousands of encodings where the text ends in a space.
    ///
    /// # Errors
    ///
    /// As [`Tokenizer::encode`].
    pub fn encode_unstable(&self, text: &str, specials: Specials<'_>) -> Result<Unstable, Error> {
        let options = EncodeOptions {
            specials,
            add_special_tokens: false,
            offsets: OffsetUnit::Bytes,
            ..EncodeOptions::default()
        };
        let encoding = self.encode_detailed(text, None, &options)?;
        let (mut stable, words) = (encoding.ids, encoding.words);
        let last = words.last();
        let in_last_piece = words.iter().rev().take_while(|word| Some(*word) == last);
        stable.truncate(self.certain(&stable, in_last_piece.count()));
        let certain_bytes = self.decode_bytes(&stable)?.len();
        let rest = text.as_bytes().get(certain_bytes..).unwrap_or_default();
        let completions = self.completions(rest)?;
        Ok(Unstable {
            stable,
            completions,
        })
    }

    /// How many of `ids` are certain if the last `pieces` of them are one piece.
    fn certain(&self, ids: &[u32], mut pieces: usize) -> usize {
        let vocabulary = self.vocabulary();
        let token = |from_end: usize| {
            let at = ids.len().checked_sub(from_end)?;
            vocabulary.token(*ids.get(at)?)
        };
        if token(1).is_none() {
            // A special token ends the text, or there is none: nothing that follows changes what is before it.
            return ids.len();
        }
        // A pattern may take line breaks and the spaces around them as one piece, once something follows.
        let is_space = |token: &[u8]| token.iter().all(|byte| b" \n\t".contains(byte));
        if token(pieces).is_some_and(is_space) {
            while token(pieces + 1).is_some_and(is_space) {
                pieces += 1;
            }
        }
        ids.len() - pieces
    }

    /// Tokens whose bytes begin with `rest`.
    fn completions(&self, rest: &[u8]) -> Result<BTreeSet<Vec<u32>>, Error> {
        let mut found = BTreeSet::new();
        if rest.is_empty() {
            return Ok(found);
        }
        let vocabulary = self.vocabulary();
        let sorted = self.sorted();
        found.extend(beginning(vocabulary, sorted, rest).map(|(id, _)| vec![id]));
        // A token that begins inside of the rest, at every byte of it, and ends behind it.
        for begin in 1..rest.len() {
            let (before, reached) = rest.split_at(begin);
            for (_, token) in beginning(vocabulary, sorted, reached) {
                let bytes = [before, token].concat();
                // What follows may make the pattern cut elsewhere, so that the text is encoded again, if it is one.
                let mut ids = match std::str::from_utf8(&bytes) {
                    Ok(text) => self.encode(text, Specials::AsText)?,
                    Err(_) => merge(vocabulary, sorted, &bytes),
                };
                let mut covered = 0;
                let needed = ids.iter().position(|id| {
                    covered += vocabulary.token(*id).map_or(0, <[u8]>::len);
                    covered >= rest.len()
                });
                ids.truncate(needed.map_or(ids.len(), |last| last + 1));
                found.insert(ids);
            }
        }
        // White space at the end may become a piece of its own.
        let last = rest
            .utf8_chunks()
            .last()
            .filter(|chunk| chunk.invalid().is_empty());
        if let Some(space) = last.and_then(|chunk| chunk.valid().chars().next_back())
            && space.is_whitespace()
            && space.len_utf8() < rest.len()
        {
            let (before, space) = rest.split_at(rest.len() - space.len_utf8());
            let mut ids = merge(vocabulary, sorted, before);
            ids.extend(merge(vocabulary, sorted, space));
            found.insert(ids);
        }
        Ok(found)
    }
}

/// Every token, in the order of their bytes.
pub(crate) fn sorted(vocabulary: &Vocabulary) -> Box<[u32]> {
    let mut tokens: Vec<(&[u8], u32)> = vocabulary.iter().map(|(id, token)| (token, id)).collect();
    tokens.sort_unstable();
    tokens.into_iter().map(|(_, id)| id).collect()
}

/// The tokens that begin with `bytes`.
fn beginning<'a>(
    vocabulary: &'a Vocabulary,
    sorted: &'a [u32],
    bytes: &'a [u8],
) -> impl Iterator<Item = (u32, &'a [u8])> {
    let token = |id: u32| vocabulary.token(id).unwrap_or_default();
    let first = sorted.partition_point(|id| token(*id) < bytes);
    let from = sorted[first..].iter().map(move |id| (*id, token(*id)));
    from.take_while(move |(_, token)| token.starts_with(bytes))
}

/// Merges bytes that may be no text, one pair at a time: they are few.
fn merge(vocabulary: &Vocabulary, sorted: &[u32], bytes: &[u8]) -> Vec<u32> {
    let find = |bytes: &[u8]| {
        let (id, token) = beginning(vocabulary, sorted, bytes).next()?;
        (token.len() == bytes.len()).then_some(id)
    };
    let mut edges: Vec<usize> = (0..=bytes.len()).collect();
    loop {
        let pairs = edges.windows(3).enumerate();
        let pairs = pairs.filter_map(|(at, edges)| Some((find(&bytes[edges[0]..edges[2]])?, at)));
        let Some((_, at)) = pairs.min() else { break };
        edges.remove(at + 1);
    }
    let parts = edges.windows(2);
    parts
        .filter_map(|edges| find(&bytes[edges[0]..edges[1]]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AddedToken, Definition, PreTokenizerDefinition};

    fn tokenizer() -> Tokenizer {
        let bytes: Vec<[u8; 1]> = (0..=255).map(|byte| [byte]).collect();
        let words: [&[u8]; 4] = [b" f", b" fan", b" fanta", b"nt"];
        let tokens = bytes.iter().map(<[u8; 1]>::as_slice).chain(words);
        let vocabulary = Vocabulary::new("test", (0..).zip(tokens)).unwrap();
        let end = AddedToken::special(300, "<end>");
        let cut = PreTokenizerDefinition::Pattern(r" ?\w+|\s+|[^\w\s]+".to_owned());
        Tokenizer::new(Definition::ranks(vocabulary, vec![end], cut)).unwrap()
    }

    #[test]
    fn the_last_piece_may_become_longer_tokens() {
        let made = tokenizer()
            .encode_unstable("a fa", Specials::AsText)
            .unwrap();

        assert_eq!(made.stable, [97]);
        // " fan" and " fanta", each alone; " f" and then "a".
        let expected = [vec![256, 97], vec![257], vec![258]];
        assert_eq!(made.completions, BTreeSet::from(expected));
    }

    #[test]
    fn nothing_changes_before_a_special_token() {
        let made = tokenizer()
            .encode_unstable("a f<end>", Specials::All)
            .unwrap();

        assert_eq!(made.stable, [97, 256, 300]);
        assert!(made.completions.is_empty());
    }

    #[test]
    fn an_empty_text_may_become_anything_and_has_no_completions() {
        let made = tokenizer().encode_unstable("", Specials::AsText).unwrap();

        assert_eq!(made, Unstable::default());
    }

    #[test]
    fn every_completion_begins_with_the_rest_of_the_text() {
        let tokenizer = tokenizer();
        for text in ["a ", " fant", "é", "a \n ", "ne\u{3000}"] {
            let made = tokenizer.encode_unstable(text, Specials::AsText).unwrap();

            assert!(!made.completions.is_empty(), "{text:?}");
            for completion in made.completions {
                let ids = [made.stable.clone(), completion].concat();
                let bytes = tokenizer.decode_bytes(&ids).unwrap();
                assert!(bytes.starts_with(text.as_bytes()), "{text:?} {ids:?}");
            }
        }
    }
}
