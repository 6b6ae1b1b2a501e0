//! No more tokens than a model can read, and as many in each row of a batch.

use std::ops::Range;

use crate::Error;

/// The most parts that a pair of texts is cut into: each part of one is joined with each of the other.
const MOST_PARTS: usize = 1 << 16;

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
    /// How many tokens two neighbouring parts share, where what is left over is wanted too.
    pub stride: usize,
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
    /// How many tokens stay of a text of `one` and of another of `two` tokens, if there is one, to which `added` special
    /// tokens will be added.
    ///
    /// # Errors
    ///
    /// [`Error::CannotTruncate`]: the text that may be truncated is too short for that, or not there.
    pub(crate) fn share(
        &self,
        one: usize,
        two: Option<usize>,
        added: usize,
    ) -> Result<(usize, usize), Error> {
        let refused = || Error::CannotTruncate {
            limit: self.max_length,
        };
        let limit = self.max_length.checked_sub(added).ok_or_else(refused)?;
        let lengths = (one, two.unwrap_or(0));
        let excess = (lengths.0 + lengths.1).saturating_sub(limit);
        if excess == 0 {
            return Ok(lengths);
        }
        match (self.strategy, two) {
            _ if limit == 0 => Ok((0, 0)),
            (Strategy::LongestFirst, None) => Ok((limit, 0)),
            (Strategy::LongestFirst, Some(_)) => Ok(share(lengths, limit)),
            (Strategy::OnlyFirst, _) if lengths.0 > excess => Ok((lengths.0 - excess, lengths.1)),
            (Strategy::OnlySecond, Some(_)) if lengths.1 > excess => {
                Ok((lengths.0, lengths.1 - excess))
            }
            (Strategy::OnlyFirst | Strategy::OnlySecond, _) => Err(refused()),
        }
    }

    /// Which of `length` tokens are in each part of at most `limit`: first those that stay, then what is left over, if
    /// that is wanted.
    ///
    /// # Errors
    ///
    /// [`Error::CannotTruncate`]: as many tokens are shared as a part has.
    pub(crate) fn parts(
        &self,
        length: usize,
        limit: usize,
        overflowing: bool,
    ) -> Result<Vec<Range<usize>>, Error> {
        if limit >= length {
            return Ok(std::iter::once(0..length).collect());
        }
        let first = match self.direction {
            Direction::Right => 0..limit,
            Direction::Left => length - limit..length,
        };
        if !overflowing {
            return Ok(vec![first]);
        }
        if limit == 0 {
            return Ok(vec![first, 0..length]);
        }
        let step = limit.checked_sub(self.stride).filter(|step| *step > 0);
        let step = step.ok_or(Error::CannotTruncate {
            limit: self.max_length,
        })?;
        let mut parts = vec![first];
        for shift in (step..).step_by(step) {
            // From the left: where a part begins is as far from the beginning as its end is from the end otherwise.
            let (begin, end) = (shift, (shift + limit).min(length));
            if parts.last().is_some_and(|part| match self.direction {
                Direction::Right => part.end == length,
                Direction::Left => part.start == 0,
            }) {
                break;
            }
            parts.push(match self.direction {
                Direction::Right => begin..end,
                Direction::Left => length - end..length - begin,
            });
        }
        Ok(parts)
    }

    /// Makes sure that the parts of two texts are few enough to be joined, each with each.
    ///
    /// # Errors
    ///
    /// [`Error::CannotTruncate`]: they are not.
    pub(crate) fn check_parts(&self, one: usize, two: usize) -> Result<(), Error> {
        if two > 1 && one.saturating_mul(two) > MOST_PARTS {
            return Err(Error::CannotTruncate {
                limit: self.max_length,
            });
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
