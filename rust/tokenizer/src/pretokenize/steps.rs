//! The pre-tokenizers of Hugging Face `tokenizers`, one after another. Some change the text they cut.

use unicode_categories::UnicodeCategories;

use super::GAP;
use super::split::{Behavior, Find, Finder, Part, parts, parts_of_characters};
use crate::Error;
use crate::normalize::Aligned;

/// One pre-tokenizer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PreTokenizerStep {
    /// Cuts where something is found.
    Split {
        /// What is looked for.
        find: Find,
        /// What becomes of it.
        behavior: Behavior,
        /// Whether what is *not* found takes its place.
        invert: bool,
    },
    /// Cuts at characters of a kind.
    Characters {
        /// Of which kind.
        kind: Kind,
        /// What becomes of them.
        behavior: Behavior,
    },
    /// Cuts after so many characters.
    FixedLength(usize),
    /// Puts a space before every piece that does not begin with one (`ByteLevel` with `add_prefix_space`).
    PrefixSpace,
    /// Makes a marker of every space, and puts one before pieces.
    Metaspace {
        /// The marker.
        replacement: String,
        /// Before which pieces.
        prepend: Prepend,
        /// Whether a marker begins a piece.
        split: bool,
    },
}

/// A kind of character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// White space.
    Whitespace,
    /// Punctuation, in ASCII also symbols.
    Punctuation,
    /// Numbers of every kind.
    Numeric,
    /// One character.
    Only(char),
}

/// Before which pieces a marker is put, unless they begin with one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Prepend {
    /// All.
    Always,
    /// The one that begins where the text begins.
    First,
    /// None.
    Never,
}

/// A prepared [`PreTokenizerStep`].
#[derive(Debug, Clone)]
enum Step {
    Split {
        finder: Finder,
        behavior: Behavior,
        invert: bool,
    },
    Other(PreTokenizerStep),
}

/// Prepared steps.
#[derive(Debug, Clone)]
pub(crate) struct Steps(Vec<Step>);

impl Steps {
    pub(crate) fn new(steps: &[PreTokenizerStep]) -> Result<Self, Error> {
        let steps = steps.iter().map(|step| {
            Ok(match step {
                PreTokenizerStep::Split {
                    find,
                    behavior,
                    invert,
                } => Step::Split {
                    finder: Finder::new(find)?,
                    behavior: *behavior,
                    invert: *invert,
                },
                other => Step::Other(other.clone()),
            })
        });
        Ok(Self(steps.collect::<Result<_, Error>>()?))
    }

    /// Whether a step changes the text.
    pub(crate) fn rewrites(&self) -> bool {
        self.0.iter().any(|step| {
            use PreTokenizerStep::{Metaspace, PrefixSpace};
            matches!(step, Step::Other(PrefixSpace | Metaspace { .. }))
        })
    }

    /// Whether a step asks where in the original a piece begins.
    pub(crate) fn needs_origins(&self) -> bool {
        self.0.iter().any(|step| {
            use PreTokenizerStep::Metaspace;
            matches!(
                step,
                Step::Other(Metaspace {
                    prepend: Prepend::First,
                    ..
                })
            )
        })
    }

    /// The pieces of a text that no step changes, as [`super::Pieces::next`] writes them.
    ///
    /// # Errors
    ///
    /// [`Error::Pattern`]: a pattern gave up on this text.
    pub(crate) fn ends(&self, text: &str) -> Result<Vec<u32>, Error> {
        let mut pieces = whole(text);
        for step in &self.0 {
            pieces = step.cut(text, &pieces)?;
        }
        Ok(ends(&pieces, text.len()))
    }

    /// Changes the text and returns its pieces. The text has origins if [`Steps::needs_origins`].
    ///
    /// # Errors
    ///
    /// [`Error::Pattern`]: a pattern gave up on this text.
    pub(crate) fn apply(&self, text: &mut Aligned) -> Result<Vec<u32>, Error> {
        let mut pieces = whole(&text.text);
        for step in &self.0 {
            if let Step::Other(step) = step {
                step.rewrite(text, &mut pieces);
            }
            pieces = step.cut(&text.text, &pieces)?;
        }
        Ok(ends(&pieces, text.text.len()))
    }
}

