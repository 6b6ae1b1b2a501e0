//! A validating JSON walker that builds no document.
//!
//! The caller asks for the members it wants and skips the others; everything skipped is still checked.
//! Values of an unexpected type are skipped too and read as absent, which is the tolerance the provider
//! grammars need.
//!
//! ```
//! use inferail_wire::json::Walker;
//!
//! let source = r#"{"skipped": [1, 2], "name": "caf\u00e9"}"#;
//! let mut walker = Walker::new(source);
//! let mut name = None;
//! if walker.enter_object()? {
//!     while let Some(key) = walker.key()? {
//!         match walker.name(key) {
//!             "name" => name = walker.string()?,
//!             _ => walker.skip()?,
//!         }
//!     }
//! }
//! walker.finish()?;
//! assert_eq!(name.unwrap().decode(source), "café");
//! # Ok::<(), inferail_wire::Error>(())
//! ```

use std::borrow::Cow;
use std::num::NonZeroU32;

use crate::Error;

/// Deepest nesting of arrays and objects the walker follows.
pub const MAX_DEPTH: usize = 128;

const LOW_BITS: u64 = u64::from_ne_bytes([0x01; 8]);
const HIGH_BITS: u64 = u64::from_ne_bytes([0x80; 8]);

/// Longest source the walker takes, so that positions fit 31 bits.
pub const MAX_SOURCE_BYTES: usize = (1 << 31) - 1;

/// A piece of the source by position. It borrows nothing, so it can be kept across calls and reused.
// Eight bytes, with a niche: with `usize` positions results went through memory, and decoding an OpenAI event
// took 1.4 times as long (benches/rust/benches/wire.rs, 2026-11-21).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    start: u32,
    /// Twice the end, plus one where the string holds escapes. Nothing the walker reads ends at 0.
    end_and_flag: NonZeroU32,
}

impl Span {
    #[inline]
    fn new(start: usize, end: usize, escaped: bool) -> Self {
        let end_and_flag = (end as u32) << 1 | u32::from(escaped);
        Self {
            start: start as u32,
            end_and_flag: NonZeroU32::new(end_and_flag).unwrap_or(NonZeroU32::MIN),
        }
    }

    #[inline]
    fn start(self) -> usize {
        self.start as usize
    }

    #[inline]
    fn end(self) -> usize {
        (self.end_and_flag.get() >> 1) as usize
    }

    /// The bytes as they stand in `source`: a string's between its quotes, another value's in full.
    #[inline]
    pub fn raw(self, source: &str) -> &str {
        &source[self.start()..self.end()]
    }

    /// Whether the string holds escapes, so that `raw` and `decode` differ.
    #[inline]
    pub fn is_escaped(self) -> bool {
        self.end_and_flag.get() & 1 == 1
    }

    /// Whether nothing lies between the quotes.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.start() == self.end()
    }

    /// The string's value; a surrogate escape without its partner becomes U+FFFD.
    pub fn decode(self, source: &str) -> Cow<'_, str> {
        if !self.is_escaped() {
            return Cow::Borrowed(self.raw(source));
        }
        let mut text = String::with_capacity(self.end() - self.start());
        if self.decode_onto(source, None, &mut text).is_some() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
        Cow::Owned(text)
    }

    /// Appends the string's value to `out`, for a string that goes on in the next event.
    ///
    /// `high` is the high surrogate the piece before ended in. Returned is the one this piece ends in, which
    /// is then not in `out`.
    pub fn decode_onto(self, source: &str, high: Option<u16>, out: &mut String) -> Option<u16> {
        let mut rest = self.raw(source);
        let mut high = high;
        while !rest.is_empty() {
            let Some(at) = rest.find('\\') else {
                replace_lone(&mut high, out);
                out.push_str(rest);
                return None;
            };
            if at > 0 {
                replace_lone(&mut high, out);
                out.push_str(&rest[..at]);
            }
            // The walker has checked every escape, so these are all the forms there are.
            let escape = rest.as_bytes().get(at + 1).copied().unwrap_or(b'\\');
            if escape != b'u' {
                replace_lone(&mut high, out);
                out.push(simple_escape(escape));
                rest = &rest[at + 2..];
                continue;
            }
            let unit = u16::from_str_radix(&rest[at + 2..at + 6], 16).unwrap_or(0xfffd);
            rest = &rest[at + 6..];
            match (high, unit) {
                (Some(first), 0xdc00..=0xdfff) => {
                    high = None;
                    out.extend(char::decode_utf16([first, unit]).flatten());
                }
                (_, 0xd800..=0xdbff) => {
                    replace_lone(&mut high, out);
                    high = Some(unit);
                }
                _ => {
                    replace_lone(&mut high, out);
                    out.push(
                        char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER),
                    );
                }
            }
        }
        high
    }
}

