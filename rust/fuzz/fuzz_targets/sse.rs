//! Any bytes, split anywhere, through the event-stream parser, against the slow twin of its tests.
#![no_main]

#[path = "../../sse/tests/support/mod.rs"]
mod support;

use inferail_fuzz::{COUNTING, Counting, Splits, allocated_bytes};
use inferail_sse::{DEFAULT_MAX_EVENT_BYTES, Error, Event, Parser, Sink};
use libfuzzer_sys::fuzz_target;
use support::Owned;

#[global_allocator]
static ALLOCATOR: Counting = COUNTING;

/// All a stream can tell.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    events: Vec<Owned>,
    unknown_lines: Vec<String>,
    error: Option<Error>,
    is_inside_event: bool,
    unfinished_data: Option<String>,
    last_event_id: String,
    reconnection_time: Option<u64>,
}

impl Sink for Outcome {
    fn event(&mut self, event: Event<'_>) {
        self.events.push(Owned {
            event: event.event.to_owned(),
            data: event.data.to_owned(),
            id: event.id.to_owned(),
            retry: event.retry,
        });
    }

    fn unknown_line(&mut self, line: &str) {
        self.unknown_lines.push(line.to_owned());
    }
}

fn parse<'a>(max_event_bytes: usize, chunks: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut parser = Parser::with_max_event_bytes(max_event_bytes);
    let mut outcome = Outcome::default();
    for chunk in chunks {
        let error = parser.feed(chunk, &mut outcome).err();
        assert!(outcome.error.is_none() || outcome.error == error);
        outcome.error = error;
    }
    outcome.is_inside_event = parser.is_inside_event();
    outcome.unfinished_data = parser.unfinished_data().map(String::from);
    parser
        .last_event_id()
        .clone_into(&mut outcome.last_event_id);
    outcome.reconnection_time = parser.reconnection_time();
    outcome
}

/// Byte by byte is the worst split for a parser that copies its buffer.
fn check_allocations(data: &[u8]) {
    let before = allocated_bytes();
    let mut parser = Parser::new();
    for chunk in data.chunks(1) {
        let _ = parser.feed(chunk, &mut |_: Event<'_>| {});
    }
    let allocated = allocated_bytes() - before;
    assert!(allocated <= 16 * data.len() + 1024, "{allocated} bytes");
}

fuzz_target!(|data: &[u8]| {
    let mut splits = Splits::new(data);
    for max_event_bytes in [DEFAULT_MAX_EVENT_BYTES, splits.below(data.len() + 1)] {
        let whole = parse(max_event_bytes, [data]);
        assert_eq!(whole, parse(max_event_bytes, data.chunks(1)));
        assert_eq!(whole, parse(max_event_bytes, splits.pieces(data)));
        if whole.error.is_none() {
            assert_eq!(whole.events, support::parse(data));
        }
    }
    check_allocations(data);
});
