//! Special tokens around texts.

use super::Encoding;

/// What is put around the tokens of a text or a pair of texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PostProcessorDefinition {
    /// Around one text; nothing if there is no template at all.
    pub single: Option<Vec<TemplatePiece>>,
    /// Around two texts.
    pub pair: Option<Vec<TemplatePiece>>,
    /// Whether offsets leave out white space, and whether the tokenizer puts a space before a text, which is then not counted.
    pub trim_offsets: Option<bool>,
}

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TemplatePiece {
    /// The tokens of a text.
    Sequence {
        /// Whether it is the second of a pair.
        second: bool,
        /// The kind of segment that its tokens belong to.
        type_id: u32,
    },
    /// Tokens that are put in.
    Special {
        /// Their ids.
        ids: Vec<u32>,
        /// The kind of segment that they belong to.
        type_id: u32,
    },
}

impl PostProcessorDefinition {
    fn template(&self, is_pair: bool) -> Option<&[TemplatePiece]> {
        let template = if is_pair { &self.pair } else { &self.single };
        template.as_deref()
    }

    /// How many tokens are put in.
    pub fn added_tokens(&self, is_pair: bool) -> usize {
        let pieces = self.template(is_pair).unwrap_or_default().iter();
        pieces
            .map(|piece| match piece {
                TemplatePiece::Special { ids, .. } => ids.len(),
                TemplatePiece::Sequence { .. } => 0,
            })
            .sum()
    }

    /// The ids of one text with special tokens around them.
    pub fn surround(&self, ids: Vec<u32>) -> Vec<u32> {
        let Some(template) = &self.single else {
            return ids;
        };
        let mut joined = Vec::with_capacity(ids.len() + self.added_tokens(false));
        for piece in template {
            match piece {
                TemplatePiece::Sequence { second: false, .. } => joined.extend_from_slice(&ids),
                TemplatePiece::Sequence { .. } => {}
                TemplatePiece::Special { ids, .. } => joined.extend_from_slice(ids),
            }
        }
        joined
    }

    /// The texts as one, with special tokens if `specials`.
    pub(crate) fn apply(
        &self,
        first: &Encoding,
        second: Option<&Encoding>,
        specials: bool,
    ) -> Encoding {
        let mut joined = Encoding::default();
        let Some(template) = self.template(second.is_some()) else {
            joined.append(&first.labelled(0, 0));
            if let Some(second) = second {
                joined.append(&second.labelled(1, 1));
            }
            return joined;
        };
        for piece in template {
            match piece {
                TemplatePiece::Sequence {
                    second: false,
                    type_id,
                } => joined.append(&first.labelled(*type_id, 0)),
                TemplatePiece::Sequence { type_id, .. } => {
                    if let Some(second) = second {
                        joined.append(&second.labelled(*type_id, 1));
                    }
                }
                TemplatePiece::Special { ids, type_id } if specials => {
                    let mut put = Encoding::default();
                    put.push_special(ids, *type_id);
                    joined.append(&put);
                }
                TemplatePiece::Special { .. } => {}
            }
        }
        joined
    }
}
