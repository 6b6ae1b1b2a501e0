//! `KVCache` and what it makes.

mod arguments;
pub(crate) mod cache;
pub(crate) mod plan;
pub(crate) mod sequence;
mod settings;
mod shared;
