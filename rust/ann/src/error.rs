//! Everything that can be wrong with what an index is given.

/// Why an index cannot do what it was asked.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting or an argument has a value that means nothing.
    #[error("{name} must be {expected}, not {value}")]
    Parameter {
        /// As the user spells it.
        name: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it was.
        value: String,
    },
    /// A vector has another length than the index.
    #[error("a vector has {found} numbers, and the index has dim={expected}")]
    Dimension {
        /// Numbers of a vector of the index.
        expected: usize,
        /// Numbers of the one given.
        found: usize,
    },
    /// A number of a vector is not finite, or too large for its dot product to be.
    #[error("number {column} of vector {row} is {value}: an index takes finite numbers below 1e18")]
    NotFinite {
        /// Which of the vectors.
        row: usize,
        /// Which of its numbers.
        column: usize,
        /// What it is.
        value: f32,
    },
    /// One list is longer than another.
    #[error("{name} has {found} items for {expected} keys")]
    Count {
        /// As the user spells it.
        name: &'static str,
        /// How many keys there are.
        expected: usize,
        /// How many items it has.
        found: usize,
    },
    /// A key is in the index already.
    #[error("key {key} is in the index: use upsert to replace it")]
    KeyExists {
        /// The key.
        key: u64,
    },
    /// A key is in one call twice.
    #[error("key {key} is given twice")]
    KeyTwice {
        /// The key.
        key: u64,
    },
    /// A namespace is full.
    #[error("a namespace holds at most {limit} entries: divide it")]
    Full {
        /// How many fit.
        limit: usize,
    },
}
