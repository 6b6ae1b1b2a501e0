//! Text as it is written to text as the model has it.

mod charsmap;
mod sentence;

use std::borrow::Cow;

use crate::Error;
use sentence::Sentence;

pub use charsmap::Charsmap;
pub use sentence::SentenceNormalizer;

/// What is done to a text before it is cut into pieces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum NormalizerDefinition {
    /// Nothing.
    #[default]
    None,
    /// What `SentencePiece` does.
    Sentence(Box<SentenceNormalizer>),
}

/// A prepared [`NormalizerDefinition`].
#[derive(Debug, Clone)]
pub(crate) enum Normalizer {
    None,
    Sentence(Box<Sentence>),
}

impl Normalizer {
    pub(crate) fn new(definition: &NormalizerDefinition) -> Result<Self, Error> {
        Ok(match definition {
            NormalizerDefinition::None => Self::None,
            NormalizerDefinition::Sentence(sentence) => {
                Self::Sentence(Box::new(Sentence::new(sentence.as_ref().clone())?))
            }
        })
    }

    /// The text as the model has it.
    pub(crate) fn normalize<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self {
            Self::None => Cow::Borrowed(text),
            Self::Sentence(sentence) if sentence.keeps(text) => Cow::Borrowed(text),
            Self::Sentence(sentence) => {
                let mut normalized = String::new();
                sentence.normalize(text, &mut normalized, &mut ());
                Cow::Owned(normalized)
            }
        }
    }
}
