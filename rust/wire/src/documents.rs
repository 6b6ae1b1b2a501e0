//! JSON documents one after another, as NDJSON has them.

use inferail_sse::Error;
use memchr::memchr;
use std::mem;

/// Cuts a body into lines of JSON, at `\n` alone: U+2028 or U+0085 inside a string is text.
///
/// An object that closes where no line feed has come yet is offered once before its time: the last line of a body may
/// lack its line feed, and only the grammar knows whether a line is the last.
#[derive(Debug)]
pub(crate) struct Documents {
    /// The unfinished line, without blanks before it.
    buffer: Vec<u8>,
    nesting: Nesting,
    /// How much of the buffer the nesting has gone past.
    scanned: usize,
    was_offered: bool,
    max_bytes: usize,
}

/// A piece of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Document<'a> {
    /// A line with its line feed.
    Line(&'a [u8]),
    /// The object that a line begins with, and perhaps all there is of the line.
    Object(&'a [u8]),
}

impl Documents {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            buffer: Vec::new(),
            nesting: Nesting::default(),
            scanned: 0,
            was_offered: false,
            max_bytes,
        }
    }

    /// Takes the next bytes and calls `sink` for what they complete.
    pub(crate) fn feed(
        &mut self,
        chunk: &[u8],
        sink: &mut dyn FnMut(Document<'_>),
    ) -> Result<(), Error> {
        let mut rest = chunk;
        while let Some(end) = memchr(b'\n', rest) {
            let line = &rest[..end];
            rest = &rest[end + 1..];
            if self.buffer.is_empty() && line.len() <= self.max_bytes {
                let line = after_blanks(line);
                if !line.is_empty() {
                    sink(Document::Line(line));
                }
                continue;
            }
            self.keep(line, sink)?;
            if !self.buffer.is_empty() {
                sink(Document::Line(&self.buffer));
                self.clear();
            }
        }
        self.keep(rest, sink)?;
        self.offer(sink);
        Ok(())
    }

    /// Whether the bytes so far end within a document.
    pub(crate) fn is_inside(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Appends to the unfinished line. Where that becomes too large, the object it begins with is still offered.
    fn keep(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Document<'_>)) -> Result<(), Error> {
        let more = if self.buffer.is_empty() {
            after_blanks(bytes)
        } else {
            bytes
        };
        let room = self.max_bytes - self.buffer.len();
        self.buffer.extend_from_slice(&more[..more.len().min(room)]);
        if more.len() > room {
            self.offer(sink);
            return Err(Error::EventTooLarge {
                limit: self.max_bytes,
            });
        }
        Ok(())
    }

    fn offer(&mut self, sink: &mut dyn FnMut(Document<'_>)) {
        if self.was_offered || self.buffer.first() != Some(&b'{') {
            return;
        }
        let closed = self.nesting.close(&self.buffer[self.scanned..]);
        if let Some(at) = closed {
            self.was_offered = true;
            sink(Document::Object(&self.buffer[..=self.scanned + at]));
        }
        self.scanned = self.buffer.len();
    }

    fn clear(&mut self) {
        self.buffer.clear();
        self.nesting = Nesting::default();
        self.scanned = 0;
        self.was_offered = false;
    }
}

/// What follows blanks; a byte order mark, which no document can begin with, counts as some.
fn after_blanks(bytes: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | 0xef | 0xbb | 0xbf);
    let blanks = bytes.iter().take_while(|byte| is_blank(byte)).count();
    &bytes[blanks..]
}

/// How deep inside arrays, objects and strings a reader of JSON is.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Nesting {
    depth: usize,
    in_string: bool,
    after_backslash: bool,
}

impl Nesting {
    /// Whether something is open.
    pub(crate) fn is_open(self) -> bool {
        self.depth > 0 || self.in_string
    }

    /// Goes past one byte.
    pub(crate) fn step(&mut self, byte: u8) {
        if mem::take(&mut self.after_backslash) {
            return;
        }
        match byte {
            b'"' => self.in_string = !self.in_string,
            b'\\' if self.in_string => self.after_backslash = true,
            b'{' | b'[' if !self.in_string => self.depth += 1,
            b'}' | b']' if !self.in_string => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }

    /// How many of `bytes` there are up to where everything has closed.
    fn close(&mut self, bytes: &[u8]) -> Option<usize> {
        bytes.iter().position(|&byte| {
            self.step(byte);
            !self.is_open()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines as they are, objects that were offered in parentheses, and what was wrong.
    fn cut(body: &str, size: usize) -> (Vec<String>, Result<(), Error>) {
        let (mut documents, mut found) = (Documents::new(20), Vec::new());
        let fed = body.as_bytes().chunks(size).try_for_each(|chunk| {
            documents.feed(chunk, &mut |document| {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("cut at ASCII");
                found.push(match document {
                    Document::Line(bytes) => text(bytes),
                    Document::Object(bytes) => format!("({})", text(bytes)),
                });
            })
        });
        (found, fed)
    }

    #[test]
    fn lines_are_the_same_for_every_split() {
        for (body, expected) in [
            ("{}\n{}\n", vec!["{}", "{}"]),
            ("{}{}\n", vec!["{}{}"]),
            ("\u{feff} {\"a\":1}\r\n\n \n\r\n", vec!["{\"a\":1}\r"]),
            ("{\"}\u{2028}\u{85}\"}\n", vec!["{\"}\u{2028}\u{85}\"}"]),
            ("<html>\n{}\n", vec!["<html>", "{}"]),
            ("{\"a\n{}\n", vec!["{\"a", "{}"]),
            ("{\"a\":", vec![]),
        ] {
            for size in [1, 2, 3, body.len()] {
                let (mut found, fed) = cut(body, size);
                found.retain(|text| !text.starts_with('('));
                assert_eq!(
                    (found, fed),
                    (
                        expected.iter().map(|&text| text.to_owned()).collect(),
                        Ok(())
                    )
                );
            }
        }
    }

    #[test]
    fn object_without_its_line_feed_is_offered_once() {
        for (body, expected) in [
            ("{}", vec!["({})"]),
            ("{\"a\":{\"b\":[{}]}}   ", vec!["({\"a\":{\"b\":[{}]}})"]),
            ("{\"}\\\"}\"}x", vec!["({\"}\\\"}\"})"]),
            ("[{}]", vec![]),
            ("{\"a\":", vec![]),
        ] {
            for size in [1, 2, 3, body.len()] {
                let expected = expected.iter().map(|&text| text.to_owned()).collect();
                assert_eq!(cut(body, size), (expected, Ok(())), "{body:?} by {size}");
            }
        }
    }

    #[test]
    fn line_beyond_the_bound_is_refused_after_its_object_was_offered() {
        let refused = Err(Error::EventTooLarge { limit: 20 });
        for size in [1, 2, 7, 100] {
            for end in ["", "\n"] {
                let long = format!("{{}}\n{{}} {}{end}", "x".repeat(20));
                let (found, fed) = cut(&long, size);
                assert_eq!(found.last().map(String::as_str), Some("({})"));
                assert_eq!(fed, refused);
                let unclosed = format!("{{\"{}\"}}{end}", "x".repeat(20));
                assert_eq!(cut(&unclosed, size), (vec![], refused));
            }
        }
    }
}