fn replace_lone(high: &mut Option<u16>, out: &mut String) {
    if high.take().is_some() {
        out.push(char::REPLACEMENT_CHARACTER);
    }
}

fn simple_escape(escape: u8) -> char {
    match escape {
        b'n' => '\n',
        b't' => '\t',
        b'r' => '\r',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        other => char::from(other),
    }
}

/// What kind of value comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// `{`
    Object,
    /// `[`
    Array,
    /// `"`
    String,
    /// A digit or `-`.
    Number,
    /// `true` or `false`.
    Boolean,
    /// `null`
    Null,
}

/// Reads one JSON text from left to right.
#[derive(Debug)]
pub struct Walker<'a> {
    source: &'a str,
    position: usize,
    depth: usize,
    /// The innermost container was just entered: no comma comes before its first item.
    fresh: bool,
    /// What is read is not JSON, as `position` shows.
    broken: bool,
}

impl<'a> Walker<'a> {
    /// A walker at the start of `source`, which may hold [`MAX_SOURCE_BYTES`]; a longer one is malformed.
    pub fn new(source: &'a str) -> Self {
        // At its end a source holds no value.
        let position = match source.len() {
            0..=MAX_SOURCE_BYTES => 0,
            too_many => too_many,
        };
        Self {
            source,
            position,
            depth: 0,
            fresh: false,
            broken: false,
        }
    }

    /// A walker at a value that [`Walker::raw`] has already passed; it can be read again, not what follows it.
    pub fn again(source: &'a str, value: Span) -> Self {
        Self {
            position: value.start(),
            ..Self::new(source)
        }
    }

    /// A walker at the value behind the first `position` bytes of `source`, which are known to be the beginning of an
    /// object up to a key and its colon.
    pub(crate) fn inside_object(source: &'a str, position: usize) -> Self {
        let start = Self::new(source);
        Self {
            position: position.max(start.position),
            depth: 1,
            ..start
        }
    }

