//! What a file says about a tokenizer, before anything is prepared.

use crate::{
    AddedToken, DecoderDefinition, NormalizerDefinition, Padding, PostProcessorDefinition,
    PreTokenizerDefinition, SentenceBpeDefinition, Truncation, UnigramDefinition, Vocabulary,
    WordPieceDefinition,
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
    /// What is put around the tokens of a text.
    pub post_processor: PostProcessorDefinition,
    /// How tokens become text.
    pub decoder: DecoderDefinition,
    /// Whether the vocabulary is written in the byte alphabet, in which decoders then see it.
    pub byte_level: bool,
    /// Tokens that no text becomes and that stand for text all the same, by id.
    pub unreachable: Vec<(u32, String)>,
    /// To what length the file says texts are cut.
    pub truncation: Option<Truncation>,
    /// To what length the file says texts are filled up.
    pub padding: Option<Padding>,
}

impl Definition {
    /// A tokenizer that takes a whole text as one piece and leaves it as it is.
    pub fn new(vocabulary: Vocabulary, model: ModelDefinition) -> Self {
        Self {
            vocabulary,
            model,
            added: Vec::new(),
            normalizer: NormalizerDefinition::None,
            pre_tokenizer: PreTokenizerDefinition::None,
            post_processor: PostProcessorDefinition::default(),
            decoder: DecoderDefinition::Bytes,
            byte_level: false,
            unreachable: Vec::new(),
            truncation: None,
            padding: None,
        }
    }
}

impl Definition {
    /// What tiktoken calls an encoding: ranks, special tokens and a pattern.
    pub fn ranks(
        vocabulary: Vocabulary,
        added: Vec<AddedToken>,
        pre_tokenizer: PreTokenizerDefinition,
    ) -> Self {
        Self {
            added,
            pre_tokenizer,
            ..Self::new(vocabulary, ModelDefinition::Ranks)
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
    /// Byte pairs merged in the order of a list (Hugging Face).
    Merges {
        /// Left, right and merged id, in the order of precedence.
        pairs: Vec<[u32; 3]>,
        /// Whether a piece that is a token is that token, reachable by merges or not.
        ignore_merges: bool,
    },
    /// Characters merged, whole texts at a time.
    SentenceBpe(Box<SentenceBpeDefinition>),
    /// The most likely way to cut a text into tokens.
    Unigram(Box<UnigramDefinition>),
    /// The longest tokens, word by word.
    WordPiece(Box<WordPieceDefinition>),
}
