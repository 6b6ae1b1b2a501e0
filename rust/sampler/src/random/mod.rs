//! Random numbers, and what they decide between.

pub(crate) mod distribution;
pub(crate) mod philox;
