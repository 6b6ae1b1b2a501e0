//! What `tokenizer.ggml.pre` names.

use crate::{PreTokenizerDefinition, Scheme};

const LLAMA3: &str = concat!(
    r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}",
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
);
const QWEN2: &str = concat!(
    r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}",
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
);
const TEKKEN: &str = concat!(
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+",
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*",
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
);

/// The pre-tokenizer of this name, and whether its models take a piece that is a token without merging.
pub(super) fn of(name: &str) -> Option<(PreTokenizerDefinition, bool)> {
    let pattern = |pattern: &str| PreTokenizerDefinition::Pattern(pattern.to_owned());
    Some(match name {
        "gpt-2" | "phi-2" | "roberta-bpe" | "mpt" | "olmo" | "jina-es" | "jina-de"
        | "jina-v2-es" | "jina-v2-de" => (PreTokenizerDefinition::Scheme(Scheme::R50k), false),
        "llama3" | "llama-v3" | "llama-bpe" => (pattern(LLAMA3), true),
        "dbrx" | "smaug-bpe" | "chatglm-bpe" | "glm4" => (pattern(LLAMA3), false),
        "qwen2" | "stablelm2" => (pattern(QWEN2), false),
        "gpt-4o" => (PreTokenizerDefinition::Scheme(Scheme::O200k), false),
        "tekken" => (pattern(TEKKEN), true),
        _ => return None,
    })
}
