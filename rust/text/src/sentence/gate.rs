//! Text held back until its first sentences are whole.

use std::borrow::Cow;

use super::scanner::Scanner;

/// Holds text until its first sentences are whole; after that it is open and text passes as it came.
#[derive(Clone, Debug)]
pub struct SentenceGate {
    scanner: Scanner,
    held: String,
    left: usize,
    room: usize,
    sentence: Option<usize>,
    open: bool,
}

impl SentenceGate {
    /// A gate that opens behind `sentences` sentences, or once it holds `max_chars` characters.
    pub fn new(sentences: usize, max_chars: usize) -> Self {
        Self {
            scanner: Scanner::default(),
            held: String::new(),
            left: sentences,
            room: max_chars,
            sentence: None,
            open: sentences == 0 || max_chars == 0,
        }
    }

    /// Takes the next piece of the text; gives what may be shown now, or nothing.
    pub fn feed<'text>(&mut self, text: &'text str) -> Cow<'text, str> {
        if self.open {
            return Cow::Borrowed(text);
        }
        self.held.push_str(text);
        for c in text.chars() {
            if let Some(end) = self.scanner.push(c) {
                self.left -= 1;
                if self.left == 0 {
                    self.sentence = Some(end);
                    return Cow::Owned(self.finish());
                }
            }
            self.room -= 1;
            if self.room == 0 {
                return Cow::Owned(self.finish());
            }
        }
        Cow::Borrowed("")
    }

    /// Opens the gate: what it still held.
    pub fn finish(&mut self) -> String {
        self.open = true;
        std::mem::take(&mut self.held)
    }

    /// Whether text passes.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// What is held back.
    pub fn held(&self) -> &str {
        &self.held
    }

    /// Where in the text, in bytes, the sentence ends that opened the gate; `None` if something else did.
    pub fn sentence(&self) -> Option<usize> {
        self.sentence
    }
}
