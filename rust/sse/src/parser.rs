//! The event-stream parser of the WHATWG HTML standard, section 9.2.6.

use std::borrow::Cow;
use std::mem;

use memchr::{memchr, memchr2};

use crate::{DEFAULT_MAX_EVENT_BYTES, Error};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A buffer that grew beyond this is given back to the allocator once its event is over.
const RETAINED_BYTES: usize = 1024 * 1024;

/// One dispatched event, borrowed from the chunk or from the parser for the length of the callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// The event's type; `"message"` where the stream named none.
    pub event: &'a str,
    /// The `data:` lines joined with `\n`; invalid UTF-8 is replaced by U+FFFD.
    pub data: &'a str,
    /// The last event id in force, which persists from event to event; empty where there was none.
    pub id: &'a str,
    /// The `retry:` value, in milliseconds, sent within this event.
    pub retry: Option<u64>,
}

/// What a [`Parser`] hands its findings to. Any `FnMut(Event<'_>)` is a sink.
pub trait Sink {
    /// Takes one event.
    fn event(&mut self, event: Event<'_>);

    /// Takes a line whose field name the standard does not know and tells parsers to ignore. Gemini sends
    /// an error in the middle of a stream as bare lines of JSON, which arrive here.
    fn unknown_line(&mut self, line: &str) {
        let _ = line;
    }
}

impl<F: FnMut(Event<'_>)> Sink for F {
    fn event(&mut self, event: Event<'_>) {
        self(event);
    }
}

/// An incremental `text/event-stream` parser.
///
/// Chunks may be split anywhere: inside the byte order mark, a line ending, or a UTF-8 sequence. An event
/// that is a single `data:` line and lies whole in a chunk is passed on without a copy.
///
/// ```
/// use inferail_sse::{Event, Parser};
///
/// let mut parser = Parser::with_max_event_bytes(1024);
/// parser.feed(b"id: 7\nevent: delta\ndata: one\ndata: two\n\n", &mut |event: Event<'_>| {
///     assert_eq!((event.event, event.data, event.id), ("delta", "one\ntwo", "7"));
/// })?;
/// # Ok::<(), inferail_sse::Error>(())
/// ```
#[derive(Debug)]
pub struct Parser {
    /// Start of a line whose end has not arrived.
    line: Vec<u8>,
    fields: Fields,
    /// Bytes of the byte order mark matched so far; `None` once the start of the stream is behind us.
    mark_matched: Option<usize>,
    /// The last chunk ended in `\r`, so a leading `\n` belongs to that line ending.
    skip_line_feed: bool,
    max_event_bytes: usize,
    failed: Option<Error>,
}

impl Default for Parser {
    fn default() -> Self {
        Self::new()
    }
}

impl Parser {
    /// A parser with the default bound, [`DEFAULT_MAX_EVENT_BYTES`].
    pub fn new() -> Self {
        Self::with_max_event_bytes(DEFAULT_MAX_EVENT_BYTES)
    }

    /// A parser whose events, and lines, hold at most `max_event_bytes` bytes.
    pub fn with_max_event_bytes(max_event_bytes: usize) -> Self {
        Self {
            line: Vec::new(),
            fields: Fields::default(),
            mark_matched: Some(0),
            skip_line_feed: false,
            max_event_bytes,
            failed: None,
        }
    }

    /// Takes the next bytes of the stream and calls `sink` for every event they complete.
    ///
    /// # Errors
    ///
    /// [`Error::EventTooLarge`] once an event exceeds the bound; events before it have been delivered.
    pub fn feed<S: Sink + ?Sized>(&mut self, chunk: &[u8], sink: &mut S) -> Result<(), Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let result = self.advance(chunk, sink);
        if let Err(error) = result {
            self.failed = Some(error);
            self.line = Vec::new();
            self.fields = Fields::default();
        }
        result
    }

    /// Whether the bytes so far end within an event, which the end of the stream would discard.
    pub fn is_inside_event(&self) -> bool {
        self.fields.pending || !self.line.is_empty()
    }

