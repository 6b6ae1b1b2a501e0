//! Everything that can be wrong with an index, its files and what it is given.

use std::io;
use std::path::PathBuf;

/// Why an index could not be opened, searched or changed.
///
/// No text of it holds a namespace, a vector or a payload.
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
    /// A vector has another length than the index.
    #[error("a vector has {found} numbers, and the index has dim={expected}")]
    Dimension {
        /// Numbers of a vector of the index.
        expected: usize,
        /// Numbers of the one given.
        found: usize,
    },
    /// A number of a vector is not finite, or too large for its dot product to be.
    #[error("number {column} of vector {row} is {value}: an index takes finite numbers up to 1e16")]
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
    /// Its folder was let go of.
    #[error("the index was closed: open its folder again")]
    Closed,
    /// A namespace is full.
    #[error("a namespace holds at most {limit} entries: divide it")]
    Full {
        /// How many fit.
        limit: usize,
    },
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A file is damaged, or is not what its name says.
    #[error("{} is damaged at byte {offset}: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it, in bytes.
        offset: u64,
        /// What is wrong there, and what can be done.
        problem: String,
    },
    /// A file has a version of the format that this release does not read.
    #[error("{} has version {found} of the format, this release reads {supported}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The only version that is read.
        supported: u32,
    },
    /// A file belongs to an index with other settings.
    #[error("{} was made with other settings, open it with the same ones or use another folder", path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// Its settings, as they were given when it was made.
        found: Vec<u8>,
    },
    /// Changes between the snapshot and the log are gone.
    #[error(
        "{} begins behind change {log}, but the snapshot ends with change {snapshot}: restore the folder from a copy",
        path.display()
    )]
    Gap {
        /// The log.
        path: PathBuf,
        /// The last change that the log does not have.
        log: u64,
        /// The last change that the snapshot has, 0 without one.
        snapshot: u64,
    },
    /// Another writer has the folder.
    #[error(
        "{} is being written by {}, one writer at a time may open it",
        path.display(),
        Owner(*process)
    )]
    Locked {
        /// The folder.
        path: PathBuf,
        /// The id of the process that has it, if it said so.
        process: Option<u32>,
    },
    /// A log took no more changes after one that could not be undone.
    #[error("{} takes no more changes since {reason}, open it again", path.display())]
    Stopped {
        /// The log.
        path: PathBuf,
        /// What happened.
        reason: &'static str,
    },
    /// A record is larger than the log takes.
    #[error("a record of {bytes} bytes is larger than the limit of {limit}")]
    TooLarge {
        /// Bytes of the record's body.
        bytes: u64,
        /// Bytes that one may have.
        limit: u64,
    },
    /// Bytes are no change.
    #[error("no change at byte {offset}: {problem}")]
    Change {
        /// Where in the bytes.
        offset: usize,
        /// What is wrong there.
        problem: &'static str,
    },
    /// A snapshot was put together in an order that means nothing.
    #[error("the snapshot cannot be written: {problem}")]
    Snapshot {
        /// What was out of order.
        problem: &'static str,
    },
}

/// A process by its id, or any.
struct Owner(Option<u32>);

impl std::fmt::Display for Owner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(process) => write!(formatter, "process {process}"),
            None => formatter.write_str("another process"),
        }
    }
}
