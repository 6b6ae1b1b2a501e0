//! The tokens of a tokenizer as the engine wants them.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use llguidance::{ParserFactory, earley::SlicedBiasComputer, panic_utils};
use toktrie::{InferenceCapabilities, TokEnv, TokRxInfo, TokTrie, TokenId, TokenizerEnv};

use super::cache::Cache;
use super::error::{Error, engine_message};

/// How a text is cut into tokens by the tokenizer itself.
///
/// The bytes of the tokens it gives have to be those it was given.
pub type Tokenize = Box<dyn Fn(&[u8]) -> Vec<u32> + Send + Sync>;

/// Most tokens; the engine packs an id into three bytes.
const MAX_TOKENS: usize = (1 << 24) - 2;
/// Most bytes of a token; the engine counts ten bits of them.
const MAX_TOKEN_BYTES: usize = 1000;

/// The tokens of a tokenizer, made once and shared: a clone is the same vocabulary.
///
/// Making one sorts the tokens and prepares masks for common kinds of text, 0.4 s for 131,072 tokens.
#[derive(Clone)]
pub struct Vocabulary {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) factory: ParserFactory,
    pub(super) end: Vec<u32>,
    /// What special tokens are called.
    pub(super) specials: BTreeMap<Box<str>, u32>,
    size: usize,
    cache: Mutex<Cache>,
}

impl std::fmt::Debug for Vocabulary {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Vocabulary")
            .field("size", &self.size())
            .field("end_of_sequence", &self.shared.end)
            .finish_non_exhaustive()
    }
}

impl Vocabulary {
    /// A vocabulary where token `id` stands for the bytes `tokens[id]`.
    ///
    /// `special` are the ids that no text has, whatever their bytes, which are their names then; `end_of_sequence` are
    /// special too. A token without bytes, or with the byte 0xFF, which no UTF-8 text has, is never allowed. With
    /// `tokenize`, text that the grammar leaves no choice about becomes the tokens the tokenizer itself would have made of
    /// it; without it, any tokens that spell it.
    ///
    /// # Errors
    ///
    /// [`Error::Vocabulary`]: there are no tokens or too many, one is longer than 1,000 bytes, `end_of_sequence` is empty,
    /// or an id is not that of a token.
    pub fn new(
        mut tokens: Vec<Vec<u8>>,
        special: &[u32],
        end_of_sequence: &[u32],
        tokenize: Option<Tokenize>,
    ) -> Result<Self, Error> {
        check(&tokens, special, end_of_sequence)?;
        let specials = mark_specials(&mut tokens, special.iter().chain(end_of_sequence));
        let size = tokens.len();
        let end = end_of_sequence.to_vec();
        let factory = panic_utils::catch_unwind(AssertUnwindSafe(|| {
            let info = TokRxInfo::new(size as u32, end[0]);
            let trie = TokTrie::from(&info, &tokens).with_eos_tokens(&end);
            make_factory(trie, tokenize)
        }));
        let factory =
            factory.map_err(|error| Error::Vocabulary(engine_message(&error.to_string())))?;
        let shared = Shared {
            factory,
            end,
            specials,
            size,
            cache: Mutex::default(),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// How many tokens it has, those without bytes included.
    pub fn size(&self) -> usize {
        self.shared.size
    }

    /// How many words of 32 bits a mask has.
    pub fn mask_words(&self) -> usize {
        self.size().div_ceil(32)
    }

    /// The tokens that end a sequence.
    pub fn end_of_sequence(&self) -> &[u32] {
        &self.shared.end
    }

    pub(super) fn cache(&self) -> MutexGuard<'_, Cache> {
        let cache = &self.shared.cache;
        cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check(tokens: &[Vec<u8>], special: &[u32], end: &[u32]) -> Result<(), Error> {
    let problem = |text: String| Err(Error::Vocabulary(text));
    if tokens.is_empty() || tokens.len() > MAX_TOKENS {
        return problem(format!("there are {} of them", tokens.len()));
    }
    if let Some(id) = tokens
        .iter()
        .position(|token| token.len() > MAX_TOKEN_BYTES)
    {
        let length = tokens[id].len();
        return problem(format!(
            "token {id} has {length} bytes, over {MAX_TOKEN_BYTES}"
        ));
    }
    if end.is_empty() {
        return problem("none ends a sequence".to_owned());
    }
    let mut ids = special.iter().chain(end);
    match ids.find(|id| **id as usize >= tokens.len()) {
        Some(id) => problem(format!("there is no token {id}")),
        None => Ok(()),
    }
}

/// Puts the engine's mark before the name of each special token, and takes the bytes of those that would look like one.
fn mark_specials<'a>(
    tokens: &mut [Vec<u8>],
    special: impl Iterator<Item = &'a u32>,
) -> BTreeMap<Box<str>, u32> {
    let mut is_special = vec![false; tokens.len()];
    let mut names = BTreeMap::new();
    for &id in special {
        is_special[id as usize] = true;
        if let Ok(name) = std::str::from_utf8(&tokens[id as usize])
            && !name.is_empty()
        {
            names.insert(name.into(), id);
        }
    }
    for (token, is_special) in tokens.iter_mut().zip(is_special) {
        if is_special && !token.is_empty() {
            token.insert(0, TokTrie::SPECIAL_TOKEN_MARKER);
        } else if token.contains(&TokTrie::SPECIAL_TOKEN_MARKER) {
            token.clear();
        }
    }
    names
}

fn make_factory(trie: TokTrie, tokenize: Option<Tokenize>) -> anyhow::Result<ParserFactory> {
    let capabilities = InferenceCapabilities {
        ff_tokens: tokenize.is_some(),
        ..InferenceCapabilities::default()
    };
    let environment: TokEnv = Arc::new(Environment { trie, tokenize });
    let slices = SlicedBiasComputer::general_slices();
    let mut factory = ParserFactory::new(&environment, capabilities, &slices)?;
    factory.quiet();
    factory.limits_mut().verbose_errors = false;
    Ok(factory)
}

struct Environment {
    trie: TokTrie,
    tokenize: Option<Tokenize>,
}

impl TokenizerEnv for Environment {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<TokenId> {
        let Some(tokenize) = &self.tokenize else {
            return self.trie.greedy_tokenize(bytes);
        };
        let tokens = tokenize(bytes);
        // Forced bytes may be cut inside a character, which a tokenizer of texts cannot see.
        if self.trie.decode_raw(&tokens) == bytes {
            tokens
        } else {
            self.trie.greedy_tokenize(bytes)
        }
    }

    fn tokenize_is_canonical(&self) -> bool {
        self.tokenize.is_some()
    }
}
