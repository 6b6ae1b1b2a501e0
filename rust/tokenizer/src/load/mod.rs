//! One loader a format: bytes of a file to a [`crate::Definition`].

pub mod compact;
mod sniff;
pub mod tiktoken;

use crate::{Error, Vocabulary};

pub use sniff::{Format, sniff};

/// The vocabulary of a file of ranks: `.tiktoken`, or the format of our own.
///
/// # Errors
///
/// [`Error::Format`]: it is neither, or broken.
pub fn ranks(file: &[u8]) -> Result<Vocabulary, Error> {
    if file.starts_with(compact::MAGIC) {
        compact::read(file)
    } else {
        tiktoken::ranks(file)
    }
}
