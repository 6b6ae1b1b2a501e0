//! Tokens that are guessed first and verified afterwards.

mod judge;
mod lookup;
mod mass;
mod rows;
mod verify;

pub use lookup::PromptLookup;
pub use rows::Dense;
pub use verify::{Drafts, Draws, Verified, accept_exactly, verify, verify_dense};
