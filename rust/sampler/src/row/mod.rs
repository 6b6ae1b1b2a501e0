//! One row of logits: what changes in it, what is read of it, and what is left to draw from.

pub(crate) mod chain;
pub(crate) mod edits;
pub(crate) mod logprobs;
pub(crate) mod view;
