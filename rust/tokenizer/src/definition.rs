//! What a file says about a tokenizer, before anything is prepared.

use crate::{AddedToken, PreTokenizerDefinition, Vocabulary};

/// A tokenizer as a file describes it: plain data, which [`crate::Tokenizer::new`] prepares.
#[derive(Debug, Clone)]
pub struct Definition {
    /// The tokens of the model.
    pub vocabulary: Vocabulary,
    /// How pieces become tokens.
    pub model: ModelDefinition,
    /// Tokens that are found in the text before everything else, special or not.
    pub added: Vec<AddedToken>,
    /// How text is cut into pieces.
    pub pre_tokenizer: PreTokenizerDefinition,
}

/// How pieces become tokens.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ModelDefinition {
    /// Byte pairs merged in the order of ids (tiktoken): a pair merges if its bytes are a token, the lowest id first.
    /// A piece that is itself a token is that token, reachable by merges or not.
    Ranks,
}
