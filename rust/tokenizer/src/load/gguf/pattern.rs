//! What `tokenizer.ggml.pre` names.

use crate::{PreTokenizerDefinition, Scheme};

/// The pre-tokenizer of this name, and whether its models take a piece that is a token without merging.
///
/// The names are those of llama.cpp. The patterns are those of the tokenizers that the files were made of, where llama.cpp has
/// an approximation of them: it knows no `ſ` in `'s`, and takes marks for no part of a word in `gpt-4o` and `tekken`.
pub(super) fn of(name: &str) -> Option<(PreTokenizerDefinition, bool)> {
    let (scheme, ignore_merges) = match name {
        "gpt-2" | "phi-2" | "roberta-bpe" | "mpt" | "olmo" | "jina-es" | "jina-de"
        | "jina-v2-es" | "jina-v2-de" | "exaone4" | "modern-bert" => (Scheme::R50k, false),
        "llama3" | "llama-v3" | "llama-bpe" | "falcon3" | "falcon-h1" | "midm-2.0" | "lfm2"
        | "jina-v5-nano" => (Scheme::Llama3, true),
        "dbrx" | "smaug-bpe" | "chatglm-bpe" | "glm4" => (Scheme::Llama3, false),
        "qwen2" | "deepseek-r1-qwen" | "stablelm2" | "megrez" | "hunyuan" | "solar-open"
        | "grok-2" | "kormo" | "f2llmv2" => (Scheme::Qwen2, false),
        "qwen35" => (Scheme::Qwen35, false),
        "gpt-4o" | "llama4" | "kanana2" => (Scheme::O200k, false),
        "tekken" => (Scheme::Tekken, true),
        _ => return None,
    };
    Some((PreTokenizerDefinition::Scheme(scheme), ignore_merges))
}
