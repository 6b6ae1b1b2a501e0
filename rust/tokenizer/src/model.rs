//! The models, behind one door.

use std::sync::Arc;

use crate::bpe::{Bpe, Merges};
use crate::sentence_bpe::SentenceBpe;
use crate::sink::Sink;
use crate::unigram::Unigram;
use crate::wordpiece::WordPiece;
use crate::{Error, ModelDefinition, Vocabulary};

/// A prepared [`ModelDefinition`].
#[derive(Debug, Clone)]
pub(crate) enum Model {
    Bpe(Bpe),
    Merges(Box<Merges>),
    SentenceBpe(Box<SentenceBpe>),
    Unigram(Box<Unigram>),
    WordPiece(Box<WordPiece>),
}

impl Model {
    pub(crate) fn new(
        definition: &ModelDefinition,
        vocabulary: &Arc<Vocabulary>,
    ) -> Result<Self, Error> {
        Ok(match definition {
            ModelDefinition::Ranks => Self::Bpe(Bpe::new(Arc::clone(vocabulary))),
            ModelDefinition::Merges {
                pairs,
                ignore_merges,
            } => match Bpe::of_list(vocabulary, pairs, *ignore_merges) {
                Some(model) => Self::Bpe(model),
                None => Self::Merges(Box::new(Merges::new(vocabulary, pairs, *ignore_merges)?)),
            },
            ModelDefinition::SentenceBpe(model) => {
                Self::SentenceBpe(Box::new(SentenceBpe::new(model, vocabulary)?))
            }
            ModelDefinition::Unigram(model) => {
                Self::Unigram(Box::new(Unigram::new(model, vocabulary)?))
            }
            ModelDefinition::WordPiece(model) => {
                Self::WordPiece(Box::new(WordPiece::new(model, vocabulary)?))
            }
        })
    }

    /// Encodes the pieces of `text` that begin at byte `begin` and end at `ends`, as the pre-tokenizer wrote them.
    ///
    /// # Errors
    ///
    /// [`Error::NoToken`].
    #[inline]
    pub(crate) fn encode<S: Sink>(
        &self,
        text: &str,
        begin: u32,
        ends: &[u32],
        sink: &mut S,
    ) -> Result<(), Error> {
        match self {
            Self::Bpe(model) => model.encode(text, begin, ends, sink),
            Self::Merges(model) => model.encode(text, begin, ends, sink),
            Self::SentenceBpe(model) => model.encode(text, begin, ends, sink),
            Self::Unigram(model) => model.encode(text, begin, ends, sink),
            Self::WordPiece(model) => model.encode(text, begin, ends, sink),
        }
    }

    /// The token that is called what it stands for, in the words of the reference, and whether spaces in that are written
    /// as `▁`.
    pub(crate) fn spelled(&self) -> Option<(u32, bool)> {
        match self {
            Self::Unigram(model) => model.spelled(),
            _ => None,
        }
    }
}
