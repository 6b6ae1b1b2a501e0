//! Texts to the ids that a model reads.

use std::fs;
use std::num::NonZeroUsize;

use inferail_tokenizer::load::{Options, huggingface};
use inferail_tokenizer::{Specials, TemplatePiece, Tokenizer, map_batch};

use super::Recipe;
use crate::Error;

/// The tokenizer of a model, and how much the model reads.
#[derive(Debug)]
pub struct Tokens {
    tokenizer: Tokenizer,
    lowercases: bool,
    /// The most tokens of a text, special ones included.
    most: usize,
    /// Special tokens that are put around a text.
    around: usize,
}

/// The tokens of one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokenized {
    /// Their ids, special ones included.
    pub ids: Vec<u32>,
    /// The text has more than the model reads.
    pub is_truncated: bool,
}

impl Tokens {
    /// What a file says of padding and truncation is left aside: lengths are exact, and the model says what it reads.
    pub(super) fn open(recipe: &Recipe) -> Result<Self, Error> {
        let path = &recipe.tokenizer;
        let file = fs::read(path).map_err(|source| Error::Read {
            path: path.clone(),
            source,
        })?;
        let made = huggingface::definition(&file, Options::default()).and_then(Tokenizer::new);
        let tokenizer = made.map_err(|source| Error::Tokenizer {
            path: path.clone(),
            source,
        })?;
        let wrong = |problem| Err(Error::format("tokenizer.json", problem).in_file(path));
        if tokenizer.limit() as usize > recipe.config.vocabulary {
            return wrong(format!(
                "it has ids up to {}, and the model has {} tokens",
                tokenizer.limit() - 1,
                recipe.config.vocabulary
            ));
        }
        let template = tokenizer.post_processor().single.as_deref();
        let is_first_kind = |piece: &TemplatePiece| match piece {
            TemplatePiece::Special { type_id, .. } | TemplatePiece::Sequence { type_id, .. } => {
                *type_id == 0
            }
            _ => false,
        };
        if !template.unwrap_or_default().iter().all(is_first_kind) {
            let feature = "a template with several kinds of segment for one text";
            return Err(Error::unsupported(feature).in_file(path));
        }
        let around = tokenizer.post_processor().added_tokens(false);
        if around >= recipe.max_tokens {
            return wrong(format!(
                "it puts {around} tokens around a text, and the model reads {}",
                recipe.max_tokens
            ));
        }
        Ok(Self {
            tokenizer,
            lowercases: recipe.lowercases,
            most: recipe.max_tokens,
            around,
        })
    }

    /// The most tokens of a text, special ones included.
    pub fn most(&self) -> usize {
        self.most
    }

    /// How many tokens `text` has, special ones included, also if they are more than the model reads.
    ///
    /// # Errors
    ///
    /// Those of [`Tokenizer::count`].
    pub fn count(&self, text: &str) -> Result<usize, inferail_tokenizer::Error> {
        let count = if self.lowercases {
            self.tokenizer.count(&text.to_lowercase(), Specials::All)
        } else {
            self.tokenizer.count(text, Specials::All)
        };
        Ok(count? + self.around)
    }

    /// The tokens of `text` that the model reads.
    ///
    /// # Errors
    ///
    /// Those of [`Tokenizer::encode`].
    pub fn of(&self, text: &str) -> Result<Tokenized, inferail_tokenizer::Error> {
        if self.lowercases {
            self.first(&text.to_lowercase())
        } else {
            self.first(text)
        }
    }

    fn first(&self, text: &str) -> Result<Tokenized, inferail_tokenizer::Error> {
        let room = self.most - self.around;
        let mut ids = self.tokenizer.encode_first(text, Specials::All, room + 1)?;
        let is_truncated = ids.len() > room;
        ids.truncate(room);
        Ok(Tokenized {
            ids: self.tokenizer.post_processor().surround(ids),
            is_truncated,
        })
    }

    /// The same of each text.
    pub(super) fn of_each<T: AsRef<str> + Sync>(
        &self,
        texts: &[T],
        threads: NonZeroUsize,
    ) -> Result<Vec<Tokenized>, Error> {
        let length = |text: &T| text.as_ref().len();
        let made = map_batch(texts, Some(threads), length, |text| self.of(text.as_ref()));
        let made = made.into_iter().enumerate();
        made.map(|(index, made)| made.map_err(|source| Error::Text { index, source }))
            .collect()
    }
}