    /// What has been read.
    pub(crate) fn passed(&self) -> &'a str {
        &self.source[..self.position]
    }

    /// The text being read.
    pub fn source(&self) -> &'a str {
        self.source
    }

    /// The type of the next value, which stays unread.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] where no value starts here; so for every method below.
    pub fn peek(&mut self) -> Result<Type, Error> {
        match self.next_byte()? {
            b'{' => Ok(Type::Object),
            b'[' => Ok(Type::Array),
            b'"' => Ok(Type::String),
            b'0'..=b'9' | b'-' => Ok(Type::Number),
            b't' | b'f' => Ok(Type::Boolean),
            b'n' => Ok(Type::Null),
            _ => Err(self.malformed()),
        }
    }

    /// Enters the next value where it is an object; skips it and returns `false` where it is anything else.
    ///
    /// # Errors
    ///
    /// [`Error::TooDeep`] beyond [`MAX_DEPTH`] levels.
    pub fn enter_object(&mut self) -> Result<bool, Error> {
        self.enter(b'{')
    }

    /// Enters the next value where it is an array; skips it and returns `false` where it is anything else.
    ///
    /// # Errors
    ///
    /// [`Error::TooDeep`] beyond [`MAX_DEPTH`] levels.
    pub fn enter_array(&mut self) -> Result<bool, Error> {
        self.enter(b'[')
    }

    /// The next key of the object entered last, or `None` at its end. The value must be read or skipped.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] where neither a key nor the end follows.
    #[inline]
    pub fn key(&mut self) -> Result<Option<Span>, Error> {
        match self.next_key() {
            None if self.broken => Err(self.malformed()),
            key => Ok(key),
        }
    }

    /// The same with `None` for both the end and an error, which sets `broken`: such a value comes back in a
    /// register, where a `Result` went through memory (decoding an event took 1.2 times as long).
    fn next_key(&mut self) -> Option<Span> {
        let bytes = self.source.as_bytes();
        let mut at = after_space(bytes, self.position);
        if bytes.get(at) == Some(&b'}') {
            self.position = at + 1;
            self.depth -= 1;
            self.fresh = false;
            return None;
        }
        if !self.fresh && bytes.get(at) == Some(&b',') {
            at = after_space(bytes, at + 1);
        } else if !self.fresh {
            return self.broken_at(at);
        }
        self.fresh = false;
        if bytes.get(at) != Some(&b'"') {
            return self.broken_at(at);
        }
        self.position = at;
        let key = self.scan()?;
        at = after_space(bytes, self.position);
        if bytes.get(at) != Some(&b':') {
            return self.broken_at(at);
        }
        self.position = at + 1;
        Some(key)
    }

    /// A key to match on, as it stands in the source: no provider escapes the plain names it uses.
    #[inline]
    pub fn name(&self, key: Span) -> &'a str {
        key.raw(self.source)
    }

    /// Whether the array entered last has another item, which must then be read or skipped.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] where neither an item nor the end follows.
    pub fn item(&mut self) -> Result<bool, Error> {
        self.next_item(b']')
    }

    /// The next value where it is a string; anything else is skipped.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for control characters or broken escapes.
    #[inline]
    pub fn string(&mut self) -> Result<Option<Span>, Error> {
        if self.next_byte()? == b'"' {
            return self.scan_string().map(Some);
        }
        self.skip()?;
        Ok(None)
    }

    /// The next value where it is a string with something in it; anything else is skipped.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for control characters or broken escapes.
    #[inline]
    pub fn text(&mut self) -> Result<Option<Span>, Error> {
        Ok(self.string()?.filter(|span| !span.is_empty()))
    }

    /// The next value where it is a number, rounded towards zero and held within `i64`: counts arrive as
    /// floats from some providers. Anything else is skipped.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for what JSON does not call a number.
    pub fn integer(&mut self) -> Result<Option<i64>, Error> {
        if self.peek()? != Type::Number {
            self.skip()?;
            return Ok(None);
        }
        if let Some(integer) = self.plain_integer() {
            return Ok(Some(integer));
        }
        let number = self.raw()?.raw(self.source);
        Ok(number
            .parse()
            .ok()
            .or_else(|| number.parse::<f64>().ok().map(|value| value as i64)))
    }

    /// The next value where it is a number, as a float. Anything else is skipped.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for what JSON does not call a number.
    pub fn number(&mut self) -> Result<Option<f64>, Error> {
        if self.peek()? != Type::Number {
            self.skip()?;
            return Ok(None);
        }
        Ok(self.raw()?.raw(self.source).parse().ok())
    }

    /// The next value where it is a count, that is a number of at least zero; anything else is skipped.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for what JSON does not call a number.
    pub fn count(&mut self) -> Result<Option<u64>, Error> {
        Ok(self.integer()?.and_then(|value| u64::try_from(value).ok()))
    }

    /// Whether the next value is `true`; any value is read.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] where the value is broken.
    pub fn is_true(&mut self) -> Result<bool, Error> {
        let is_true = self.next_byte()? == b't';
        self.skip()?;
        Ok(is_true)
    }

    /// The next value whatever it is, checked, as it stands in the source.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] where the value is broken.
    pub fn raw(&mut self) -> Result<Span, Error> {
        self.next_byte()?;
        let start = self.position;
        self.skip()?;
        Ok(Span::new(start, self.position, false))
    }

    /// Reads past the next value, checking it.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] or [`Error::TooDeep`].
    pub fn skip(&mut self) -> Result<(), Error> {
        match self.next_byte()? {
            b'"' => self.scan_string().map(drop),
            b'0'..=b'9' | b'-' => self.scan_number(),
            b'n' => self.literal("null"),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'{' => {
                self.enter(b'{')?;
                while self.key()?.is_some() {
                    self.skip()?;
                }
                Ok(())
            }
            b'[' => {
                self.enter(b'[')?;
                while self.item()? {
                    self.skip()?;
                }
                Ok(())
            }
            _ => Err(self.malformed()),
        }
    }

    /// Checks that nothing but white space is left.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] where something is.
    pub fn finish(&mut self) -> Result<(), Error> {
        self.skip_space();
        if self.position < self.source.len() {
            return Err(self.malformed());
        }
        Ok(())
    }

    fn enter(&mut self, opening: u8) -> Result<bool, Error> {
        if self.next_byte()? != opening {
            self.skip()?;
            return Ok(false);
        }
        if self.depth == MAX_DEPTH {
            return Err(Error::TooDeep {
                limit: MAX_DEPTH as u32,
            });
        }
        self.depth += 1;
        self.position += 1;
        self.fresh = true;
        Ok(true)
    }

    #[inline]
    fn next_item(&mut self, closing: u8) -> Result<bool, Error> {
        let byte = self.next_byte()?;
        if byte == closing {
            self.position += 1;
            self.depth -= 1;
            self.fresh = false;
            return Ok(false);
        }
        if !self.fresh {
            if byte != b',' {
                return Err(self.malformed());
            }
            self.position += 1;
        }
        self.fresh = false;
        Ok(true)
    }

    #[inline]
    fn next_byte(&mut self) -> Result<u8, Error> {
        self.skip_space();
        self.source
            .as_bytes()
            .get(self.position)
            .copied()
            .ok_or_else(|| self.malformed())
    }

    #[inline]
    fn skip_space(&mut self) {
        self.position = after_space(self.source.as_bytes(), self.position);
    }

    /// Reads the string whose opening quote is the next byte.
    #[inline]
    fn scan_string(&mut self) -> Result<Span, Error> {
        self.scan().ok_or_else(|| self.malformed())
    }

    /// The same, and `None` for a string that is `broken`.
    fn scan(&mut self) -> Option<Span> {
        let bytes = self.source.as_bytes();
        let start = self.position + 1;
        let (mut at, mut escaped) = (start, false);
        loop {
            at = plain_until(bytes, at);
            match bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    let Some(length) = escape_bytes(&bytes[at + 1..]) else {
                        return self.broken_at(at);
                    };
                    at += length;
                }
                _ => return self.broken_at(at),
            }
        }
        self.position = at + 1;
        Some(Span::new(start, at, escaped))
    }

    #[cold]
    fn broken_at(&mut self, position: usize) -> Option<Span> {
        self.position = position;
        self.broken = true;
        None
    }

    /// Reads a number of one to eighteen digits and nothing else; leaves every other number where it is.
    fn plain_integer(&mut self) -> Option<i64> {
        let rest = &self.source.as_bytes()[self.position..];
        let mut value = 0_i64;
        for (length, byte) in rest.iter().take(19).enumerate() {
            match byte {
                b'0'..=b'9' => value = value.wrapping_mul(10) + i64::from(byte - b'0'),
                b'.' | b'e' | b'E' | b'-' => return None,
                _ if length > 1 && rest[0] == b'0' => return None,
                _ => {
                    self.position += length;
                    return Some(value);
                }
            }
        }
        None
    }

    fn scan_number(&mut self) -> Result<(), Error> {
        self.accept(b"-");
        if !self.accept(b"0") {
            self.digits()?;
        }
        if self.accept(b".") {
            self.digits()?;
        }
        if self.accept(b"eE") {
            self.accept(b"+-");
            self.digits()?;
        }
        Ok(())
    }

    fn accept(&mut self, wanted: &[u8]) -> bool {
        let found = self
            .source
            .as_bytes()
            .get(self.position)
            .is_some_and(|byte| wanted.contains(byte));
        self.position += usize::from(found);
        found
    }

    fn digits(&mut self) -> Result<(), Error> {
        let rest = &self.source.as_bytes()[self.position..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 {
            return Err(self.malformed());
        }
        self.position += count;
        Ok(())
    }

    fn literal(&mut self, word: &str) -> Result<(), Error> {
        if !self.source.as_bytes()[self.position..].starts_with(word.as_bytes()) {
            return Err(self.malformed());
        }
        self.position += word.len();
        Ok(())
    }

    #[cold]
    fn malformed(&self) -> Error {
        Error::Malformed {
            offset: self.position as u32,
        }
    }
}

