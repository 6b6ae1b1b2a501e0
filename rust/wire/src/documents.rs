//! JSON documents one after another, as NDJSON has them.

use std::mem;

use inferail_sse::Error;
use memchr::{memchr, memchr3};

/// Cuts a body into JSON objects, one a line.
///
/// A document ends where its object closes, so the last one needs no line feed behind it, or at the line feed,
/// whichever comes first. It is cut at `\n` alone: U+2028 or U+0085 inside a string is text.
#[derive(Debug)]
pub(crate) struct Documents {
    /// The unfinished document; empty between two of them.
    buffer: Vec<u8>,
    nesting: Nesting,
    is_object: bool,
    max_bytes: usize,
}

impl Documents {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            buffer: Vec::new(),
            nesting: Nesting::default(),
            is_object: false,
            max_bytes,
        }
    }

    /// Takes the next bytes and calls `sink` for every document they complete.
    pub(crate) fn feed(&mut self, chunk: &[u8], sink: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
        let mut rest = chunk;
        loop {
            if self.buffer.is_empty() {
                rest = after_space(rest);
                self.is_object = rest.first() == Some(&b'{');
                self.nesting = Nesting::default();
            }
            let Some(end) = self.end(rest) else {
                break;
            };
            self.check_size(end)?;
            if self.buffer.is_empty() {
                sink(&rest[..end]);
            } else {
                self.buffer.extend_from_slice(&rest[..end]);
                sink(&self.buffer);
                self.buffer.clear();
            }
            rest = &rest[end..];
        }
        self.check_size(rest.len())?;
        self.buffer.extend_from_slice(rest);
        Ok(())
    }

    /// Whether the bytes so far end within a document.
    pub(crate) fn is_inside(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Where in `rest` the document ends; the nesting is carried on.
    fn end(&mut self, rest: &[u8]) -> Option<usize> {
        if self.is_object {
            self.nesting.close(rest)
        } else {
            memchr(b'\n', rest)
        }
    }

    fn check_size(&self, more: usize) -> Result<(), Error> {
        if self.buffer.len() + more > self.max_bytes {
            return Err(Error::EventTooLarge {
                limit: self.max_bytes,
            });
        }
        Ok(())
    }
}

/// What follows blanks and line ends; a byte order mark, which no document can begin with, counts as one.
fn after_space(bytes: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0xef | 0xbb | 0xbf);
    let blanks = bytes.iter().take_while(|byte| is_space(byte)).count();
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

    /// How many of `bytes` there are up to where everything has closed, or up to a line feed.
    fn close(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() {
            if self.in_string && !self.after_backslash {
                at += memchr3(b'"', b'\\', b'\n', &bytes[at..])?;
            }
            let byte = bytes[at];
            if byte == b'\n' {
                return Some(at);
            }
            self.step(byte);
            at += 1;
            if !self.is_open() {
                return Some(at);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(body: &str, size: usize) -> (Vec<String>, bool) {
        let (mut documents, mut found) = (Documents::new(1000), Vec::new());
        for chunk in body.as_bytes().chunks(size) {
            documents
                .feed(chunk, &mut |document| {
                    found.push(String::from_utf8(document.to_vec()).expect("cut at ASCII"));
                })
                .expect("short");
        }
        (found, documents.is_inside())
    }

    #[test]
    fn documents_end_where_their_object_closes_or_the_line_does() {
        for (body, expected, is_inside) in [
            ("{}\n{}\n", vec!["{}", "{}"], false),
            ("{}{}", vec!["{}", "{}"], false),
            ("\u{feff} {\"a\":1}\r\n\n", vec!["{\"a\":1}"], false),
            (
                "{\"a\":\"}\\\"\u{2028}\u{85}\"}",
                vec!["{\"a\":\"}\\\"\u{2028}\u{85}\"}"],
                false,
            ),
            ("{\"a\":{\"b\":[{}]}} x", vec!["{\"a\":{\"b\":[{}]}}"], true),
            ("<html>\n{}", vec!["<html>", "{}"], false),
            ("{\"a\n{}\n", vec!["{\"a", "{}"], false),
            ("{\"a\\\n{}\n", vec!["{\"a\\", "{}"], false),
            ("{\"a\":", vec![], true),
        ] {
            for size in [1, 2, 3, body.len()] {
                let expected = expected.iter().map(|&text| text.to_owned()).collect();
                assert_eq!(cut(body, size), (expected, is_inside), "{body:?} by {size}");
            }
        }
    }

    #[test]
    fn document_beyond_the_bound_is_refused_for_every_split() {
        for size in [1, 2, 100] {
            let mut documents = Documents::new(5);
            let mut count = 0;
            let fed: Result<(), Error> = b"{} {} {    } {}"
                .chunks(size)
                .try_for_each(|chunk| documents.feed(chunk, &mut |_| count += 1));

            assert_eq!(fed, Err(Error::EventTooLarge { limit: 5 }));
            assert_eq!(count, 2);
        }
    }
}
