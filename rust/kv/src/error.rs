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
}
