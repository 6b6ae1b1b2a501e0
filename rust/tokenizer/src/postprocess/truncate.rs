//! No more tokens than a model can read, and as many in each row of a batch.

use super::Encoding;
use crate::Error;

/// At which end tokens are left out, or padding is put in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Direction {
    /// At the beginning.
    Left,
    /// At the end.
    #[default]
    Right,
}

/// Which text of a pair is truncated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Strategy {
    /// The longer one, and both once they are equal.
    #[default]
    LongestFirst,
    /// The first.
    OnlyFirst,
    /// The second.
    OnlySecond,
}

/// No more tokens than a model can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truncation {
    /// The most tokens, special ones included.
    pub max_length: usize,
    /// Which text of a pair is truncated.
    pub strategy: Strategy,
    /// At which end.
    pub direction: Direction,
}

/// As many tokens in each row of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Padding {
    /// How many.
    pub to: PadTo,
    /// If given, the length is rounded up to a multiple of it.
    pub multiple_of: Option<usize>,
    /// At which end padding is put in.
    pub direction: Direction,
    /// The id of padding.
    pub id: u32,
    /// The kind of segment that it belongs to.
    pub type_id: u32,
}

/// How many tokens there are with padding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PadTo {
    /// As many as in the longest of a batch.
    #[default]
    Longest,
    /// So many. A longer text stays longer.
    Fixed(usize),
}

impl Truncation {
    /// Truncates a text or a pair of texts, to which `added` special tokens will be added.
    ///
    /// # Errors
    ///
    /// [`Error::CannotTruncate`]: the text that may be truncated is too short for that, or not there.
    pub(crate) fn apply(
        &self,
        first: &mut Encoding,
        mut second: Option<&mut Encoding>,
        added: usize,
    ) -> Result<(), Error> {
        let refused = || Error::CannotTruncate {
            limit: self.max_length,
        };
        let limit = self.max_length.checked_sub(added).ok_or_else(refused)?;
        let lengths = (
            first.len(),
            second.as_ref().map_or(0, |second| second.len()),
        );
        let excess = (lengths.0 + lengths.1).saturating_sub(limit);
        if excess == 0 {
            return Ok(());
        }
        let (one, two) = match (self.strategy, &second) {
            _ if limit == 0 => (0, 0),
            (Strategy::LongestFirst, None) => (limit, 0),
            (Strategy::LongestFirst, Some(_)) => share(lengths, limit),
            (Strategy::OnlyFirst, _) if lengths.0 > excess => (lengths.0 - excess, lengths.1),
            (Strategy::OnlySecond, Some(_)) if lengths.1 > excess => {
                (lengths.0, lengths.1 - excess)
            }
            (Strategy::OnlyFirst | Strategy::OnlySecond, _) => return Err(refused()),
        };
        first.truncate(one, self.direction);
        if let Some(second) = &mut second {
            second.truncate(two, self.direction);
        }
        Ok(())
    }
}

/// How two texts that are too long together share `limit` tokens.
fn share(lengths: (usize, usize), limit: usize) -> (usize, usize) {
    let mut short = lengths.0.min(lengths.1);
    let mut long = if short > limit {
        short
    } else {
        short.max(limit - short)
    };
    if short + long > limit {
        short = limit / 2;
        long = short + limit % 2;
    }
    if lengths.0 > lengths.1 {
        (long, short)
    } else {
        (short, long)
    }
}
