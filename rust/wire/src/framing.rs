//! How a body is cut into events.

use std::borrow::Cow;

use inferail_sse::{Error, Event, Message, MessageParser, Parser, Sink};

use crate::documents::{Document, Documents};

/// The name of an event that may only be the beginning of one: it is to be read if it is the last of the stream.
pub(crate) const UNTERMINATED: &str = "unterminated";

/// What the name of an event begins with where it is an exception of an AWS event stream.
pub(crate) const EXCEPTION: &str = ":exception/";

/// What a format puts around its events.
#[derive(Debug)]
pub(crate) enum Framing {
    /// Server-sent events.
    Sse(Parser),
    /// One JSON document a line.
    Ndjson(Documents),
    /// Binary messages of AWS, each with one JSON document.
    AwsEventStream(MessageParser),
}

impl Framing {
    pub(crate) fn sse(max_event_bytes: usize) -> Self {
        Self::Sse(Parser::with_max_event_bytes(max_event_bytes))
    }

    pub(crate) fn ndjson(max_event_bytes: usize) -> Self {
        Self::Ndjson(Documents::new(max_event_bytes))
    }

    pub(crate) fn aws_event_stream(max_event_bytes: usize) -> Self {
        Self::AwsEventStream(MessageParser::with_max_payload_bytes(max_event_bytes))
    }

    /// Takes the next bytes and hands on the events they complete. A line of JSON is an event without a name; one that
    /// lacks its line feed is named [`UNTERMINATED`], and comes again where it gets one.
    pub(crate) fn feed<S: Sink>(&mut self, chunk: &[u8], sink: &mut S) -> Result<(), Error> {
        match self {
            Self::Sse(parser) => parser.feed(chunk, sink),
            Self::Ndjson(documents) => documents.feed(chunk, &mut |document| {
                let (event, bytes) = match document {
                    Document::Line(bytes) => ("message", bytes),
                    Document::Object(bytes) => (UNTERMINATED, bytes),
                };
                sink.event(Event {
                    event,
                    data: &String::from_utf8_lossy(bytes),
                    id: "",
                    retry: None,
                });
            }),
            Self::AwsEventStream(parser) => {
                parser.feed(chunk, &mut |message| pass_on(message, sink))
            }
        }
    }

    /// Whether the bytes so far end within an event.
    pub(crate) fn is_inside_event(&self) -> bool {
        match self {
            Self::Sse(parser) => parser.is_inside_event(),
            Self::Ndjson(documents) => documents.is_inside(),
            Self::AwsEventStream(parser) => parser.is_inside_message(),
        }
    }

    /// The data of the event the bytes so far end within, were it over now.
    pub(crate) fn unfinished_data(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Sse(parser) => parser.unfinished_data(),
            Self::Ndjson(_) | Self::AwsEventStream(_) => None,
        }
    }
}

/// Hands on a message as an event. Where the service fails, one of two comes in place of an event: an exception,
/// which the service's model names and which has a body, or an error, which is headers alone.
fn pass_on<S: Sink>(message: Message<'_>, sink: &mut S) {
    let body = String::from_utf8_lossy(message.payload);
    let (name, data) = match message.text(":message-type") {
        Some("exception") => {
            let name = message.text(":exception-type").unwrap_or("exception");
            (Cow::Owned(format!("{EXCEPTION}{name}")), body)
        }
        Some("error") => {
            let name = message.text(":error-code").unwrap_or("error");
            let told = message.text(":error-message").unwrap_or_default();
            let data = Cow::Owned(message_object(told));
            (Cow::Owned(format!("{EXCEPTION}{name}")), data)
        }
        _ => (
            Cow::Borrowed(message.text(":event-type").unwrap_or_default()),
            body,
        ),
    };
    sink.event(Event {
        event: &name,
        data: if data.trim_ascii().is_empty() {
            "{}"
        } else {
            &data
        },
        id: "",
        retry: None,
    });
}

/// `{"message": …}` as JSON.
fn message_object(text: &str) -> String {
    let mut json = String::from("{\"message\":\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            '\0'..='\u{1f}' => json.extend(format!("\\u{:04x}", u32::from(character)).chars()),
            _ => json.push(character),
        }
    }
    json + "\"}"
}
