//! Everything that can be wrong with what the sampler is given.

/// Why nothing could be sampled.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A parameter has a value that means nothing.
    #[error("{name} must be {expected}, not {value}")]
    Parameter {
        /// As the user spells it.
        name: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it was.
        value: String,
    },
    /// A parameter names a token that no row has.
    #[error("{name} names token {id}, but a row has {vocabulary} logits")]
    OutOfRange {
        /// As the user spells it.
        name: &'static str,
        /// What it names.
        id: u32,
        /// Logits of a row.
        vocabulary: usize,
    },
    /// Nothing may be drawn.
    #[error(
        "no token can be drawn: {}",
        if *.unordered { "every logit that counts is −∞ or not a number" } else { "every token is masked, banned or −∞" }
    )]
    NothingLeft {
        /// A logit is not a number.
        unordered: bool,
    },
    /// A logit is not a number or +∞, and that was to be an error.
    #[error("a logit is {} (strict)", if *.unordered { "not a number" } else { "+∞" })]
    NotFinite {
        /// It is not a number.
        unordered: bool,
    },
    /// A row of probabilities is none.
    #[error("row {row} of {name} cannot be sampled: {problem}")]
    Row {
        /// The argument that has the row.
        name: &'static str,
        /// Which of its rows.
        row: usize,
        /// What is wrong with it, and what it must be.
        problem: String,
    },
}
