//! Byte pair encoding over characters, a whole text at a time: what `SentencePiece` models of the kind BPE do, and the models of
//! Hugging Face that came from them.

mod alphabet;
mod definition;
mod merge;
mod pairs;
#[cfg(test)]
mod reference;
mod run;
#[cfg(test)]
mod tests;

use aho_corasick::{AhoCorasick, MatchKind};
use hashbrown::HashMap;

pub use definition::{SentenceBpeDefinition, SentenceMerges, UnknownCharacters};

use crate::fragments::{Joints, Spare};
use crate::pretokenize::GAP;
use crate::sink::Sink;
use crate::{Error, Vocabulary};
use alphabet::Alphabet;
use pairs::{Merge, Pairs};
use run::{Run, Worker};

const FORMAT: &str = "BPE model";

/// What finds the symbols, and the id of each of its patterns.
type Automaton = (AhoCorasick, Box<[u32]>);

/// A prepared model.
#[derive(Debug, Clone)]
pub(crate) struct SentenceBpe {
    /// The symbols that merging begins with. From `limit` on they are characters that only ever merge.
    alphabet: Alphabet,
    pairs: Pairs,
    joints: Joints,
    unknown: UnknownCharacters,
    /// What never merges, with the id of each pattern.
    symbols: Option<Automaton>,
    /// Pieces that are tokens without merging.
    whole: Option<HashMap<Box<str>, u32>>,
    /// The bytes of text that each id stands for.
    lengths: Box<[u32]>,
    workers: Spare<Worker>,
}

impl SentenceBpe {
    /// Prepares a model.
    ///
    /// # Errors
    ///
    /// [`Error::Format`]: a token is not UTF-8, a score is not a number, or an id is not in the vocabulary.
    pub(crate) fn new(
        definition: &SentenceBpeDefinition,
        vocabulary: &Vocabulary,
    ) -> Result<Self, Error> {
        let tokens = Tokens::new(definition, vocabulary)?;
        let (alphabet, pairs, joints) = match &definition.merges {
            SentenceMerges::Scores(scores) => tokens.by_scores(scores)?,
            SentenceMerges::Pairs(pairs) => tokens.by_pairs(pairs)?,
        };
        Ok(Self {
            alphabet,
            pairs,
            joints,
            symbols: tokens.automaton(&definition.symbols)?,
            whole: definition.ignore_merges.then(|| tokens.whole()),
            lengths: tokens.lengths(definition.unknown.bytes.as_deref()),
            unknown: definition.unknown.clone(),
            workers: Spare::new(),
        })
    }

    /// Encodes the pieces of `text` that begin at byte `begin` and end at `ends`, as the pre-tokenizer wrote them.
    ///
    /// # Errors
    ///
    /// [`Error::NoToken`]: a character is not in the vocabulary, and nothing stands for it.
    pub(crate) fn encode<S: Sink>(
        &self,
        text: &str,
        begin: u32,
        ends: &[u32],
        sink: &mut S,
    ) -> Result<(), Error> {
        self.workers.with(Worker::new, |worker| {
            let mut run = Run::new(self, worker, text, sink);
            let mut begin = begin as usize;
            for &end in ends {
                let stop = (end & !GAP) as usize;
                if end & GAP == 0 {
                    run.piece(begin, stop)?;
                }
                begin = stop;
            }
            Ok(())
        })
    }
}

/// The tokens that text can become, written as the text has them.
struct Tokens {
    limit: u32,
    /// The text of each id; empty where text does not become it.
    texts: Vec<String>,
    symbols: Vec<bool>,
}

impl Tokens {
    fn new(definition: &SentenceBpeDefinition, vocabulary: &Vocabulary) -> Result<Self, Error> {
        let limit = vocabulary.limit();
        let mut texts = vec![String::new(); limit as usize];
        for (id, token) in vocabulary.iter() {
            let token = std::str::from_utf8(token)
                .map_err(|_| Error::format(FORMAT, format!("token {id} is not UTF-8")))?;
            texts[id as usize] = if !definition.metaspace {
                token.to_owned()
            } else if token.contains(' ') {
                // The text has no space that would be one.
                String::new()
            } else {
                token.replace('▁', " ")
            };
        }
        let bytes = definition.unknown.bytes.as_deref().into_iter().flatten();
        for id in bytes.chain(&definition.unknown.token) {
            *get(&mut texts, *id)? = String::new();
        }
        let mut symbols = vec![false; limit as usize];
        for id in &definition.symbols {
            *get(&mut symbols, *id)? = true;
        }
        Ok(Self {
            limit,
            texts,
            symbols,
        })
    }

