//! Any bytes, split anywhere, through the parser of AWS event streams, against the slow twin of its tests.
#![no_main]

#[path = "../../sse/tests/support/aws_event_stream.rs"]
mod support;

use inferail_fuzz::{COUNTING, Counting, Splits, allocated_bytes};
use inferail_sse::{DEFAULT_MAX_EVENT_BYTES, Message, MessageParser};
use libfuzzer_sys::fuzz_target;
use support::{Outcome, checksum};

#[global_allocator]
static ALLOCATOR: Counting = COUNTING;

fn parse<'a>(max_payload_bytes: usize, chunks: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut parser = MessageParser::with_max_payload_bytes(max_payload_bytes);
    let mut outcome = Outcome::default();
    for chunk in chunks {
        let messages = &mut outcome.messages;
        let mut sink = |message: Message<'_>| messages.push(message.into());
        let error = parser.feed(chunk, &mut sink).err();
        assert!(outcome.error.is_none() || outcome.error == error);
        outcome.error = error;
    }
    outcome.is_inside = parser.is_inside_message();
    outcome
}

/// Byte by byte is the worst split for a parser that copies its buffer.
fn check_allocations(data: &[u8]) {
    let before = allocated_bytes();
    let mut parser = MessageParser::new();
    for chunk in data.chunks(1) {
        let _ = parser.feed(chunk, &mut |_: Message<'_>| {});
    }
    let allocated = allocated_bytes() - before;
    assert!(allocated <= 4 * data.len() + 64, "{allocated} bytes");
}

/// The same bytes with checksums that fit, as far as they are messages: no fuzzer guesses a checksum.
fn mended(data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    let mut start = 0;
    while let Some([a, b, c, d]) = data
        .get(start..start + 4)
        .and_then(|bytes| bytes.first_chunk())
    {
        let end = start.saturating_add(u32::from_be_bytes([*a, *b, *c, *d]) as usize);
        if start + 16 > data.len() {
            break;
        }
        let prelude = checksum(&data[start..start + 8]).to_be_bytes();
        data[start + 8..start + 12].copy_from_slice(&prelude);
        if end < start + 16 || end > data.len() {
            break;
        }
        let message = checksum(&data[start..end - 4]).to_be_bytes();
        data[end - 4..end].copy_from_slice(&message);
        start = end;
    }
    data
}

fn check(data: &[u8]) {
    let mut splits = Splits::new(data);
    for max_payload_bytes in [DEFAULT_MAX_EVENT_BYTES, splits.below(data.len() + 1)] {
        let whole = parse(max_payload_bytes, [data]);
        assert_eq!(whole, parse(max_payload_bytes, data.chunks(1)));
        assert_eq!(whole, parse(max_payload_bytes, splits.pieces(data)));
        assert_eq!(whole, support::parse(data, max_payload_bytes));
    }
    check_allocations(data);
}

fuzz_target!(|data: &[u8]| {
    check(data);
    check(&mended(data));
});
