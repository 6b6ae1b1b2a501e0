//! The tokens of a text with all that is known about each.

use std::ops::Range;

use super::{Direction, PadTo, Padding};

/// The tokens of a text, or of a pair of texts: one entry for each token in every list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoding {
    /// Ids.
    pub ids: Vec<u32>,
    /// To which kind of segment it belongs, for models that ask.
    pub type_ids: Vec<u32>,
    /// Where it begins and ends in its text, in the unit that was asked for; `[0, 0]` for one that stands for no text.
    pub offsets: Vec<[u32; 2]>,
    /// Whether it was put in by the post-processor or is padding.
    pub special_tokens_mask: Vec<bool>,
    /// Whether a model attends to it: all but padding.
    pub attention_mask: Vec<bool>,
    /// The place of the piece it is part of, as the pre-tokenizer cut it.
    pub words: Vec<Option<u32>>,
    /// 0 for a token of the first text, 1 for one of the second.
    pub sequences: Vec<Option<u32>>,
    /// What it is called where that is not the name its id has: an added token found with white space around it, a text
    /// that is unknown.
    pub spellings: Vec<Option<Box<str>>>,
    /// What truncation left over, in parts of at most the same length, if that was asked for.
    pub overflowing: Vec<Self>,
}

impl Encoding {
    /// How many tokens there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Puts a token behind the others.
    pub(crate) fn push(
        &mut self,
        id: u32,
        offsets: [u32; 2],
        word: u32,
        spelling: Option<Box<str>>,
    ) {
        self.ids.push(id);
        self.type_ids.push(0);
        self.offsets.push(offsets);
        self.special_tokens_mask.push(false);
        self.attention_mask.push(true);
        self.words.push(Some(word));
        self.sequences.push(None);
        self.spellings.push(spelling);
    }

    /// Puts tokens of the post-processor behind the others.
    pub(super) fn push_special(&mut self, ids: &[u32], type_id: u32) {
        for &id in ids {
            self.ids.push(id);
            self.type_ids.push(type_id);
            self.offsets.push([0, 0]);
            self.special_tokens_mask.push(true);
            self.attention_mask.push(true);
            self.words.push(None);
            self.sequences.push(None);
            self.spellings.push(None);
        }
    }

    /// The same tokens, those of a text of a pair.
    pub(super) fn labelled(&self, type_id: u32, sequence: u32) -> Self {
        let mut labelled = self.clone();
        labelled.type_ids.fill(type_id);
        labelled.sequences.fill(Some(sequence));
        let overflowing = self.overflowing.iter();
        labelled.overflowing = overflowing
            .map(|part| part.labelled(type_id, sequence))
            .collect();
        labelled
    }

    /// Puts the tokens of `other` behind the others. What either left over is joined with all of the other one, as Hugging
    /// Face does it: every part of this one with `other` and each of its parts, and this one with each part of `other`.
    pub(super) fn append(&mut self, other: &Self) {
        let mut overflowing = Vec::new();
        for mine in &self.overflowing {
            overflowing.push(mine.joined(other));
            overflowing.extend(other.overflowing.iter().map(|theirs| mine.joined(theirs)));
        }
        let theirs = other.overflowing.iter();
        overflowing.extend(theirs.map(|theirs| self.joined(theirs)));
        self.extend(other.clone());
        self.overflowing = overflowing;
    }

    fn joined(&self, other: &Self) -> Self {
        let mut joined = self.clone();
        joined.append(other);
        joined
    }

    /// The tokens in `range`.
    pub(crate) fn part(&self, range: Range<usize>) -> Self {
        Self {
            ids: self.ids[range.clone()].to_vec(),
            type_ids: self.type_ids[range.clone()].to_vec(),
            offsets: self.offsets[range.clone()].to_vec(),
            special_tokens_mask: self.special_tokens_mask[range.clone()].to_vec(),
            attention_mask: self.attention_mask[range.clone()].to_vec(),
            words: self.words[range.clone()].to_vec(),
            sequences: self.sequences[range.clone()].to_vec(),
            spellings: self.spellings[range].to_vec(),
            overflowing: Vec::new(),
        }
    }

    /// Fills up with padding, and what is left over as well; `longest` is the length of the longest of the batch.
    pub fn pad(&mut self, padding: &Padding, longest: usize) {
        for part in &mut self.overflowing {
            part.pad(padding, longest);
        }
        let mut length = match padding.to {
            PadTo::Longest => longest,
            PadTo::Fixed(length) => length,
        };
        if let Some(multiple) = padding.multiple_of.filter(|multiple| *multiple > 0) {
            length = length.next_multiple_of(multiple);
        }
        let missing = length.saturating_sub(self.len());
        let mut pads = Self::default();
        pads.push_special(&vec![padding.id; missing], padding.type_id);
        pads.attention_mask.fill(false);
        match padding.direction {
            Direction::Right => self.extend(pads),
            Direction::Left => {
                let mut text = std::mem::replace(self, pads);
                self.overflowing = std::mem::take(&mut text.overflowing);
                self.extend(text);
            }
        }
    }

    /// Puts the tokens of `other` behind the others, not what it left over.
    pub(crate) fn extend(&mut self, other: Self) {
        self.ids.extend(other.ids);
        self.type_ids.extend(other.type_ids);
        self.offsets.extend(other.offsets);
        self.special_tokens_mask.extend(other.special_tokens_mask);
        self.attention_mask.extend(other.attention_mask);
        self.words.extend(other.words);
        self.sequences.extend(other.sequences);
        self.spellings.extend(other.spellings);
    }
}
