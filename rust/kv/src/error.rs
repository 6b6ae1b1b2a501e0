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
    /// A sequence was released already, or is of another cache.
    #[error("the sequence was released: open another")]
    Released,
    /// An id is beyond the vocabulary.
    #[error("token {position} is {value}, the vocabulary has ids below {vocabulary}")]
    Token {
        /// Which of the tokens.
        position: usize,
        /// Its id.
        value: u32,
        /// The first id that is none.
        vocabulary: u32,
    },
    /// A sequence has fewer tokens, or has more of them written already.
    #[error("commit({given}) of a sequence with {written} of {length} tokens written")]
    Commit {
        /// How many were said to be written.
        given: usize,
        /// How many are.
        written: usize,
        /// How many there are.
        length: usize,
    },
    /// It does not fit into memory.
    #[error(
        "{needed} bytes are needed, and the machine has {available}: fewer blocks, or smaller ones"
    )]
    Memory {
        /// Bytes that are needed.
        needed: u64,
        /// Bytes that there are.
        available: u64,
    },
    /// What the blocks say of each other cannot be; a defect of this crate.
    #[error("the cache is damaged: {problem}")]
    Damaged {
        /// What is wrong.
        problem: String,
    },
}
