//! Newline-delimited JSON.

use std::mem;

use memchr::memchr;

use crate::{DEFAULT_MAX_EVENT_BYTES, Error};

/// Cuts a byte stream into lines at `\n`, and only there: U+2028 or U+0085 inside a JSON string is text.
///
/// A `\r` before the `\n` is removed and blank lines are dropped.
///
/// ```
/// use inferail_sse::LineSplitter;
///
/// let mut splitter = LineSplitter::new();
/// let mut lines = Vec::new();
/// splitter.feed(b"{\"a\":1}\r\n\n{\"b\"", &mut |line: &[u8]| lines.push(line.to_vec()))?;
/// assert_eq!(lines, [b"{\"a\":1}"]);
/// assert_eq!(splitter.finish().as_deref(), Some(&b"{\"b\""[..]));
/// # Ok::<(), inferail_sse::Error>(())
/// ```
#[derive(Debug)]
pub struct LineSplitter {
    line: Vec<u8>,
    max_line_bytes: usize,
    failed: Option<Error>,
}

impl Default for LineSplitter {
    fn default() -> Self {
        Self::new()
    }
}

impl LineSplitter {
    /// A splitter with the default bound, [`DEFAULT_MAX_EVENT_BYTES`].
    pub fn new() -> Self {
        Self::with_max_line_bytes(DEFAULT_MAX_EVENT_BYTES)
    }

    /// A splitter whose lines hold at most `max_line_bytes` bytes.
    pub fn with_max_line_bytes(max_line_bytes: usize) -> Self {
        Self {
            line: Vec::new(),
            max_line_bytes,
            failed: None,
        }
    }

    /// Takes the next bytes and calls `sink` for every line they complete, without its ending.
    ///
    /// # Errors
    ///
    /// [`Error::EventTooLarge`] once a line exceeds the bound; lines before it have been delivered.
    pub fn feed(&mut self, chunk: &[u8], sink: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let mut rest = chunk;
        while let Some(end) = memchr(b'\n', rest) {
            if self.line.is_empty() {
                self.check_size(end)?;
                emit(&rest[..end], sink);
            } else {
                self.keep(&rest[..end])?;
                emit(&self.line, sink);
                self.line.clear();
            }
            rest = &rest[end + 1..];
        }
        self.keep(rest)
    }

    /// Whether the bytes so far end within a line that says something.
    pub fn is_inside_line(&self) -> bool {
        !self.line.trim_ascii().is_empty()
    }

    /// Takes out the last line where the stream ended without a `\n`.
    pub fn finish(&mut self) -> Option<Vec<u8>> {
        let line = mem::take(&mut self.line);
        (!line.trim_ascii().is_empty()).then_some(line)
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.check_size(self.line.len() + bytes.len())?;
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn check_size(&mut self, line_bytes: usize) -> Result<(), Error> {
        if line_bytes > self.max_line_bytes {
            let error = Error::EventTooLarge {
                limit: self.max_line_bytes,
            };
            self.failed = Some(error);
            self.line = Vec::new();
            return Err(error);
        }
        Ok(())
    }
}

fn emit(line: &[u8], sink: &mut dyn FnMut(&[u8])) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if !line.trim_ascii().is_empty() {
        sink(line);
    }
}