    fn iter(&self) -> impl Iterator<Item = (u32, &str)> + Clone {
        let texts = self.texts.iter().enumerate();
        texts
            .filter(|(_, text)| !text.is_empty())
            .map(|(id, text)| (id as u32, text.as_str()))
    }

    /// Every character that is a token, but not a symbol of its own.
    fn alphabet(&self) -> Alphabet {
        let mut alphabet = Alphabet::new();
        for (id, text) in self.iter() {
            if let Some(character) = single(text)
                && !self.symbols[id as usize]
            {
                alphabet.set(character as u32, id);
            }
        }
        alphabet
    }

    /// What merges where the text of two symbols together is a token.
    fn by_scores(&self, scores: &[f32]) -> Result<(Alphabet, Pairs, Joints), Error> {
        let mut ordered: Vec<f32> = scores.to_vec();
        if ordered.iter().any(|score| score.is_nan()) {
            return Err(Error::format(FORMAT, "a score is not a number"));
        }
        // Equal scores are equal ranks: which of two equals goes first is a matter of place. `+ 0.0` makes one zero of two.
        for score in &mut ordered {
            *score += 0.0;
        }
        ordered.sort_by(|a, b| b.total_cmp(a));
        ordered.dedup();
        let rank = |score: f32| ordered.partition_point(|other| *other > score) as u32;

        let mut alphabet = self.alphabet();
        let plain = self.iter().filter(|(id, _)| !self.symbols[*id as usize]);
        let mut symbols: HashMap<&str, u32> = plain.clone().map(|(id, text)| (text, id)).collect();
        let merged =
            plain.filter(|(id, text)| (*id as usize) < scores.len() && single(text).is_none());
        let mut extra = self.limit;
        let mut list = Vec::new();
        for (id, text) in merged.clone() {
            for (at, character) in text.char_indices() {
                let character_text = &text[at..at + character.len_utf8()];
                if !symbols.contains_key(character_text) {
                    symbols.insert(character_text, extra);
                    alphabet.set(character as u32, extra);
                    extra += 1;
                }
            }
            let rank = rank(scores[id as usize]);
            for (at, _) in text.char_indices().skip(1) {
                let halves = (symbols.get(&text[..at]), symbols.get(&text[at..]));
                if let (Some(&left), Some(&right)) = halves {
                    list.push((left, right, Merge { rank, symbol: id }));
                }
            }
        }
        let joints = Joints::new(merged.map(|(_, text)| text));
        Ok((alphabet, Pairs::new(list.into_iter()), joints))
    }

    /// What merges where a list says so.
    fn by_pairs(&self, pairs: &[[u32; 3]]) -> Result<(Alphabet, Pairs, Joints), Error> {
        if pairs.iter().flatten().any(|id| *id >= self.limit) {
            return Err(Error::format(FORMAT, "a merge has an id that is no token"));
        }
        let merges = pairs
            .iter()
            .enumerate()
            .map(|(rank, &[left, right, symbol])| {
                let rank = rank as u32;
                (left, right, Merge { rank, symbol })
            });
        let mut results: Vec<u32> = pairs.iter().map(|pair| pair[2]).collect();
        results.sort_unstable();
        results.dedup();
        let joints = Joints::new(results.iter().map(|id| self.texts[*id as usize].as_str()));
        Ok((self.alphabet(), Pairs::new(merges), joints))
    }

    fn automaton(&self, symbols: &[u32]) -> Result<Option<Automaton>, Error> {
        let ids = symbols
            .iter()
            .filter(|id| !self.texts[**id as usize].is_empty());
        let ids: Box<[u32]> = ids.copied().collect();
        if ids.is_empty() {
            return Ok(None);
        }
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(ids.iter().map(|id| self.texts[*id as usize].as_bytes()))
            .map_err(|error| Error::format(FORMAT, error.to_string()))?;
        Ok(Some((automaton, ids)))
    }

    fn whole(&self) -> HashMap<Box<str>, u32> {
        self.iter().map(|(id, text)| (text.into(), id)).collect()
    }

    fn lengths(&self, bytes: Option<&[u32; 256]>) -> Box<[u32]> {
        let mut lengths: Box<[u32]> = self.texts.iter().map(|text| text.len() as u32).collect();
        for id in bytes.into_iter().flatten() {
            lengths[*id as usize] = 1;
        }
        lengths
    }
}

fn get<T>(of: &mut [T], id: u32) -> Result<&mut T, Error> {
    let limit = of.len();
    of.get_mut(id as usize)
        .ok_or_else(|| Error::format(FORMAT, format!("id {id} is not below {limit}")))
}

/// The only character of a text.
fn single(text: &str) -> Option<char> {
    let mut characters = text.chars();
    let first = characters.next();
    first.filter(|_| characters.as_str().is_empty())
}
