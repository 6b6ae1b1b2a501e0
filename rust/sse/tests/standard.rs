//! The rules of the WHATWG event-stream format, one test each: read whole, byte by byte, and cut once at
//! every place. `tests/core/test_sse_rules.py` is the same table through Python.

mod support;

use inferail_sse::{Event, Parser};
use support::Owned;

fn parse(chunks: &[&[u8]]) -> Vec<Owned> {
    let (mut parser, mut events) = (Parser::new(), Vec::new());
    for chunk in chunks {
        let mut sink = |event: Event<'_>| {
            events.push(Owned {
                event: event.event.to_owned(),
                data: event.data.to_owned(),
                id: event.id.to_owned(),
                retry: event.retry,
            });
        };
        assert_eq!(parser.feed(chunk, &mut sink), Ok(()));
    }
    events
}

fn assert_rule<T: PartialEq + std::fmt::Debug>(
    bytes: &[u8],
    expected: &[T],
    field: impl Fn(Owned) -> T,
) {
    let read = |chunks: &[&[u8]]| parse(chunks).into_iter().map(&field).collect::<Vec<_>>();
    assert_eq!(read(&[bytes]), expected, "whole");
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(read(&single), expected, "byte by byte");
    for at in 0..=bytes.len() {
        assert_eq!(read(&[&bytes[..at], &bytes[at..]]), expected, "cut at {at}");
    }
    let twin: Vec<T> = support::parse(bytes).into_iter().map(&field).collect();
    assert_eq!(twin, expected, "twin");
}

/// `name: bytes, field => that field of every event;` makes a test.
macro_rules! rules {
    ($($name:ident: $bytes:expr, $field:ident => $expected:expr;)*) => {$(
        #[test]
        fn $name() {
            let expected = $expected.map(Into::into);
            assert_rule($bytes.as_ref(), &expected, |event| event.$field);
        }
    )*};
}

rules! {
    one_data_line_is_one_event:
        b"data: a\n\ndata: b\n\n", data => ["a", "b"];
    data_lines_are_joined_with_line_feeds:
        b"data: a\ndata: b\ndata\n\n", data => ["a\nb\n"];
    carriage_return_ends_a_line:
        b"data: a\rdata: b\r\rdata: c\r\r", data => ["a\nb", "c"];
    carriage_return_and_line_feed_are_one_ending:
        b"data: a\r\ndata: b\r\n\r\ndata: c\r\r\ndata: d\n\r\n", data => ["a\nb", "c", "d"];
    line_feed_and_carriage_return_are_two_endings:
        b"data: a\n\rdata: b\n\r", data => ["a", "b"];
    leading_byte_order_mark_is_dropped:
        b"\xef\xbb\xbfdata: a\n\n", data => ["a"];
    later_byte_order_mark_is_text:
        b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: \xef\xbb\xbfb\n\n", data => ["\u{feff}b"];
    part_of_a_byte_order_mark_is_text:
        b"\xef\xbbdata: a\n\ndata: b\n\n", data => ["b"];
    one_space_after_the_colon_is_dropped:
        b"data:a\n\ndata:  b\n\ndata:\tc\n\n", data => ["a", " b", "\tc"];
    first_colon_ends_the_name:
        b"data: a: b:c\n\n", data => ["a: b:c"];
    line_without_a_colon_is_a_name:
        b"data\ndata\n\n", data => ["\n"];
    empty_data_is_an_event:
        b"data:\n\ndata\n\n", data => ["", ""];
    comment_says_nothing:
        b": hello\ndata: a\n:\n\n: bye\n\n", data => ["a"];
    unknown_field_says_nothing:
        b"foo: b\nDATA: c\n data: d\ndata : e\ndata: a\n\n", data => ["a"];
    event_type_lasts_for_one_event:
        b"event: a\nevent: b\ndata: 1\n\ndata: 2\n\nevent: c\n\ndata: 3\n\n",
        event => ["b", "message", "message"];
    event_without_data_is_dropped:
        b"event: ping\n\nid: 1\n\nretry: 1\n\n\n\ndata: a\n\n", data => ["a"];
    id_stays_until_it_is_replaced:
        b"id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\nid: 2\n\ndata: d\n\n",
        id => ["1", "1", "", "2"];
    id_with_nul_is_dropped:
        b"id: 1\ndata: a\n\nid: x\0y\ndata: b\n\n", id => ["1", "1"];
    blank_lines_after_an_id_are_no_events:
        b"id: 1\ndata: a\n\n\n\n\n", data => ["a"];
    retry_takes_only_ascii_digits:
        "retry: 007\ndata\n\nretry: -5\ndata\n\nretry: 1_0\ndata\n\nretry:  5\ndata\n\nretry: ٣\ndata\n\n",
        retry => [Some(7_u64), None, None, None, None];
    unterminated_event_is_dropped:
        b"data: a\n\ndata: b\n", data => ["a"];
    other_separators_are_text:
        "data: a\u{2028}b\u{2029}c\u{85}d\u{b}\u{c}\0\u{1e}e\n\n",
        data => ["a\u{2028}b\u{2029}c\u{85}d\u{b}\u{c}\0\u{1e}e"];
    invalid_utf_8_is_replaced:
        b"data: a\xff\xc3b\n\ndata: \xe2\x82\ndata: \xac\n\ndata: \xf0\x9f\x98\x80\n\n",
        data => ["a\u{fffd}\u{fffd}b", "\u{fffd}\n\u{fffd}", "😀"];
}