fn whole(text: &str) -> Vec<[usize; 2]> {
    if text.is_empty() {
        Vec::new()
    } else {
        vec![[0, text.len()]]
    }
}

fn ends(pieces: &[[usize; 2]], length: usize) -> Vec<u32> {
    let mut ends = Vec::with_capacity(pieces.len());
    let mut last = 0;
    for &[begin, end] in pieces {
        if last < begin {
            ends.push(begin as u32 | GAP);
        }
        ends.push(end as u32);
        last = end;
    }
    if last < length {
        ends.push(length as u32 | GAP);
    }
    ends
}

impl Step {
    fn cut(&self, text: &str, pieces: &[[usize; 2]]) -> Result<Vec<[usize; 2]>, Error> {
        let mut cut = Vec::with_capacity(pieces.len());
        for &[begin, end] in pieces {
            let piece = &text[begin..end];
            let parts = match self {
                Self::Split {
                    finder,
                    behavior,
                    invert,
                } => {
                    let mut parts = parts(piece.len(), finder.find(piece)?);
                    for (_, found) in &mut parts {
                        *found ^= invert;
                    }
                    behavior.pieces(parts)
                }
                Self::Other(step) => step.cut(piece),
            };
            cut.extend(parts.iter().map(|[a, b]| [begin + a, begin + b]));
        }
        Ok(cut)
    }
}

impl PreTokenizerStep {
    fn cut(&self, piece: &str) -> Vec<[usize; 2]> {
        match self {
            Self::Characters { kind, behavior } => {
                behavior.pieces(parts_of_characters(piece, |character| kind.has(character)))
            }
            Self::FixedLength(length) => {
                let begins = piece.char_indices().map(|(at, _)| at);
                let begins = begins.step_by((*length).max(1)).skip(1);
                let edges = begins.chain([piece.len()]);
                let cut = edges.scan(0, |last, end| Some([std::mem::replace(last, end), end]));
                cut.collect()
            }
            Self::Metaspace {
                replacement,
                split: true,
                ..
            } => {
                let found = piece.match_indices(replacement.as_str());
                let found: Vec<Part> =
                    parts(piece.len(), found.map(|(at, text)| (at, at + text.len())));
                Behavior::MergedWithNext.pieces(found)
            }
            Self::Split { .. } | Self::PrefixSpace | Self::Metaspace { .. } => {
                vec![[0, piece.len()]]
            }
        }
    }

    fn rewrite(&self, text: &mut Aligned, pieces: &mut [[usize; 2]]) {
        let marker = match self {
            Self::PrefixSpace => " ",
            Self::Metaspace { replacement, .. } => replacement,
            _ => return,
        };
        let mut rewritten = text.empty();
        for range in pieces {
            let [begin, end] = *range;
            let mut piece = text.slice(begin, end);
            let prepend = match self {
                Self::Metaspace { prepend, .. } => {
                    let spaces = piece.text.match_indices(' ');
                    let spaces: Vec<_> = spaces.map(|(at, _)| (at, at + 1)).collect();
                    piece.replace(&spaces, marker);
                    match prepend {
                        Prepend::Always => true,
                        Prepend::First => {
                            text.origin(begin, end).is_some_and(|origin| origin[0] == 0)
                        }
                        Prepend::Never => false,
                    }
                }
                _ => true,
            };
            if prepend && !piece.text.starts_with(marker) {
                piece.prepend(marker);
            }
            let begin = rewritten.text.len();
            rewritten.append(&piece);
            *range = [begin, rewritten.text.len()];
        }
        *text = rewritten;
    }
}

impl Kind {
    fn has(self, character: char) -> bool {
        match self {
            Self::Whitespace => character.is_whitespace(),
            Self::Punctuation => character.is_ascii_punctuation() || character.is_punctuation(),
            Self::Numeric => character.is_numeric(),
            Self::Only(only) => character == only,
        }
    }
}
