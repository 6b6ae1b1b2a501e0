//! Ids as many as are wanted, with what a model expects around them.

use inferail_tokenizer::{Error, Specials, Tokenizer};

use super::tokenizer::Side;

/// How the ids of a text are cut and completed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Whether the file's special tokens are put around a text.
    pub(crate) add_special_tokens: bool,
    /// The most ids, special ones included.
    pub(crate) max_tokens: Option<usize>,
    /// Where those are left out that are too many.
    pub(crate) side: Side,
}

impl Shape {
    /// All ids of `text`, or as many as are wanted.
    ///
    /// # Errors
    ///
    /// Those of [`Tokenizer::encode`], and [`Error::CannotTruncate`]: the special tokens alone are too many.
    #[inline]
    pub(crate) fn encode(
        self,
        tokenizer: &Tokenizer,
        text: &str,
        specials: Specials<'_>,
    ) -> Result<Vec<u32>, Error> {
        let limit = match self.max_tokens {
            None => None,
            Some(limit) => {
                let refused = Error::CannotTruncate { limit };
                Some(
                    limit
                        .checked_sub(added(tokenizer, self.add_special_tokens))
                        .ok_or(refused)?,
                )
            }
        };
        let ids = match (limit, self.side) {
            (None, _) => tokenizer.encode(text, specials)?,
            (Some(limit), Side::Right) => tokenizer.encode_first(text, specials, limit)?,
            (Some(limit), Side::Left) => {
                let mut ids = tokenizer.encode(text, specials)?;
                ids.split_off(ids.len().saturating_sub(limit))
            }
        };
        if self.add_special_tokens {
            return Ok(tokenizer.post_processor().surround(ids));
        }
        Ok(ids)
    }
}

/// How many special tokens are put around a text if `wanted`.
pub(crate) fn added(tokenizer: &Tokenizer, wanted: bool) -> usize {
    if wanted {
        tokenizer.post_processor().added_tokens(false)
    } else {
        0
    }
}
