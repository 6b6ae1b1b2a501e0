//! Everything that can be wrong with a cache and what it is given.

/// Why a cache could not be made, planned for or written.
///
/// No text of it holds a token.
#[derive(Debug, thiserror::Error)]
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
    /// Nothing is free and nothing may be evicted.
    #[error("out of blocks: {needed} needed, {free} free of {total}")]
    OutOfBlocks {
        /// How many the call needs.
        needed: usize,
        /// How many could be had.
        free: usize,
        /// How many the pool has.
        total: usize,
    },
}
