//! Nearest vectors, exactly: the index of semantic caches and of retrieval.
//!
//! A cache asks whether an entry is nearer than a threshold. [`VectorIndex::nearest`] answers it without a graph: every
//! vector has a few leading codes and the length of its rest, whose bound most vectors fail; what passes is looked at
//! with all its codes, and what passes again with its own numbers. Nothing is missed, an insert is an append, and a
//! delete clears a bit.
//!
//! [`storage`] keeps an index on disk: a snapshot that is used where it lies, and a log of every change since.
#![forbid(unsafe_code)]

mod basis;
mod disk;
mod error;
mod graph;
mod index;
mod partition;
mod search;
mod settings;
pub mod storage;
mod vector;

pub use error::Error;
pub use graph::{GraphIndex, GraphOptions, GraphStats, default_effort};
pub use index::{Entry, Stats, VectorIndex};
pub use inferail_simd::vectors::Level;
pub use settings::{MAX_DIM, Metric, Precision, Settings};
