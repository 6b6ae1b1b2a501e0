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
