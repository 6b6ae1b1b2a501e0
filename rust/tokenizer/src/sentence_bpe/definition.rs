//! What files say about a model of characters that merge.

/// Byte pair encoding over characters (Llama-2, Mistral, Gemma), with a rule for characters that are no tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct SentenceBpeDefinition {
    /// Which pairs merge, and in what order.
    pub merges: SentenceMerges,
    /// Whether the text has spaces where the tokens have `▁` (U+2581), which the text then has not.
    pub metaspace: bool,
    /// What becomes of a character that is no token.
    pub unknown: UnknownCharacters,
    /// Tokens that are found before anything merges, the longest first, and never merge themselves.
    pub symbols: Vec<u32>,
    /// Whether a piece that is a token is that token, reachable by merges or not.
    pub ignore_merges: bool,
}

/// Which pairs merge, and in what order; the first of equals in the text goes first.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum SentenceMerges {
    /// `SentencePiece`: two symbols merge if their text together is a token, the token of highest score first.
    /// The score of each id; ids above the end have none and never come from a merge.
    Scores(Vec<f32>),
    /// Hugging Face: left, right and merged id, in the order of precedence.
    Pairs(Vec<[u32; 3]>),
}

/// What becomes of a character that is no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownCharacters {
    /// The token of each byte; a character becomes the tokens of its UTF-8 bytes.
    pub bytes: Option<Box<[u32; 256]>>,
    /// Without `bytes`, the token that stands for anything. Without both, such a text is [`crate::Error::NoToken`].
    pub token: Option<u32>,
    /// Whether neighbouring unknown characters are one unknown token.
    pub fuse: bool,
}
