//! `tekken.json` of Mistral: ranks of byte sequences, a pattern, and special tokens whose ids come first.

use serde::Deserialize;

use super::tiktoken::base64;
use crate::{AddedToken, Definition, Error, ModelDefinition, PreTokenizerDefinition, Vocabulary};

const FORMAT: &str = "tekken.json";

/// The first special tokens of files that list none.
const SPECIAL: [&str; 20] = [
    "<unk>",
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]",
    "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]",
    "[TOOL_CALLS]",
    "[IMG]",
    "<pad>",
    "[IMG_BREAK]",
    "[IMG_END]",
    "[PREFIX]",
    "[MIDDLE]",
    "[SUFFIX]",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
    "[TOOL_CONTENT]",
];

#[derive(Debug, Deserialize)]
struct File<'a> {
    config: Config,
    #[serde(borrow)]
    vocab: Vec<Token<'a>>,
    special_tokens: Option<Vec<Special>>,
}

#[derive(Debug, Deserialize)]
struct Config {
    pattern: String,
    default_vocab_size: u32,
    default_num_special_tokens: u32,
}

#[derive(Debug, Deserialize)]
struct Token<'a> {
    rank: u32,
    #[serde(borrow)]
    token_bytes: std::borrow::Cow<'a, str>,
}

#[derive(Debug, Deserialize)]
struct Special {
    rank: u32,
    token_str: String,
}

/// The tokenizer of a `tekken.json`.
///
/// As `mistral-common` has it: of the ranks as many are used as the size of the vocabulary leaves room for, and special tokens
/// that the file does not list are `<SPECIAL_id>`.
///
/// # Errors
///
/// [`Error::Format`]: it is not such a file, or its numbers do not fit.
pub fn definition(file: &[u8]) -> Result<Definition, Error> {
    let file: File<'_> =
        serde_json::from_slice(file).map_err(|error| Error::format(FORMAT, error.to_string()))?;
    let config = file.config;
    let count = config.default_num_special_tokens;
    let used = config
        .default_vocab_size
        .checked_sub(count)
        .filter(|used| *used as usize <= file.vocab.len());
    let used = used.ok_or_else(|| {
        let size = config.default_vocab_size;
        Error::format(
            FORMAT,
            format!("default_vocab_size {size} is not the size of its vocabulary"),
        )
    })?;
    if config.default_vocab_size > Vocabulary::MAX_IDS {
        return Err(Error::format(FORMAT, "the vocabulary is too large"));
    }
    let mut tokens = Vec::with_capacity(used as usize);
    for (token, rank) in file.vocab.iter().zip(0..used) {
        let bytes = base64(token.token_bytes.as_bytes()).filter(|_| token.rank == rank);
        let bytes = bytes.ok_or_else(|| {
            Error::format(
                FORMAT,
                format!("token {rank} is out of order or not base64"),
            )
        })?;
        tokens.push((rank + count, bytes));
    }
    let listed = match file.special_tokens {
        Some(listed) => listed
            .into_iter()
            .map(|token| (token.rank, token.token_str))
            .collect(),
        None => (0..).zip(SPECIAL.map(str::to_owned)).collect::<Vec<_>>(),
    };
    let mut special: Vec<String> = (0..count).map(|id| format!("<SPECIAL_{id}>")).collect();
    for (id, content) in listed {
        let Some(place) = special.get_mut(id as usize) else {
            let problem = format!("the special token {content} has no place among {count}");
            return Err(Error::format(FORMAT, problem));
        };
        *place = content;
    }
    let vocabulary = Vocabulary::new(
        FORMAT,
        tokens.iter().map(|(id, token)| (*id, token.as_slice())),
    )?;
    let added = (0..)
        .zip(special)
        .filter(|(_, content)| !content.is_empty());
    Ok(Definition {
        added: added
            .map(|(id, content)| AddedToken::special(id, content))
            .collect(),
        pre_tokenizer: PreTokenizerDefinition::Pattern(config.pattern),
        ..Definition::new(vocabulary, ModelDefinition::Ranks)
    })
}
