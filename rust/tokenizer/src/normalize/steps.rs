//! The normalizers of Hugging Face `tokenizers`, one after another.

use unicode_categories::UnicodeCategories;
use unicode_normalization_alignments::char::is_combining_mark;
use unicode_normalization_alignments::{
    IsNormalized, UnicodeNormalization, is_nfc_quick, is_nfd_quick, is_nfkc_quick, is_nfkd_quick,
};

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
    /// Only what is not ASCII can change, together with the one character before it. Nearly all of that has its form already.
    fn apply(self, text: &mut Aligned) {
        if parts(&text.text).all(|part| self.is_form(part)) {
            return;
        }
        let mut changes: Vec<(char, isize)> = Vec::with_capacity(text.text.len());
        for part in parts(&text.text) {
            if self.is_form(part) {
                changes.extend(part.chars().map(|character| (character, 0)));
                continue;
            }
            match self {
                Self::Nfc => changes.extend(part.nfc()),
                Self::Nfd => changes.extend(part.nfd()),
                Self::Nfkc => changes.extend(part.nfkc()),
                Self::Nfkd => changes.extend(part.nfkd()),
            }
        }
        text.transform(changes, 0);
    }

    /// Whether a text surely has this form.
    fn is_form(self, text: &str) -> bool {
        let quick = match self {
            _ if text.is_ascii() => return true,
            Self::Nfc | Self::Nfkc if text.chars().all(is_composed) => return true,
            Self::Nfc => is_nfc_quick(text.chars()),
            Self::Nfd => is_nfd_quick(text.chars()),
            Self::Nfkc => is_nfkc_quick(text.chars()),
            Self::Nfkd => is_nfkd_quick(text.chars()),
        };
        quick == IsNormalized::Yes
    }
}

/// The letters of most texts, which composed forms leave as they are, whatever they stand beside.
fn is_composed(character: char) -> bool {
    matches!(
        u32::from(character),
        0..0x80 | 0xC0..=0x131 | 0x400..=0x482 | 0x3041..=0x3096 | 0x30A1..=0x30FA | 0x4E00..=0x9FA5 | 0xAC00..=0xD7A3
    )
}

/// A text as stretches of ASCII, and of what is not ASCII together with the character before it. No normal form reaches across
/// their borders: ASCII combines with nothing that stands before it.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let bytes = rest.as_bytes();
        let ascii = bytes.iter().position(|byte| !byte.is_ascii());
        let end = match ascii {
            Some(begin @ ..2) => {
                let stop = bytes[begin..].iter().position(u8::is_ascii);
                stop.map_or(bytes.len(), |stop| begin + stop)
            }
            Some(begin) => begin - 1,
            None => bytes.len(),
        };
        let (part, after) = rest.split_at(end);
        rest = after;
        (!part.is_empty()).then_some(part)
    })
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FORMS: [NormalForm; 4] = [
        NormalForm::Nfc,
        NormalForm::Nfd,
        NormalForm::Nfkc,
        NormalForm::Nfkd,
    ];

    /// All characters and their changes, without looking whether anything changes.
    fn whole(form: NormalForm, text: &str) -> Vec<(char, isize)> {
        match form {
            NormalForm::Nfc => text.nfc().collect(),
            NormalForm::Nfd => text.nfd().collect(),
            NormalForm::Nfkc => text.nfkc().collect(),
            NormalForm::Nfkd => text.nfkd().collect(),
        }
    }

    fn compare(text: &str) {
        for form in FORMS {
            let (mut parts, mut expected) =
                (Aligned::new(text, 0, true), Aligned::new(text, 0, true));
            form.apply(&mut parts);
            expected.transform(whole(form, text), 0);
            assert_eq!(parts, expected, "{form:?} {text:?}");
        }
    }

    #[test]
    fn every_character_has_its_normal_forms() {
        for character in '\0'..=char::MAX {
            if is_composed(character) || !character.is_ascii() && u32::from(character) < 0x3_0000 {
                compare(&format!("a{character}"));
                compare(&format!("e\u{301}{character}\u{301}z"));
            }
        }
    }

    proptest! {
        #[test]
        fn parts_have_the_normal_forms_of_the_whole(
            text in "([a e=]|[éがｶ한가ﬁ²ё中]|[\u{300}-\u{345}\u{3099}\u{1161}\u{11a8}\u{f900}\u{1d165}]|\\PC){0,20}",
        ) {
            compare(&text);
            assert_eq!(parts(&text).collect::<String>(), text);
        }
    }
}
