//! How a body is cut into events.

use std::borrow::Cow;

use inferail_sse::{Error, Event, Parser, Sink};

use crate::documents::Documents;

/// What a format puts around its events.
#[derive(Debug)]
pub(crate) enum Framing {
    /// Server-sent events.
    Sse(Parser),
    /// One JSON document a line.
    Ndjson(Documents),
}

impl Framing {
    pub(crate) fn sse(max_event_bytes: usize) -> Self {
        Self::Sse(Parser::with_max_event_bytes(max_event_bytes))
    }

    pub(crate) fn ndjson(max_event_bytes: usize) -> Self {
        Self::Ndjson(Documents::new(max_event_bytes))
    }

    /// Takes the next bytes and hands on the events they complete; a JSON document is an event without a name.
    pub(crate) fn feed<S: Sink>(&mut self, chunk: &[u8], sink: &mut S) -> Result<(), Error> {
        match self {
            Self::Sse(parser) => parser.feed(chunk, sink),
            Self::Ndjson(documents) => documents.feed(chunk, &mut |document| {
                sink.event(Event {
                    event: "message",
                    data: &String::from_utf8_lossy(document),
                    id: "",
                    retry: None,
                });
            }),
        }
    }

    /// Whether the bytes so far end within an event.
    pub(crate) fn is_inside_event(&self) -> bool {
        match self {
            Self::Sse(parser) => parser.is_inside_event(),
            Self::Ndjson(documents) => documents.is_inside(),
        }
    }

    /// The data of the event the bytes so far end within, were it over now.
    pub(crate) fn unfinished_data(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Sse(parser) => parser.unfinished_data(),
            Self::Ndjson(_) => None,
        }
    }
}
