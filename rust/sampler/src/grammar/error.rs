//! Everything that can be wrong with a grammar and with what is asked of it.

/// Why there is no grammar, or no next step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A feature that cannot be enforced.
    #[error("{feature:?} cannot be enforced{}: {reason}", place(path))]
    Unsupported {
        /// The keyword, format or construct.
        feature: String,
        /// A JSON pointer to where it is; empty at the root, and of what is no schema.
        path: String,
        /// Why not, or what to write instead.
        reason: String,
    },
    /// What was given is no schema, regular expression or grammar.
    #[error("this is no valid {kind}{}: {problem}", place(path))]
    Invalid {
        /// `JSON Schema`, `regular expression`, …
        kind: &'static str,
        /// A JSON pointer to where it is; empty at the root, and of what is no schema.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// No text follows the grammar.
    #[error("no text can satisfy this {kind}: {problem}")]
    Unsatisfiable {
        /// `JSON Schema`, `regular expression`, …
        kind: &'static str,
        /// What the engine says.
        problem: String,
    },
    /// More than the limits allow.
    #[error("{what} is too large: {problem}")]
    TooLarge {
        /// What has the size.
        what: &'static str,
        /// The limit, or which limit was met.
        problem: String,
    },
    /// The tokens are no vocabulary.
    #[error("these tokens are no vocabulary: {0}")]
    Vocabulary(String),
    /// The token may not come here. Nothing has changed.
    #[error("token {token} may not come at position {position}")]
    Rejected {
        /// The token.
        token: u32,
        /// How many were accepted before it.
        position: usize,
    },
    /// More is taken back than was accepted. Nothing has changed.
    #[error("{asked} tokens cannot be taken back: {accepted} were accepted")]
    Rollback {
        /// How many should be taken back.
        asked: usize,
        /// How many there are.
        accepted: usize,
    },
    /// The engine gave up on this sequence; taking tokens back revives it.
    #[error("the grammar cannot go on after {position} tokens: {problem}")]
    Stopped {
        /// How many tokens were accepted.
        position: usize,
        /// What the engine says.
        problem: String,
    },
}

fn place(path: &str) -> String {
    if path.is_empty() {
        return String::new();
    }
    format!(" at {path}")
}

impl Error {
    pub(super) fn unsupported(feature: &str, path: &str, reason: impl Into<String>) -> Self {
        Self::Unsupported {
            feature: feature.to_owned(),
            path: path.to_owned(),
            reason: reason.into(),
        }
    }

    pub(super) fn schema(path: &str, problem: impl Into<String>) -> Self {
        Self::Invalid {
            kind: "JSON Schema",
            path: path.to_owned(),
            problem: problem.into(),
        }
    }
}

/// The last messages of the engine without what it adds for its own developers.
pub(super) fn engine_message(message: &str) -> String {
    let end = ["\n<non-verbose/>", "\n<state>", "\n<backtrace>"];
    let end = end.iter().filter_map(|mark| message.find(mark)).min();
    message[..end.unwrap_or(message.len())].trim().to_owned()
}
