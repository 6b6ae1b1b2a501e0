//! Texts to vectors by the letters and words they are made of, without a model.
//!
//! Each word, pair of neighbouring words and sequence of three to five characters of a word adds a little to one number of
//! the vector, or takes it away; a hash says which. Texts that share words are near, texts that mean the same in other words
//! are not. The vectors are the same on every machine.

mod features;
mod hasher;

pub use hasher::Hasher;
