//! Framing of model streams: bytes split anywhere go in, whole events come out.
//!
//! [`Parser`] follows the WHATWG event-stream rules to the letter, [`LineSplitter`] cuts newline-delimited
//! JSON, [`MessageParser`] reads the binary event stream of AWS. All are push parsers: they borrow each chunk,
//! copy only what a chunk leaves unfinished, and cost time linear in the input for every way of splitting it.
//!
//! ```
//! use inferail_sse::{Event, Parser};
//!
//! let mut parser = Parser::new();
//! let mut seen = Vec::new();
//! let mut sink = |event: Event<'_>| seen.push(event.data.to_owned());
//! parser.feed(b"data: hel", &mut sink)?;
//! parser.feed(b"lo\n\ndata: cut", &mut sink)?;
//! assert_eq!(seen, ["hello"]);
//! assert!(parser.is_inside_event());
//! # Ok::<(), inferail_sse::Error>(())
//! ```
#![forbid(unsafe_code)]

mod aws_event_stream;
mod error;
mod ndjson;
mod parser;

pub use aws_event_stream::{Headers, MAX_HEADERS_BYTES, Message, MessageParser, Value};
pub use error::{Error, Part};
pub use ndjson::LineSplitter;
pub use parser::{Event, Parser, Sink};

/// Most bytes an event or a line may hold unless the caller says otherwise: 64 MiB, room for several images.
pub const DEFAULT_MAX_EVENT_BYTES: usize = 64 * 1024 * 1024;
