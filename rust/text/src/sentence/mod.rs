//! Where the first sentence of a text ends while the text arrives in pieces.
//!
//! [`Scanner`] takes one character at a time and keeps a few bytes of state, so where it finds an end depends on the
//! text alone and never on how it was cut. [`SentenceGate`] holds text back until one has been found.
//!
//! What ends a sentence, once the character behind it has been seen:
//!
//! | end | unless |
//! |---|---|
//! | `.` `!` `?` `…` and blank space | a small letter follows, or the word is an abbreviation, an initial, an ordinal or a list number |
//! | `。` `！` `？` `।` `؟` `۔` `።` `։` `។` `။` and kin | they stand inside quotes and a letter follows the quote (“…。”他说) |
//! | the end of a line with a letter or digit in it | the next line begins with a small letter (hard-wrapped prose), except below a heading |
//! | a blank between Thai or Lao letters, after at least twenty of them | |
//! | the first line of a code block that is not blank | |
//!
//! Quotes, brackets and emphasis behind a stop belong to the sentence. Nothing ends inside inline code. A code block is
//! passed at the end of its first line of code: a line is to code what a sentence is to prose, and a block may be long.
//! Where the rules cannot tell, the gate holds a little longer: a sentence too much, never half of one.

mod abbreviations;
mod characters;
mod gate;
mod scanner;
mod token;

#[cfg(test)]
mod tests;

pub(crate) use characters::{closes, stops, stops_unspaced};
pub use gate::SentenceGate;
pub use scanner::Scanner;