    /// The data of the event the bytes so far end within, were it dispatched now. The standard discards it;
    /// a caller may look whether a terminal marker is what was left unterminated.
    pub fn unfinished_data(&self) -> Option<Cow<'_, str>> {
        if self.fields.has_data {
            return self.line.is_empty().then(|| lossy(&self.fields.data));
        }
        self.line
            .strip_prefix(b"data:")
            .map(|value| lossy(value.strip_prefix(b" ").unwrap_or(value)))
    }

    /// The last event id to send on reconnection; empty where the stream set none.
    pub fn last_event_id(&self) -> &str {
        &self.fields.last_event_id
    }

    /// The reconnection time in milliseconds, where the stream set one.
    pub fn reconnection_time(&self) -> Option<u64> {
        self.fields.reconnection_time
    }

    fn advance<S: Sink + ?Sized>(&mut self, chunk: &[u8], sink: &mut S) -> Result<(), Error> {
        let mut rest = self.strip_mark(chunk);
        if self.skip_line_feed && !rest.is_empty() {
            self.skip_line_feed = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        if !self.line.is_empty() {
            let Some(end) = memchr2(b'\n', b'\r', rest) else {
                return self.keep(rest);
            };
            self.keep(&rest[..end])?;
            let mut line = mem::take(&mut self.line);
            rest = self.after_line_end(&rest[end..]);
            rest = self.take_line(&line, rest, sink)?;
            line.clear();
            line.shrink_to(RETAINED_BYTES);
            self.line = line;
        }
        while let Some(end) = memchr2(b'\n', b'\r', rest) {
            let line = &rest[..end];
            rest = self.after_line_end(&rest[end..]);
            rest = self.take_line(line, rest, sink)?;
        }
        self.keep(rest)
    }

    /// Removes a leading byte order mark, which may arrive in pieces.
    fn strip_mark<'a>(&mut self, chunk: &'a [u8]) -> &'a [u8] {
        let Some(matched) = self.mark_matched else {
            return chunk;
        };
        let wanted = &BYTE_ORDER_MARK[matched..];
        let common = wanted
            .iter()
            .zip(chunk)
            .take_while(|(mark, byte)| mark == byte)
            .count();
        if common == wanted.len() {
            self.mark_matched = None;
            &chunk[common..]
        } else if common == chunk.len() {
            self.mark_matched = Some(matched + common);
            &[]
        } else {
            self.mark_matched = None;
            self.line.extend_from_slice(&BYTE_ORDER_MARK[..matched]);
            chunk
        }
    }

    /// Steps over the line ending `rest` starts with, or over the part of it that has arrived.
    fn after_line_end<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        self.skip_line_feed = rest == b"\r";
        match rest {
            [b'\r', b'\n', rest @ ..] | [b'\r' | b'\n', rest @ ..] => rest,
            _ => rest,
        }
    }

    /// Handles one whole line and returns what is left of `rest`, which follows it.
    fn take_line<'a, S: Sink + ?Sized>(
        &mut self,
        line: &[u8],
        rest: &'a [u8],
        sink: &mut S,
    ) -> Result<&'a [u8], Error> {
        if line.is_empty() {
            self.fields.dispatch(sink);
            return Ok(rest);
        }
        self.check_size(line.len())?;
        if let Some(value) = line.strip_prefix(b"data:") {
            let value = value.strip_prefix(b" ").unwrap_or(value);
            if let [b'\n' | b'\r', ..] = rest
                && !self.fields.has_data
            {
                self.fields.dispatch_borrowed(value, sink);
                return Ok(self.after_line_end(rest));
            }
            self.fields.push_data(value);
        } else {
            self.fields.take_other(line, sink);
        }
        Ok(rest)
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.check_size(self.line.len() + bytes.len())?;
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn check_size(&self, line_bytes: usize) -> Result<(), Error> {
        if self.fields.bytes() + line_bytes > self.max_event_bytes {
            return Err(Error::EventTooLarge {
                limit: self.max_event_bytes,
            });
        }
        Ok(())
    }
}

/// The buffers of the standard: what the lines of the current event have said so far.
#[derive(Debug, Default)]
struct Fields {
    data: Vec<u8>,
    has_data: bool,
    event: Vec<u8>,
    /// The id the next blank line puts in force.
    next_id: Option<String>,
    last_event_id: String,
    retry: Option<u64>,
    reconnection_time: Option<u64>,
    /// A field was seen since the last blank line.
    pending: bool,
}

impl Fields {
    fn bytes(&self) -> usize {
        self.data.len() + self.event.len()
    }

    fn push_data(&mut self, value: &[u8]) {
        if self.has_data {
            self.data.push(b'\n');
        }
        self.data.extend_from_slice(value);
        self.has_data = true;
        self.pending = true;
    }

    /// Handles a line that does not start with `data:`.
    fn take_other<S: Sink + ?Sized>(&mut self, line: &[u8], sink: &mut S) {
        let (name, value) = match memchr(b':', line) {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"" => return,
            b"event" => {
                self.event.clear();
                self.event.extend_from_slice(value);
            }
            b"data" => self.push_data(value),
            b"id" if !value.contains(&0) => {
                self.next_id = Some(lossy(value).into_owned());
            }
            b"id" => {}
            b"retry" => {
                if let Some(milliseconds) = parse_digits(value) {
                    self.retry = Some(milliseconds);
                    self.reconnection_time = Some(milliseconds);
                }
            }
            _ => {
                sink.unknown_line(&lossy(line));
                return;
            }
        }
        self.pending = true;
    }

    fn dispatch<S: Sink + ?Sized>(&mut self, sink: &mut S) {
        if self.has_data {
            let data = mem::take(&mut self.data);
            self.dispatch_borrowed(&data, sink);
            self.data = data;
            self.data.clear();
            self.data.shrink_to(RETAINED_BYTES);
        } else {
            self.commit_id();
        }
        self.reset();
    }

    fn dispatch_borrowed<S: Sink + ?Sized>(&mut self, data: &[u8], sink: &mut S) {
        self.commit_id();
        let event = match self.event.as_slice() {
            b"" => Cow::Borrowed("message"),
            name => lossy(name),
        };
        sink.event(Event {
            event: &event,
            data: &lossy(data),
            id: &self.last_event_id,
            retry: self.retry,
        });
        self.reset();
    }

    fn commit_id(&mut self) {
        if let Some(id) = self.next_id.take() {
            self.last_event_id = id;
        }
    }

    fn reset(&mut self) {
        self.event.clear();
        self.has_data = false;
        self.retry = None;
        self.pending = false;
    }
}

/// The value of a string of ASCII digits, held at the largest `u64`; `None` for anything else.
fn parse_digits(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0_u64, |total, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        Some(total.saturating_mul(10).saturating_add(digit))
    })
}

/// Text of `bytes`, U+FFFD in place of what is not UTF-8.
fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    // `from_utf8_lossy` walks byte by byte; `from_utf8` takes ASCII a word at a time.
    str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}
