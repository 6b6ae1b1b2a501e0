//! Unigram models: of all ways to cut a text into tokens the one with the highest sum of scores.

mod definition;
#[cfg(test)]
mod reference;
mod run;
#[cfg(test)]
mod tests;

pub use definition::UnigramDefinition;

use crate::fragments::{Joints, Spare};
use crate::pretokenize::GAP;
use crate::sink::Sink;
use crate::vocabulary::Trie;
use crate::{Error, UnknownCharacters, Vocabulary};
use run::{Run, Worker};

const FORMAT: &str = "unigram model";

/// How much less an unknown character scores than the worst token.
const UNKNOWN_PENALTY: f64 = 10.0;

/// What a symbol scores for every byte but the first.
const SYMBOL_SCORE: f64 = 0.1;

/// Sums beyond this are set back to zero, and those ahead of them by as much, where sums are of 32 bits: `SentencePiece`
/// 0.2.3.
const LARGEST_SUM: f64 = 100_000.0;

/// A prepared model.
#[derive(Debug, Clone)]
pub(crate) struct Unigram {
    trie: Trie,
    scores: Box<[f64]>,
    unknown_score: f64,
    /// The largest score there is, without its sign.
    steepest: f64,
    joints: Joints,
    unknown: UnknownCharacters,
    /// Whether the text has spaces where the tokens have `▁`.
    metaspace: bool,
    /// The bytes of text that each id stands for.
    lengths: Box<[u32]>,
    single_precision: bool,
    split: bool,
    workers: Spare<Worker>,
}

impl Unigram {
    /// Prepares a model.
    ///
    /// # Errors
    ///
    /// [`Error::Format`]: a token is not UTF-8, a score is not a number, or there is no score for an id.
    pub(crate) fn new(
        definition: &UnigramDefinition,
        vocabulary: &Vocabulary,
    ) -> Result<Self, Error> {
        let limit = vocabulary.limit() as usize;
        let ids = definition.unknown.bytes.as_deref().into_iter().flatten();
        let ids = ids
            .chain(&definition.unknown.token)
            .chain(&definition.symbols);
        if ids.into_iter().any(|id| *id as usize >= limit) {
            return Err(Error::format(FORMAT, "an id is no token"));
        }
        let mut texts = Vec::new();
        let mut scores = vec![0.0; limit];
        let mut lengths = vec![0; limit];
        for (id, token) in vocabulary.iter() {
            let Some(Some(score)) = definition.scores.get(id as usize) else {
                continue;
            };
            if score.is_nan() {
                return Err(Error::format(
                    FORMAT,
                    format!("the score of token {id} is not a number"),
                ));
            }
            let text = std::str::from_utf8(token)
                .map_err(|_| Error::format(FORMAT, format!("token {id} is not UTF-8")))?;
            scores[id as usize] = *score;
            // The text has no space that would be one.
            if text.is_empty() || (definition.metaspace && text.contains(' ')) {
                continue;
            }
            let text = if definition.metaspace {
                text.replace('▁', " ")
            } else {
                text.to_owned()
            };
            lengths[id as usize] = text.len() as u32;
            texts.push((text, id));
        }
        for &id in &definition.symbols {
            let token = vocabulary.token(id).unwrap_or_default();
            scores[id as usize] = symbol_score(token.len());
        }
        let unknown_score = unknown_score(definition);
        let steepest = scores
            .iter()
            .fold(unknown_score.abs(), |most, score| most.max(score.abs()));
        for &id in definition.unknown.bytes.as_deref().into_iter().flatten() {
            lengths[id as usize] = 1;
        }
        Ok(Self {
            joints: Joints::new(texts.iter().map(|(text, _)| text.as_str())),
            trie: Trie::new(texts.into_iter().map(|(text, id)| (text.into_bytes(), id)))?,
            scores: scores.into(),
            unknown_score,
            steepest,
            unknown: definition.unknown.clone(),
            metaspace: definition.metaspace,
            lengths: lengths.into(),
            single_precision: definition.single_precision,
            split: definition.split,
            workers: Spare::new(),
        })
    }

    /// The unknown token, which the reference calls by the text it stands for, and whether spaces in that are `▁`.
    pub(crate) fn spelled(&self) -> Option<(u32, bool)> {
        Some((self.unknown.token?, self.metaspace))
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

/// What an unknown character scores: less than every token that is no symbol.
fn unknown_score(definition: &UnigramDefinition) -> f64 {
    let scores = definition.scores.iter().zip(0..);
    let plain = scores.filter(|(_, id)| !definition.symbols.contains(id));
    let lowest = plain
        .filter_map(|(score, _)| *score)
        .fold(f64::from(f32::MAX), f64::min);
    let score = lowest - UNKNOWN_PENALTY;
    if definition.single_precision {
        f64::from(score as f32)
    } else {
        score
    }
}

/// What a symbol of `bytes` bytes scores, as its token is written: more than all of its parts together, and with each byte more,
/// so that the longest is taken (`GetUserDefinedScore` of `SentencePiece` 0.2.3).
fn symbol_score(bytes: usize) -> f64 {
    f64::from((SYMBOL_SCORE * (bytes as f64 - 1.0)) as f32)
}
