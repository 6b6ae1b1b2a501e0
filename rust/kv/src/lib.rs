//! Paged KV cache: block tables for an engine, prefixes found again, and the pages behind them.
//!
//! The manager knows blocks and hashes and touches no page; a [`store::Store`] knows pages and no hash; `tiers` keep
//! pages of evicted blocks. Each is usable and tested alone.
#![forbid(unsafe_code)]

pub mod cache;
pub mod error;
pub mod hash;
pub mod manager;
pub mod memory;
pub mod settings;
pub mod store;
pub mod tiers;

pub use cache::Cache;
pub use error::Error;
pub use manager::{Manager, Opening, Plan, SequenceId};
pub use settings::{Group, Policy, Settings};
