//! Vectors found again.
//!
//! [`storage`] keeps an index on disk: a snapshot that is used where it lies, and a log of every change since.
#![forbid(unsafe_code)]

mod error;
pub mod storage;

pub use error::Error;