/// Index of the first byte at or after `position` that is not white space.
#[inline]
fn after_space(bytes: &[u8], mut position: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(position) {
        position += 1;
    }
    position
}

/// How long the escape is whose backslash stands before `rest`; `None` where it is none.
fn escape_bytes(rest: &[u8]) -> Option<usize> {
    match rest {
        [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => Some(2),
        [b'u', digits @ ..]
            if digits.len() >= 4 && digits[..4].iter().all(u8::is_ascii_hexdigit) =>
        {
            Some(6)
        }
        _ => None,
    }
}

/// Index of the first quote, backslash or control character at or after `position`, or the length.
#[inline]
pub(super) fn plain_until(bytes: &[u8], mut position: usize) -> usize {
    while let Some(word) = bytes.get(position..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*word);
        let special = zero_bytes(word ^ (LOW_BITS * u64::from(b'"')))
            | zero_bytes(word ^ (LOW_BITS * u64::from(b'\\')))
            | (word.wrapping_sub(LOW_BITS * 0x20) & !word & HIGH_BITS);
        if special != 0 {
            // A borrow may mark bytes above the first special one, never below it.
            return position + special.trailing_zeros() as usize / 8;
        }
        position += 8;
    }
    let tail = bytes.get(position..).unwrap_or_default();
    let plain = tail
        .iter()
        .take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20))
        .count();
    position + plain
}

#[inline]
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(LOW_BITS) & !word & HIGH_BITS
}
