//! `KVCache` and what it makes.

mod arguments;
pub(crate) mod cache;
mod paged;
mod pages;
pub(crate) mod plan;
mod pool;
pub(crate) mod sequence;
mod settings;
mod shared;
pub(crate) mod view;
