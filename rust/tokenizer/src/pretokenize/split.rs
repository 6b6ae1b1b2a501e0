//! Cutting a text where something is found.

use memchr::memmem;

use super::{GAP, pattern};
use crate::Error;

/// What is looked for in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Find {
    /// A text as it is.
    Text(String),
    /// What a regular expression matches.
    Pattern(String),
}

/// What becomes of what is found when a text is cut there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Behavior {
    /// It is left out.
    Removed,
    /// It is a piece.
    Isolated,
    /// It belongs to the piece before.
    MergedWithPrevious,
    /// It belongs to the piece after.
    MergedWithNext,
    /// It is a piece together with what is found right beside it.
    Contiguous,
}

/// A prepared [`Find`].
#[derive(Debug, Clone)]
pub(crate) enum Finder {
    Text(Box<memmem::Finder<'static>>),
    Pattern(pattern::Pattern),
}

impl Finder {
    pub(crate) fn new(definition: &Find) -> Result<Self, Error> {
        Ok(match definition {
            Find::Text(text) if text.is_empty() => {
                return Err(Error::Pattern {
                    problem: "it finds an empty text everywhere".to_owned(),
                });
            }
            Find::Text(text) => Self::Text(Box::new(memmem::Finder::new(text).into_owned())),
            Find::Pattern(pattern) => Self::Pattern(pattern::Pattern::new(pattern)?),
        })
    }

    /// Where it is, in bytes; no two places overlap.
    ///
    /// # Errors
    ///
    /// [`Error::Pattern`]: the pattern gave up on this text.
    pub(crate) fn find(&self, text: &str) -> Result<Vec<(usize, usize)>, Error> {
        match self {
            Self::Text(finder) => {
                let length = finder.needle().len();
                let found = finder.find_iter(text.as_bytes());
                Ok(found.map(|at| (at, at + length)).collect())
            }
            Self::Pattern(pattern) => {
                let mut found = Vec::new();
                let mut begin = 0;
                for end in super::Pieces::Pattern(pattern.matches(text)).collect()? {
                    let stop = (end & !GAP) as usize;
                    if end & GAP == 0 {
                        found.push((begin, stop));
                    }
                    begin = stop;
                }
                Ok(found)
            }
        }
    }
}

/// A part of a text, and whether it is what was looked for.
pub(super) type Part = ([usize; 2], bool);

/// A text of `length` bytes as what was found in it and what lies between.
pub(super) fn parts(length: usize, found: impl IntoIterator<Item = (usize, usize)>) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut last = 0;
    for (begin, end) in found {
        if last < begin {
            parts.push(([last, begin], false));
        }
        parts.push(([begin, end], true));
        last = end;
    }
    if last < length {
        parts.push(([last, length], false));
    }
    parts
}

/// A text as characters for which `is` says so, each alone, and what lies between.
pub(super) fn parts_of_characters(text: &str, is: impl Fn(char) -> bool) -> Vec<Part> {
    let found = text.char_indices().filter(|(_, character)| is(*character));
    parts(
        text.len(),
        found.map(|(at, character)| (at, at + character.len_utf8())),
    )
}

impl Behavior {
    /// The pieces that parts become.
    pub(super) fn pieces(self, parts: Vec<Part>) -> Vec<[usize; 2]> {
        let mut pieces: Vec<[usize; 2]> = Vec::with_capacity(parts.len());
        match self {
            Self::Isolated => pieces.extend(parts.iter().map(|(range, _)| *range)),
            Self::Removed => {
                let kept = parts.iter().filter(|(_, found)| !found);
                pieces.extend(kept.map(|(range, _)| *range));
            }
            Self::Contiguous => {
                let mut before = None;
                for (range, found) in parts {
                    match pieces.last_mut() {
                        Some(last) if before == Some(found) => last[1] = range[1],
                        _ => pieces.push(range),
                    }
                    before = Some(found);
                }
            }
            Self::MergedWithPrevious => {
                let mut before = false;
                for (range, found) in parts {
                    match pieces.last_mut() {
                        Some(last) if found && !before => last[1] = range[1],
                        _ => pieces.push(range),
                    }
                    before = found;
                }
            }
            Self::MergedWithNext => {
                let mut after = false;
                for (range, found) in parts.into_iter().rev() {
                    match pieces.last_mut() {
                        Some(next) if found && !after => next[0] = range[0],
                        _ => pieces.push(range),
                    }
                    after = found;
                }
                pieces.reverse();
            }
        }
        pieces.retain(|[begin, end]| begin < end);
        pieces
    }
}
