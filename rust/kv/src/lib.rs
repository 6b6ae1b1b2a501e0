//! Paged KV cache: block tables for an engine, prefixes found again, and the pages behind them.
//!
//! The manager knows blocks and hashes and touches no page; a [`store::Store`] knows pages and no hash; `tiers` keep
//! pages of evicted blocks. Each is usable and tested alone.
#![forbid(unsafe_code)]

pub mod error;
pub mod store;
pub mod tiers;

pub use error::Error;
