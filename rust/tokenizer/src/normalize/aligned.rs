//! A text that is changed step by step, and where each byte of it comes from.

/// A text and, if somebody asked, the range of the original that each of its bytes stands for, in bytes.
///
/// How changes move these ranges is what Hugging Face `tokenizers` does, offsets of tokens depend on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Aligned {
    pub(crate) text: String,
    origins: Option<Vec<[u32; 2]>>,
}

impl Aligned {
    /// A text as it is; `at` is where it begins in the original. Origins are kept if `wanted`.
    pub(crate) fn new(text: &str, at: u32, wanted: bool) -> Self {
        let origins = wanted.then(|| {
            let mut origins = Vec::with_capacity(text.len());
            for (begin, character) in text.char_indices() {
                let begin = at + begin as u32;
                let length = character.len_utf8();
                let end = begin + length as u32;
                origins.resize(origins.len() + length, [begin, end]);
            }
            origins
        });
        Self {
            text: text.to_owned(),
            origins,
        }
    }

    /// A text whose origins are already known.
    pub(crate) fn from_parts(text: String, origins: Option<Vec<[u32; 2]>>) -> Self {
        Self { text, origins }
    }

    /// An empty text, to which parts of `self` can be appended.
    pub(crate) fn empty(&self) -> Self {
        Self {
            text: String::with_capacity(self.text.len()),
            origins: self
                .origins
                .as_ref()
                .map(|origins| Vec::with_capacity(origins.len())),
        }
    }

    /// The part from byte `begin` to byte `end`.
    pub(crate) fn slice(&self, begin: usize, end: usize) -> Self {
        Self {
            text: self.text[begin..end].to_owned(),
            origins: self
                .origins
                .as_ref()
                .map(|origins| origins[begin..end].to_vec()),
        }
    }

    /// Puts another text behind this one.
    pub(crate) fn append(&mut self, other: &Self) {
        self.text.push_str(&other.text);
        if let (Some(origins), Some(others)) = (&mut self.origins, &other.origins) {
            origins.extend_from_slice(others);
        }
    }

    /// The range of the original that bytes `begin` to `end` stand for; nothing for an empty range.
    pub(crate) fn origin(&self, begin: usize, end: usize) -> Option<[u32; 2]> {
        let origins = self.origins.as_ref()?.get(begin..end)?;
        Some([origins.first()?[0], origins.last()?[1]])
    }

    /// Changes the text to the characters of `changes`: with 0 a character replaces the next one of the text, with `n` > 0 it
    /// is put in, with `-n` it replaces the next one and the `n` after it are left out. `skipped` characters are left out first.
    pub(crate) fn transform(
        &mut self,
        changes: impl IntoIterator<Item = (char, isize)>,
        skipped: usize,
    ) {
        let mut replaced = self.text.chars();
        let mut bytes =
            |count: usize| -> usize { replaced.by_ref().take(count).map(char::len_utf8).sum() };
        let mut offset = bytes(skipped);
        let mut text = String::with_capacity(self.text.len());
        let mut origins = self
            .origins
            .as_ref()
            .map(|old| Vec::with_capacity(old.len()));
        for (character, change) in changes {
            if let (Some(new), Some(old)) = (&mut origins, &self.origins) {
                let at = if change > 0 {
                    offset.checked_sub(1)
                } else {
                    Some(offset)
                };
                let origin = at.and_then(|at| old.get(at)).copied().unwrap_or([0, 0]);
                new.resize(new.len() + character.len_utf8(), origin);
            }
            if change <= 0 {
                offset += bytes(1 + change.unsigned_abs());
            }
            text.push(character);
        }
        self.text = text;
        self.origins = origins;
    }

    /// Keeps the characters for which `keep` says so.
    pub(crate) fn filter(&mut self, keep: impl Fn(char) -> bool) {
        if self.text.chars().all(&keep) {
            return;
        }
        let mut text = String::with_capacity(self.text.len());
        let mut origins = self.origins.as_ref().map(|_| Vec::new());
        for (at, character) in self.text.char_indices() {
            if keep(character) {
                text.push(character);
                if let (Some(new), Some(old)) = (&mut origins, &self.origins) {
                    new.extend_from_slice(&old[at..at + character.len_utf8()]);
                }
            }
        }
        self.text = text;
        self.origins = origins;
    }

    /// Replaces every character by one other.
    pub(crate) fn map(&mut self, change: impl Fn(char) -> char) {
        if self
            .text
            .chars()
            .any(|character| change(character) != character)
        {
            let changes: Vec<_> = self.text.chars().map(|c| (change(c), 0)).collect();
            self.transform(changes, 0);
        }
    }

    /// Replaces the ranges of bytes in `matches`, in order, by `content`; each new byte comes from the last byte replaced.
    pub(crate) fn replace(&mut self, matches: &[(usize, usize)], content: &str) {
        if matches.is_empty() {
            return;
        }
        let mut new = self.empty();
        let mut last = 0;
        for &(begin, end) in matches {
            new.push_part(self, last, begin);
            if let (Some(origins), Some(old)) = (&mut new.origins, &self.origins) {
                let origin = end.checked_sub(1).and_then(|at| old.get(at)).copied();
                origins.resize(origins.len() + content.len(), origin.unwrap_or([0, 0]));
            }
            new.text.push_str(content);
            last = end;
        }
        new.push_part(self, last, self.text.len());
        *self = new;
    }

    /// Puts `content` first; it comes from where the first character comes from. An empty text stays so.
    pub(crate) fn prepend(&mut self, content: &str) {
        let Some(first) = self.text.chars().next() else {
            return;
        };
        self.text.insert_str(0, content);
        if let Some(origins) = &mut self.origins {
            let origin = origins[first.len_utf8() - 1];
            origins.splice(0..0, std::iter::repeat_n(origin, content.len()));
        }
    }

    /// Leaves out white space at the ends.
    pub(crate) fn strip(&mut self, left: bool, right: bool) {
        let kept = self.text.as_str();
        let kept = if left { kept.trim_start() } else { kept };
        let begin = self.text.len() - kept.len();
        let kept = if right { kept.trim_end() } else { kept };
        if kept.len() < self.text.len() {
            *self = self.slice(begin, begin + kept.len());
        }
    }

    fn push_part(&mut self, other: &Self, begin: usize, end: usize) {
        self.text.push_str(&other.text[begin..end]);
        if let (Some(origins), Some(old)) = (&mut self.origins, &other.origins) {
            origins.extend_from_slice(&old[begin..end]);
        }
    }
}
