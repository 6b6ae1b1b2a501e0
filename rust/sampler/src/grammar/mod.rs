//! Output that cannot but follow a grammar: a JSON Schema, a regular expression, a Lark grammar or tool-call tags.
//!
//! A [`Vocabulary`] is made once for a tokenizer, a [`Grammar`] once for a schema, a [`Matcher`] once for a sequence. The
//! matcher says before each token which may come ([`Matcher::mask`]) and is told after it which came
//! ([`Matcher::accept`]). `llguidance` does the parsing; this module decides what it is given. A keyword of a schema is
//! enforced or refused by name: nothing is weakened in silence.

mod cache;
mod compiled;
mod error;
mod lark;
mod matcher;
mod schema;
mod tags;
mod vocabulary;

pub use compiled::{Grammar, SchemaOptions, Whitespace};
pub use error::Error;
pub use matcher::Matcher;
pub use tags::{Tag, Tags};
pub use vocabulary::{Tokenize, Vocabulary};

/// Most bytes of a schema, a regular expression or a grammar.
pub const MAX_SOURCE_BYTES: usize = 4 << 20;

#[cfg(test)]
mod tests;
