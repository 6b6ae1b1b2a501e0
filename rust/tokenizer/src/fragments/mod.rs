//! Text between places that no token crosses, and the memory of how such text was encoded.
//!
//! Models of the `SentencePiece` family take a whole text as one piece. Where no token of the vocabulary has two
//! characters side by side, nothing that is decided on one side of them can reach the other: the text can be cut there.
//! What is left is mostly a word, short enough to be remembered.

mod cache;
mod joints;
mod spare;

pub(crate) use cache::{AHEAD, Ahead, Cache, Remembered};
pub(crate) use joints::{Joints, character};
pub(crate) use spare::Spare;
