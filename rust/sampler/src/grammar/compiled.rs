//! A grammar, ready for any number of sequences.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use llguidance::TokenParser;
use llguidance::api::{GrammarWithLexer, TopLevelGrammar};
use serde_json::{Value, json};
use toktrie::SimpleVob;

use super::cache::Key;
use super::error::{Error, engine_message};
use super::matcher::Matcher;
use super::tags::Tags;
use super::vocabulary::Vocabulary;
use super::{MAX_SOURCE_BYTES, lark, schema};

/// Stack of the thread that compiles. The engine recurses into a schema to any depth; ours ends at
/// [`schema::MAX_DEPTH`] levels, which need less than a quarter of this.
const STACK_BYTES: usize = 64 << 20;

/// What may stand between the values, commas, colons and brackets of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Whitespace {
    /// Nothing, or one space after a comma and after a colon.
    #[default]
    Compact,
    /// Up to 64 spaces, tabs and line ends anywhere but at the beginning and at the end.
    Flexible,
}

impl Whitespace {
    /// Options of the engine, which it reads from the schema.
    ///
    /// `\u` escapes are left out: with them, a key that is listed could be spelled in a second way, and have any value
    /// where further keys may.
    pub(super) fn settings(self) -> Value {
        match self {
            Self::Compact => json!({
                "item_separator": ", ?",
                "key_separator": ": ?",
                "whitespace_flexible": false,
                "json_allowed_escapes": "nrbtf\\\"",
            }),
            Self::Flexible => json!({
                "whitespace_flexible": false,
                "whitespace_pattern": r"[ \t\r\n]{1,64}",
                "json_allowed_escapes": "nrbtf\\\"",
            }),
        }
    }
}

/// How a JSON Schema is read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SchemaOptions {
    /// What may stand between values.
    pub whitespace: Whitespace,
    /// Keywords that are not enforced, because the caller says so.
    pub ignored: Vec<String>,
}

pub(super) struct Compiled {
    /// At the beginning of a text, its first mask computed.
    prototype: Mutex<TokenParser>,
    first_mask: SimpleVob,
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Compiled").finish_non_exhaustive()
    }
}

/// A grammar over a vocabulary; a clone is the same grammar.
///
/// Compiled grammars are remembered by their source, the last 256 of a vocabulary.
#[derive(Debug, Clone)]
pub struct Grammar {
    compiled: Arc<Compiled>,
    vocabulary: Vocabulary,
}

impl Grammar {
    /// The JSON texts that are valid against the schema in the JSON text `schema`. Properties come in the order of the
    /// schema.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] of a keyword that cannot be enforced, [`Error::Invalid`], [`Error::Unsatisfiable`],
    /// [`Error::TooLarge`].
    pub fn from_schema(
        vocabulary: &Vocabulary,
        schema: &str,
        options: &SchemaOptions,
    ) -> Result<Self, Error> {
        let kind = "JSON Schema";
        let ignored = options.ignored.join("\0");
        let key = Key::new(
            &format!("{kind}\0{:?}\0{ignored}\0", options.whitespace),
            schema,
        );
        Self::make(vocabulary, kind, schema.len(), key, || {
            let value = schema::parse(schema)?;
            let schema = schema::prepare(&value, options, "")?;
            Ok(TopLevelGrammar::from_json_schema(schema))
        })
    }

    /// The texts that `pattern` matches from beginning to end. Syntax of Rust's `regex`: no look-around, no
    /// backreferences.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`], [`Error::Unsupported`], [`Error::Unsatisfiable`], [`Error::TooLarge`].
    pub fn from_regex(vocabulary: &Vocabulary, pattern: &str) -> Result<Self, Error> {
        let kind = "regular expression";
        let key = Key::new(kind, pattern);
        Self::make(vocabulary, kind, pattern.len(), key, || {
            schema::pattern::check(pattern, "regex", "")?;
            Ok(if pattern.is_empty() {
                TopLevelGrammar::from_lark("start: \"\"".to_owned())
            } else {
                TopLevelGrammar::from_regex(pattern)
            })
        })
    }

    /// The texts of a Lark grammar in the dialect of `llguidance`. JSON Schemas in it, after `%json`, are read as
    /// [`Grammar::from_schema`] reads them.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`], [`Error::Unsupported`], [`Error::Unsatisfiable`], [`Error::TooLarge`].
    pub fn from_lark(vocabulary: &Vocabulary, text: &str) -> Result<Self, Error> {
        let kind = "Lark grammar";
        let key = Key::new(kind, text);
        Self::make(vocabulary, kind, text.len(), key, || {
            let text = lark::prepare(text)?;
            Ok(TopLevelGrammar::from_grammar(GrammarWithLexer::from_lark(
                text,
            )))
        })
    }

