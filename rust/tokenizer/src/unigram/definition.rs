//! What files say about a unigram model.

use crate::UnknownCharacters;

/// Of all ways to cut a text into tokens the one with the highest sum of scores (T5, ALBERT, XLM-R, mBART).
#[derive(Debug, Clone, PartialEq)]
pub struct UnigramDefinition {
    /// The score of each id, a logarithm of a probability; nothing for a token that text never becomes.
    pub scores: Vec<Option<f64>>,
    /// Tokens that score a tenth for every byte but the first instead, so that they are taken wherever they are found.
    pub symbols: Vec<u32>,
    /// Whether the text has spaces where the tokens have `▁` (U+2581), which the text then has not.
    pub metaspace: bool,
    /// What becomes of a character that is no token. Unknown neighbours are always one.
    pub unknown: UnknownCharacters,
    /// Whether sums are rounded to 32 bits, and set back beyond 100,000, as `SentencePiece` does, or to 64, as Hugging Face does: the choice between nearly
    /// equal ways depends on it.
    pub single_precision: bool,
    /// Whether every space begins a text of its own (`Metaspace` with `split`).
    pub split: bool,
}
