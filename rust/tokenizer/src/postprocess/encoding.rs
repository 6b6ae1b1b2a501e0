//! The tokens of a text with all that is known about each.

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
    pub(crate) fn push(&mut self, id: u32, offsets: [u32; 2], word: u32) {
        self.ids.push(id);
        self.type_ids.push(0);
        self.offsets.push(offsets);
        self.special_tokens_mask.push(false);
        self.attention_mask.push(true);
        self.words.push(Some(word));
        self.sequences.push(None);
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
        }
    }

    /// Puts the tokens of a text behind the others.
    pub(super) fn append(&mut self, other: &Self, type_id: u32, sequence: u32) {
        let length = other.len();
        self.ids.extend_from_slice(&other.ids);
        self.type_ids.extend(std::iter::repeat_n(type_id, length));
        self.offsets.extend_from_slice(&other.offsets);
        self.special_tokens_mask
            .extend_from_slice(&other.special_tokens_mask);
        self.attention_mask.extend_from_slice(&other.attention_mask);
        self.words.extend_from_slice(&other.words);
        self.sequences
            .extend(std::iter::repeat_n(Some(sequence), length));
    }

    /// Keeps `length` tokens: the first if truncated on the right, the last if on the left.
    pub(crate) fn truncate(&mut self, length: usize, direction: Direction) {
        fn cut<T>(of: &mut Vec<T>, length: usize, direction: Direction) {
            match direction {
                Direction::Right => of.truncate(length),
                Direction::Left => {
                    of.drain(..of.len().saturating_sub(length));
                }
            }
        }
        cut(&mut self.ids, length, direction);
        cut(&mut self.type_ids, length, direction);
        cut(&mut self.offsets, length, direction);
        cut(&mut self.special_tokens_mask, length, direction);
        cut(&mut self.attention_mask, length, direction);
        cut(&mut self.words, length, direction);
        cut(&mut self.sequences, length, direction);
    }

    /// Fills up with padding; `longest` is the length of the longest of the batch.
    pub fn pad(&mut self, padding: &Padding, longest: usize) {
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
                let text = std::mem::replace(self, pads);
                self.extend(text);
            }
        }
    }

    fn extend(&mut self, other: Self) {
        self.ids.extend(other.ids);
        self.type_ids.extend(other.type_ids);
        self.offsets.extend(other.offsets);
        self.special_tokens_mask.extend(other.special_tokens_mask);
        self.attention_mask.extend(other.attention_mask);
        self.words.extend(other.words);
        self.sequences.extend(other.sequences);
    }
}
