//! Text to pieces, which the model then sees one by one.

mod automaton;
mod pattern;
mod scanner;
mod split;
mod steps;

use crate::Error;

pub(crate) use split::Finder;
pub use split::{Behavior, Find};
pub(crate) use steps::Steps;
pub use steps::{Kind, PreTokenizerStep, Prepend};

/// How text is cut into pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PreTokenizerDefinition {
    /// The whole text is one piece.
    None,
    /// Every match of the pattern is a piece; what no match covers is left out (tiktoken).
    Pattern(String),
    /// One of the patterns that have a scanner of their own.
    Scheme(Scheme),
    /// What Hugging Face `tokenizers` does, step by step.
    Steps(Vec<PreTokenizerStep>),
}

/// The patterns that have a scanner of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// GPT-2, GPT-3 and Codex: `r50k_base`, `p50k_base`.
    R50k,
    /// GPT-4: `cl100k_base`.
    Cl100k,
    /// GPT-4o and later: `o200k_base`, `o200k_harmony`.
    O200k,
    /// Llama 3.
    Llama3,
    /// Qwen 2 and 3.
    Qwen2,
    /// Qwen 3.5.
    Qwen35,
    /// Mistral's Tekken.
    Tekken,
}

impl Scheme {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::R50k,
        Self::Cl100k,
        Self::O200k,
        Self::Llama3,
        Self::Qwen2,
        Self::Qwen35,
        Self::Tekken,
    ];

    /// The scheme that cuts every text as `pattern` does, if there is one.
    pub fn of(pattern: &str) -> Option<Self> {
        match pattern {
            GPT2 | GPT2_SHORT => Some(Self::R50k),
            _ => Self::ALL
                .into_iter()
                .find(|scheme| scheme.pattern() == pattern),
        }
    }

    /// The regular expression that the scanner stands for, as its origin writes it.
    pub fn pattern(self) -> &'static str {
        match self {
            Self::R50k => {
                r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
            }
            Self::Cl100k => concat!(
                r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+",
                r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
            ),
            Self::O200k => concat!(
                r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+",
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
                r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*",
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
                r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            ),
            Self::Llama3 => concat!(
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}",
                r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            ),
            Self::Qwen2 => concat!(
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}",
                r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            ),
            Self::Qwen35 => concat!(
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}",
                r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            ),
            Self::Tekken => concat!(
                r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+",
                r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*",
                r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            ),
        }
    }
}

/// [`Scheme::R50k`] as Hugging Face and older tiktoken write it.
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// [`Scheme::R50k`] as tiktoken wrote it in between.
const GPT2_SHORT: &str = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// In an end that [`Pieces::next`] writes: the piece is left out.
pub(crate) const GAP: u32 = 1 << 31;

/// A prepared [`PreTokenizerDefinition`].
#[derive(Debug, Clone)]
pub(crate) enum PreTokenizer {
    None,
    Pattern(pattern::Pattern),
    Scanner(scanner::Scanner),
    Steps(Steps),
}

impl PreTokenizer {
    pub(crate) fn new(definition: &PreTokenizerDefinition) -> Result<Self, Error> {
        Ok(match definition {
            PreTokenizerDefinition::None => Self::None,
            PreTokenizerDefinition::Pattern(pattern) => match Scheme::of(pattern) {
                Some(scheme) => Self::Scanner(scanner::Scanner::new(scheme)),
                None => Self::Pattern(pattern::Pattern::new(pattern)?),
            },
            PreTokenizerDefinition::Scheme(scheme) => Self::Scanner(scanner::Scanner::new(*scheme)),
            PreTokenizerDefinition::Steps(steps) => Self::Steps(Steps::new(steps)?),
        })
    }

    /// The steps that change the text they cut; they are for [`Steps::apply`].
    pub(crate) fn rewriting(&self) -> Option<&Steps> {
        match self {
            Self::Steps(steps) if steps.rewrites() => Some(steps),
            _ => None,
        }
    }

    /// A cursor over the pieces of `text`, which has fewer than [`GAP`] bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Pattern`]: a pattern gave up on this text.
    pub(crate) fn pieces<'a>(&'a self, text: &'a str) -> Result<Pieces<'a>, Error> {
        Ok(match self {
            Self::None => Pieces::Whole {
                end: text.len() as u32,
            },
            Self::Pattern(pattern) => Pieces::Pattern(pattern.matches(text)),
            Self::Scanner(scanner) => Pieces::Scanner(scanner.pieces(text)),
            Self::Steps(steps) => Pieces::Ready(steps.ends(text)?.into_iter()),
        })
    }
}

/// A cursor over the pieces of a text.
#[derive(Debug)]
pub(crate) enum Pieces<'a> {
    Whole {
        end: u32,
    },
    Pattern(pattern::Matches<'a>),
    Scanner(scanner::Cursor<'a>),
    /// All of them at once.
    Ready(std::vec::IntoIter<u32>),
}

impl Pieces<'_> {
    /// The ends of all pieces.
    ///
    /// # Errors
    ///
    /// As [`Pieces::next`].
    pub(crate) fn collect(mut self) -> Result<Vec<u32>, Error> {
        let mut all = Vec::new();
        let mut ends = [0; 256];
        loop {
            let count = self.next(&mut ends)?;
            if count == 0 {
                return Ok(all);
            }
            all.extend_from_slice(&ends[..count]);
        }
    }

    /// Writes the ends of the next pieces to `ends` and returns how many; 0 when the text is at its end.
    ///
    /// A piece begins where the one before ends. [`GAP`] is set in the end of a piece that is left out.
    ///
    /// # Errors
    ///
    /// [`Error::Pattern`]: the pattern gave up on this text.
    pub(crate) fn next(&mut self, ends: &mut [u32]) -> Result<usize, Error> {
        match self {
            Self::Whole { end } => {
                let end = std::mem::take(end);
                ends[0] = end;
                Ok(usize::from(end > 0))
            }
            Self::Pattern(matches) => matches.next(ends),
            Self::Scanner(cursor) => Ok(cursor.next(ends)),
            Self::Ready(ready) => {
                let next = ends.iter_mut().zip(ready);
                Ok(next.map(|(end, ready)| *end = ready).count())
            }
        }
    }
}
