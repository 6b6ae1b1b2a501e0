//! Text as it is written to text as the model has it.

mod aligned;
mod charsmap;
mod sentence;
mod steps;

use std::borrow::Cow;

use crate::Error;
use sentence::Sentence;

pub(crate) use aligned::Aligned;
pub use charsmap::Charsmap;
pub use sentence::SentenceNormalizer;
pub(crate) use steps::is_chinese;
pub use steps::{NormalForm, NormalizerStep};

/// What is done to a text before it is cut into pieces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum NormalizerDefinition {
    /// Nothing.
    #[default]
    None,
    /// What `SentencePiece` does.
    Sentence(Box<SentenceNormalizer>),
    /// What Hugging Face `tokenizers` does, step by step.
    Steps(Vec<NormalizerStep>),
}

/// A prepared [`NormalizerDefinition`].
#[derive(Debug, Clone)]
pub(crate) enum Normalizer {
    None,
    Sentence(Box<Sentence>),
    Steps(Vec<steps::Step>),
}

impl Normalizer {
    pub(crate) fn new(definition: &NormalizerDefinition) -> Result<Self, Error> {
        Ok(match definition {
            NormalizerDefinition::None => Self::None,
            NormalizerDefinition::Sentence(sentence) => {
                Self::Sentence(Box::new(Sentence::new(sentence.as_ref().clone())?))
            }
            NormalizerDefinition::Steps(steps) => Self::Steps(
                steps
                    .iter()
                    .map(steps::Step::new)
                    .collect::<Result<_, _>>()?,
            ),
        })
    }

    /// Whether every text stays as it is.
    pub(crate) fn is_none(&self) -> bool {
        match self {
            Self::None => true,
            Self::Sentence(_) => false,
            Self::Steps(steps) => steps.is_empty(),
        }
    }

    /// The text as the model has it.
    ///
    /// # Errors
    ///
    /// [`Error::Pattern`]: a pattern gave up on this text.
    pub(crate) fn normalize<'a>(&self, text: &'a str) -> Result<Cow<'a, str>, Error> {
        Ok(match self {
            Self::None => Cow::Borrowed(text),
            Self::Sentence(sentence) if sentence.keeps(text) => Cow::Borrowed(text),
            Self::Sentence(sentence) => {
                let mut normalized = String::new();
                sentence.normalize(text, &mut normalized, &mut ());
                Cow::Owned(normalized)
            }
            Self::Steps(_) if self.is_none() => Cow::Borrowed(text),
            Self::Steps(_) => Cow::Owned(self.align(text, 0, false)?.text),
        })
    }

    /// The text as the model has it, with the origin of every byte if `wanted`; `at` is where the text begins.
    ///
    /// # Errors
    ///
    /// [`Error::Pattern`]: a pattern gave up on this text.
    pub(crate) fn align(&self, text: &str, at: u32, wanted: bool) -> Result<Aligned, Error> {
        match self {
            Self::Steps(steps) => {
                let mut aligned = Aligned::new(text, at, wanted);
                for step in steps {
                    step.apply(&mut aligned)?;
                }
                Ok(aligned)
            }
            Self::Sentence(sentence) => {
                let (mut normalized, mut origins) = (String::new(), Vec::new());
                sentence.normalize(text, &mut normalized, &mut origins);
                // The last entry is the end of the text.
                origins.truncate(normalized.len());
                let range = |origin: u32| {
                    let begin = text.floor_char_boundary(origin as usize);
                    let length = text[begin..].chars().next().map_or(0, char::len_utf8);
                    [at + begin as u32, at + (begin + length) as u32]
                };
                let origins = wanted.then(|| origins.into_iter().map(range).collect());
                Ok(Aligned::from_parts(normalized, origins))
            }
            Self::None => Ok(Aligned::new(text, at, wanted)),
        }
    }
}
