//! Everything that can be wrong with a cache and what it is given.

use std::path::PathBuf;

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
    /// A block that the pool has not.
    #[error("block {block} is not one of {blocks}")]
    Block {
        /// Its number.
        block: u32,
        /// How many the pool has.
        blocks: usize,
    },
    /// Something has another length than it must have.
    #[error("{name} has length {length}, not {expected}")]
    Length {
        /// What it is.
        name: &'static str,
        /// The length it must have.
        expected: usize,
        /// The length it has.
        length: usize,
    },
    /// A file is not a tier's, or one of another cache.
    #[error("{} cannot be used here: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What about it does not fit.
        reason: String,
    },
    /// Another process, or another tier of this one, has the folder.
    #[error("{} is in use by another process", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The system refused to read or write a file.
    #[error("{} cannot be {doing}: {source}", path.display())]
    Io {
        /// What was to be done.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
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
    /// The device cannot be had, or failed.
    #[cfg(feature = "cuda")]
    #[error(transparent)]
    Device(#[from] inferail_cuda::DeviceError),
}
