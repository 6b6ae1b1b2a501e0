//! Bytes to text while they arrive.

/// Bytes of tokens to text, whole characters at once: text comes as soon as it is certain, and never a broken character.
///
/// Bytes that are no UTF-8 become U+FFFD, one for each maximal part of a character, as in Python and in
/// [`String::from_utf8_lossy`]: all pieces in a row are the text of all bytes in a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Utf8Stream {
    /// The beginning of a character.
    held: [u8; 3],
    len: u8,
}

impl Utf8Stream {
    /// Appends to `text` what the next `bytes` make certain.
    pub fn feed(&mut self, bytes: &[u8], text: &mut String) {
        let mut rest = bytes;
        // A character that has begun takes one byte after another, until it is whole or broken.
        while self.len > 0 {
            let Some((&byte, after)) = rest.split_first() else {
                return;
            };
            let held = usize::from(self.len);
            let mut start = [0; 4];
            start[..held].copy_from_slice(&self.held[..held]);
            start[held] = byte;
            match std::str::from_utf8(&start[..=held]) {
                Ok(character) => text.push_str(character),
                Err(error) if error.error_len().is_none() => {
                    self.held[held] = byte;
                    self.len += 1;
                    rest = after;
                    continue;
                }
                // The byte that broke it begins anew, unless it completes nothing by itself.
                Err(_) => {
                    text.push(char::REPLACEMENT_CHARACTER);
                    self.len = 0;
                    break;
                }
            }
            self.len = 0;
            rest = after;
        }
        self.whole(rest, text);
    }

    /// Appends to `text` what is left when no more bytes come: the beginning of a character is a broken one.
    pub fn finish(&mut self, text: &mut String) {
        if std::mem::take(&mut self.len) > 0 {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }

    fn whole(&mut self, bytes: &[u8], text: &mut String) {
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            let invalid = chunk.invalid();
            let is_begun = chunks.peek().is_none()
                && std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
            if is_begun {
                self.held[..invalid.len()].copy_from_slice(invalid);
                self.len = invalid.len() as u8;
            } else if !invalid.is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
    }
}
