//! Findings in the strings and numbers of a JSON text, so that it stays one.

use super::kind::{Found, Kinds};
use super::scan::{resolve, scan};
use super::view::View;

/// What stands for a quote inside of a string, so that it is none of those around strings.
const INNER_QUOTE: u8 = 1;

/// A finding in the bytes of a JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundInJson {
    /// What and where, in bytes as they are written.
    pub found: Found,
    /// Whether it is a number, whose place only a string with its quotes can take.
    pub is_number: bool,
}

/// A string (without its quotes) or a number.
struct Token {
    start: usize,
    end: usize,
    is_number: bool,
}

/// The text without escapes, where each of its escapes stood, and its tokens; places of tokens are those of `plain`.
#[derive(Default)]
struct Read {
    plain: Vec<u8>,
    /// A place of `plain` and the one of the source that belongs to it; between two they run alike.
    places: Vec<(usize, usize)>,
    tokens: Vec<Token>,
}

impl Read {
    fn source(&self, place: usize) -> usize {
        let before = self.places.partition_point(|&(plain, _)| plain <= place);
        match before.checked_sub(1).and_then(|at| self.places.get(at)) {
            Some(&(plain, source)) => source + (place - plain),
            None => place,
        }
    }
}

/// What is found in the strings and numbers of `body`; None if it is not made of JSON's tokens.
pub(super) fn find(body: &[u8], kinds: Kinds) -> Option<Vec<FoundInJson>> {
    let read = read(body)?;
    let mut found = Vec::new();
    scan(&View::new(&read.plain, true), 0, kinds, &mut found);
    resolve(&mut found, 0);
    let mut all: Vec<FoundInJson> = Vec::new();
    for one in found {
        let first = read.tokens.partition_point(|token| token.end <= one.start);
        let hit = read.tokens[first..]
            .iter()
            .take_while(|token| token.start < one.end);
        for token in hit {
            let inside = (one.start.max(token.start), one.end.min(token.end));
            let (start, end) = if token.is_number {
                (token.start, token.end)
            } else {
                inside
            };
            let found = Found::new(one.kind, read.source(start), read.source(end));
            // A second finding in a number that is replaced already.
            if all.last().is_none_or(|last| last.found.end <= found.start)
                && found.start < found.end
            {
                all.push(FoundInJson {
                    found,
                    is_number: token.is_number,
                });
            }
        }
    }
    Some(all)
}

fn read(body: &[u8]) -> Option<Read> {
    let mut read = Read {
        plain: Vec::with_capacity(body.len()),
        ..Read::default()
    };
    let mut at = 0;
    while let Some(&byte) = body.get(at) {
        match byte {
            b'"' => at = string(body, at, &mut read)?,
            b'-' | b'0'..=b'9' => {
                let rest = &body[at..];
                let length = rest
                    .iter()
                    .position(|byte| !(byte.is_ascii_alphanumeric() || b"+-.".contains(byte)));
                let length = length.unwrap_or(rest.len());
                let start = read.plain.len();
                read.plain.extend_from_slice(&rest[..length]);
                read.tokens.push(Token {
                    start,
                    end: read.plain.len(),
                    is_number: true,
                });
                at += length;
            }
            b'{' | b'}' | b'[' | b']' | b':' | b',' | b' ' | b'\n' | b'\r' | b'\t' => {
                read.plain.push(byte);
                at += 1;
            }
            _ => {
                let word = [&b"true"[..], b"false", b"null"]
                    .into_iter()
                    .find(|word| body[at..].starts_with(word))?;
                read.plain.extend_from_slice(word);
                at += word.len();
            }
        }
    }
    let is_any = !read.tokens.is_empty();
    is_any.then_some(read)
}

/// Reads the string whose quote is at `at`; where it ends.
fn string(body: &[u8], at: usize, read: &mut Read) -> Option<usize> {
    read.plain.push(b'"');
    let start = read.plain.len();
    let mut at = at + 1;
    loop {
        let rest = body.get(at..)?;
        let length = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        read.plain.extend_from_slice(&rest[..length]);
        at += length;
        if body[at] == b'"' {
            break;
        }
        let (character, length) = escape(body, at)?;
        let before = read.plain.len();
        // Within an escape every byte belongs to its beginning, so that it is never cut.
        read.places.push((before, at));
        match character {
            '"' => read.plain.push(INNER_QUOTE),
            other => read
                .plain
                .extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        at += length;
        read.places.push((read.plain.len(), at));
    }
    read.tokens.push(Token {
        start,
        end: read.plain.len(),
        is_number: false,
    });
    read.plain.push(b'"');
    Some(at + 1)
}

/// The character of the escape at `at`, and how long that is. Half a surrogate pair is U+FFFD.
fn escape(body: &[u8], at: usize) -> Option<(char, usize)> {
    let simple = match body.get(at + 1)? {
        b'u' => {
            let first = unit(body, at)?;
            let second = unit(body, at + 6).filter(|_| (0xd800..0xdc00).contains(&first));
            if let Some(second @ 0xdc00..0xe000) = second {
                let joined = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Some((char::from_u32(joined)?, 12));
            }
            let character = char::from_u32(first).unwrap_or('\u{fffd}');
            let is_own = character == char::from(INNER_QUOTE);
            return Some((if is_own { '\u{2}' } else { character }, 6));
        }
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        &byte @ (b'"' | b'\\' | b'/') => char::from(byte),
        _ => return None,
    };
    Some((simple, 2))
}

/// The four hex digits of the `\u` at `at`.
fn unit(body: &[u8], at: usize) -> Option<u32> {
    let digits = body.get(at..at + 6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |value, &byte| {
        Some(value * 16 + char::from(byte).to_digit(16)?)
    })
}
