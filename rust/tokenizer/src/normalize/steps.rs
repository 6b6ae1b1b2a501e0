//! The normalizers of Hugging Face `tokenizers`, one after another.

use unicode_categories::UnicodeCategories;
use unicode_normalization_alignments::UnicodeNormalization;
use unicode_normalization_alignments::char::is_combining_mark;

use super::{Aligned, Charsmap};
use crate::Error;
use crate::pretokenize::Find;

/// One normalizer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NormalizerStep {
    /// One of the four normal forms of Unicode.
    Form(NormalForm),
    /// Lower case, character by character.
    Lowercase,
    /// White space at the ends is left out.
    Strip {
        /// At the beginning.
        left: bool,
        /// At the end.
        right: bool,
    },
    /// Marks that combine with the character before are left out.
    StripAccents,
    /// What a pattern finds is replaced.
    Replace {
        /// What is found.
        pattern: Find,
        /// What it becomes.
        content: String,
    },
    /// Something is put before every text that is not empty.
    Prepend(String),
    /// What BERT does.
    Bert {
        /// Control characters are left out, white space becomes spaces.
        clean_text: bool,
        /// Chinese characters get spaces around them.
        handle_chinese_chars: bool,
        /// Marks that do not take space are left out.
        strip_accents: bool,
        /// Lower case.
        lowercase: bool,
    },
    /// What `SentencePiece` does to a text before `NMT` models.
    Nmt,
    /// The character map of a `SentencePiece` model.
    Precompiled(Charsmap),
}

/// A normal form of Unicode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NormalForm {
    /// Composed.
    Nfc,
    /// Decomposed.
    Nfd,
    /// Composed, compatible.
    Nfkc,
    /// Decomposed, compatible.
    Nfkd,
}

/// A prepared [`NormalizerStep`].
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Replace {
        pattern: crate::pretokenize::Finder,
        content: String,
    },
    Other(NormalizerStep),
}

impl Step {
    pub(crate) fn new(definition: &NormalizerStep) -> Result<Self, Error> {
        Ok(match definition {
            NormalizerStep::Replace { pattern, content } => Self::Replace {
                pattern: crate::pretokenize::Finder::new(pattern)?,
                content: content.clone(),
            },
            other => Self::Other(other.clone()),
        })
    }

    /// # Errors
    ///
    /// [`Error::Pattern`]: a pattern gave up on this text.
    pub(crate) fn apply(&self, text: &mut Aligned) -> Result<(), Error> {
        match self {
            Self::Replace { pattern, content } => {
                let matches = pattern.find(&text.text)?;
                text.replace(&matches, content);
            }
            Self::Other(step) => step.apply(text),
        }
        Ok(())
    }
}

impl NormalizerStep {
    fn apply(&self, text: &mut Aligned) {
        match self {
            Self::Form(form) => form.apply(text),
            Self::Lowercase => lowercase(text),
            Self::Strip { left, right } => text.strip(*left, *right),
            Self::StripAccents => text.filter(|character| !is_combining_mark(character)),
            Self::Replace { .. } => {}
            Self::Prepend(content) => text.prepend(content),
            Self::Bert {
                clean_text,
                handle_chinese_chars,
                strip_accents,
                lowercase: lower,
            } => {
                if *clean_text {
                    clean(text);
                }
                if *handle_chinese_chars {
                    space_chinese(text);
                }
                if *strip_accents {
                    NormalForm::Nfd.apply(text);
                    text.filter(|character| !character.is_mark_nonspacing());
                }
                if *lower {
                    lowercase(text);
                }
            }
            Self::Nmt => nmt(text),
            Self::Precompiled(map) => precompiled(map, text),
        }
    }
}

impl NormalForm {
    fn apply(self, text: &mut Aligned) {
        // Below U+00A0 every normal form is the text itself.
        if text.text.is_ascii() {
            return;
        }
        let changes: Vec<(char, isize)> = match self {
            Self::Nfc => text.text.nfc().collect(),
            Self::Nfd => text.text.nfd().collect(),
            Self::Nfkc => text.text.nfkc().collect(),
            Self::Nfkd => text.text.nfkd().collect(),
        };
        text.transform(changes, 0);
    }
}

fn lowercase(text: &mut Aligned) {
    let characters = text.text.chars();
    let changes: Vec<_> = characters
        .flat_map(|character| {
            let lower = character.to_lowercase().enumerate();
            lower.map(|(index, lower)| (lower, isize::from(index > 0)))
        })
        .collect();
    text.transform(changes, 0);
}

fn clean(text: &mut Aligned) {
    let white = |character| matches!(character, '\t' | '\n' | '\r');
    text.filter(|character| {
        character != '\0' && character != '\u{fffd}' && (white(character) || !character.is_other())
    });
    text.map(|character| {
        if character.is_whitespace() {
            ' '
        } else {
            character
        }
    });
}

fn space_chinese(text: &mut Aligned) {
    if !text.text.chars().any(is_chinese) {
        return;
    }
    let mut changes = Vec::with_capacity(text.text.len());
    for character in text.text.chars() {
        if is_chinese(character) {
            changes.extend([(' ', 0), (character, 1), (' ', 1)]);
        } else {
            changes.push((character, 0));
        }
    }
    text.transform(changes, 0);
}

/// What the reference takes for a Chinese character, the gap from U+2B820 included.
pub(crate) fn is_chinese(character: char) -> bool {
    matches!(
        u32::from(character),
        0x4E00..=0x9FFF
            | 0x3400..=0x4DBF
            | 0x2_0000..=0x2_A6DF
            | 0x2_A700..=0x2_B73F
            | 0x2_B740..=0x2_B81F
            | 0x2_B920..=0x2_CEAF
            | 0xF900..=0xFAFF
            | 0x2_F800..=0x2_FA1F
    )
}

fn nmt(text: &mut Aligned) {
    text.filter(|character| {
        !matches!(
            u32::from(character),
            0x01..=0x08 | 0x0B | 0x0E..=0x1F | 0x7F | 0x8F | 0x9F
        )
    });
    text.map(|character| match u32::from(character) {
        0x09
        | 0x0A
        | 0x0C
        | 0x0D
        | 0x1680
        | 0x200B..=0x200F
        | 0x2028
        | 0x2029
        | 0x2581
        | 0xFEFF
        | 0xFFFD => ' ',
        _ => character,
    });
}

fn precompiled(map: &Charsmap, text: &mut Aligned) {
    let mut changes: Vec<(char, isize)> = Vec::with_capacity(text.text.len());
    map.replace_graphemes(&text.text, |range, new| {
        let old = &text.text[range];
        if old == new {
            changes.extend(old.chars().map(|character| (character, 0)));
            return;
        }
        changes.extend(new.chars().map(|character| (character, 0)));
        let difference = new.chars().count() as isize - old.chars().count() as isize;
        if difference > 0 {
            let added = changes.iter_mut().rev().take(difference.unsigned_abs());
            added.for_each(|(_, change)| *change = 1);
        } else if difference < 0
            && let Some((_, change)) = changes.last_mut()
        {
            *change += difference;
        }
    });
    text.transform(changes, 0);
}
