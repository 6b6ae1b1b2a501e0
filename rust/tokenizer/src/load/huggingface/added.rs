//! `added_tokens`.

use serde::Deserialize;

use super::model::Model;
use crate::AddedToken;
use crate::load::Ids;

/// An added token as the file has it.
#[derive(Debug, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of the format")]
pub(super) struct Token {
    id: u32,
    content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    #[serde(default)]
    normalized: bool,
    #[serde(default)]
    special: bool,
}

/// The added tokens with the ids that `ids` says.
pub(super) fn read(tokens: Vec<Token>, model: &Model<'_>, ids: Ids) -> Vec<AddedToken> {
    let mut added: Vec<AddedToken> = Vec::with_capacity(tokens.len());
    let mut highest: Option<u32> = None;
    // The reference counts tokens, not ids.
    let size = model.size;
    for token in tokens {
        if token.content.is_empty() {
            continue;
        }
        let id = match (ids, model.ids.get(token.content.as_str())) {
            (Ids::File, _) => token.id,
            (Ids::HuggingFace, Some(id)) => *id,
            (Ids::HuggingFace, None) => match highest {
                Some(highest) if highest >= size || size == 0 => highest.saturating_add(1),
                _ => size,
            },
        };
        highest = highest.max(Some(id));
        added.push(AddedToken {
            id,
            content: token.content,
            special: token.special,
            single_word: token.single_word,
            lstrip: token.lstrip,
            rstrip: token.rstrip,
            normalized: token.normalized,
        });
    }
    added
}