    /// Text with calls of tools in it.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`], [`Error::Unsupported`], [`Error::Unsatisfiable`], [`Error::TooLarge`].
    pub fn from_tags(vocabulary: &Vocabulary, tags: &Tags) -> Result<Self, Error> {
        let kind = "set of tags";
        let size = tags.tags.iter().map(|tag| tag.schema.len()).sum();
        let key = Key::new(kind, &format!("{tags:?}"));
        Self::make(vocabulary, kind, size, key, || {
            Ok(TopLevelGrammar::from_lark(tags.to_lark(vocabulary)?))
        })
    }

    /// Takes the grammar from the cache or compiles it.
    fn make(
        vocabulary: &Vocabulary,
        kind: &'static str,
        bytes: usize,
        key: Key,
        source: impl FnOnce() -> Result<TopLevelGrammar, Error> + Send,
    ) -> Result<Self, Error> {
        if bytes > MAX_SOURCE_BYTES {
            let problem = format!("it has {bytes} bytes, over {MAX_SOURCE_BYTES}");
            return Err(Error::TooLarge {
                what: kind,
                problem,
            });
        }
        let known = vocabulary.cache().get(&key);
        let compiled = if let Some(compiled) = known {
            compiled
        } else {
            let compiled = Arc::new(on_large_stack(|| compile(vocabulary, kind, source()?))?);
            vocabulary.cache().put(key, Arc::clone(&compiled));
            compiled
        };
        Ok(Self {
            compiled,
            vocabulary: vocabulary.clone(),
        })
    }

    /// The vocabulary it is over.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// A sequence at its beginning.
    pub fn matcher(&self) -> Matcher {
        Matcher::new(
            self.clone(),
            self.parser(),
            self.compiled.first_mask.clone(),
        )
    }

    /// A parser at the beginning, which shares nothing that changes.
    pub(super) fn parser(&self) -> TokenParser {
        let prototype = self.compiled.prototype.lock();
        prototype
            .unwrap_or_else(PoisonError::into_inner)
            .deep_clone()
    }
}

fn on_large_stack<T: Send>(work: impl FnOnce() -> Result<T, Error> + Send) -> Result<T, Error> {
    let failed = |problem: String| Error::Stopped {
        position: 0,
        problem,
    };
    thread::scope(|scope| {
        let builder = thread::Builder::new().stack_size(STACK_BYTES);
        let thread = builder.spawn_scoped(scope, work);
        let thread = thread.map_err(|error| failed(format!("no thread to compile on: {error}")))?;
        thread
            .join()
            .unwrap_or_else(|_| Err(failed("the compiler panicked".to_owned())))
    })
}

fn compile(
    vocabulary: &Vocabulary,
    kind: &'static str,
    grammar: TopLevelGrammar,
) -> Result<Compiled, Error> {
    let made = vocabulary.shared.factory.create_parser(grammar);
    let mut parser = made.map_err(|error| compile_error(kind, &format!("{error:#}")))?;
    parser.start_without_prompt();
    let first_mask = llguidance::panic_utils::catch_unwind(std::panic::AssertUnwindSafe(|| {
        if parser.check_stop()? {
            return Ok(parser.token_env.tok_trie().eos_token_set());
        }
        parser.compute_mask()
    }));
    let first_mask = first_mask.map_err(|error| compile_error(kind, &error.to_string()))?;
    Ok(Compiled {
        prototype: Mutex::new(parser),
        first_mask,
    })
}

/// What the engine says of a grammar, by kind.
fn compile_error(kind: &'static str, message: &str) -> Error {
    let problem = engine_message(message);
    let has = |parts: &[&str]| parts.iter().any(|part| problem.contains(part));
    if has(&[
        "nsatisfiable",
        "NoExtensionBias",
        "Regex is empty",
        "empty range",
        "Empty range",
    ]) {
        return Error::Unsatisfiable { kind, problem };
    }
    if has(&[
        "too complex",
        "too large",
        "limit",
        "fuel",
        "Unable to determine",
        "exceeds",
    ]) {
        return Error::TooLarge {
            what: kind,
            problem,
        };
    }
    let features = [
        ("patternPropert", "patternProperties"),
        ("min/maxProperties", "minProperties"),
        ("circular references", "$ref"),
        ("stack level", "allOf"),
        ("not supported", kind),
        ("unsupported", kind),
    ];
    let feature = features.iter().find(|(part, _)| problem.contains(part));
    match feature {
        Some((_, feature)) => Error::unsupported(feature, "", problem),
        None => Error::Invalid {
            kind,
            path: String::new(),
            problem,
        },
    }
}
