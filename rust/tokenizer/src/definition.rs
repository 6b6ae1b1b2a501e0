//! What a file says about a tokenizer, before anything is prepared.

use crate::{
    AddedToken, NormalizerDefinition, PreTokenizerDefinition, SentenceBpeDefinition,
    UnigramDefinition, Vocabulary,
};

/// A tokenizer as a file describes it: plain data, which [`crate::Tokenizer::new`] prepares.
#[derive(Debug, Clone)]
pub struct Definition {
    /// The tokens of the model.
    pub vocabulary: Vocabulary,
    /// How pieces become tokens.
    pub model: ModelDefinition,
    /// Tokens that are found in the text before everything else, special or not.
    pub added: Vec<AddedToken>,
    /// What is done to text before it is cut into pieces.
    pub normalizer: NormalizerDefinition,
    /// How text is cut into pieces.
    pub pre_tokenizer: PreTokenizerDefinition,
}

impl Definition {
    /// What tiktoken calls an encoding: ranks, special tokens and a pattern.
    pub fn ranks(
        vocabulary: Vocabulary,
        added: Vec<AddedToken>,
        pre_tokenizer: PreTokenizerDefinition,
    ) -> Self {
        Self {
            vocabulary,
            model: ModelDefinition::Ranks,
            added,
            normalizer: NormalizerDefinition::None,
            pre_tokenizer,
        }
    }
}

/// How pieces become tokens.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ModelDefinition {
    /// Byte pairs merged in the order of ids (tiktoken): a pair merges if its bytes are a token, the lowest id first.
    /// A piece that is itself a token is that token, reachable by merges or not.
    Ranks,
    /// Characters merged, whole texts at a time.
    SentenceBpe(Box<SentenceBpeDefinition>),
    /// The most likely way to cut a text into tokens.
    Unigram(Box<UnigramDefinition>),
}
