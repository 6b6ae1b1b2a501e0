//! Text while the ids of it arrive.

use crate::{Error, Tokenizer, Utf8Stream};

/// Turns ids into text one by one. Holds back only what may still become a character: three bytes at most.
///
/// All that comes out is [`Tokenizer::decode_bytes`] of all that went in, as Python's `errors="replace"` reads it.
#[derive(Debug, Clone, Copy, Default)]
pub struct StreamingDecoder {
    utf8: Utf8Stream,
    /// Whether a token has come that is something.
    is_begun: bool,
}

impl StreamingDecoder {
    /// A decoder at the beginning of a text.
    pub fn new() -> Self {
        Self::default()
    }

    /// The text that is complete with `id`, with what was held back before.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownId`]. [`Error::Unsupported`]: the tokenizer's decoder cannot see tokens one by one.
    pub fn step(&mut self, tokenizer: &Tokenizer, id: u32) -> Result<String, Error> {
        let mut text = String::new();
        let mut bytes = Vec::new();
        tokenizer.append_bytes(id, &mut self.is_begun, &mut bytes)?;
        self.utf8.feed(&bytes, &mut text);
        Ok(text)
    }

    /// What is still held back: nothing, or U+FFFD for a character that is not complete. The decoder then begins anew.
    pub fn finish(&mut self) -> String {
        let mut text = String::new();
        self.utf8.finish(&mut text);
        *self = Self::default();
        text
    }
}
