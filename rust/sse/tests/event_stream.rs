//! What the parser does beyond the rules of `standard.rs`; any stream, against the twin.

mod support;

use inferail_sse::{DEFAULT_MAX_EVENT_BYTES, Error, Event, Parser, Sink};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use support::{Owned, parse};

fn feed(parser: &mut Parser, chunks: &[&[u8]]) -> Vec<Owned> {
    let mut events = Vec::new();
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

fn whole(bytes: &[u8]) -> Vec<Owned> {
    feed(&mut Parser::new(), &[bytes])
}

#[test]
fn last_event_id_changes_only_at_a_blank_line() {
    let mut parser = Parser::new();

    feed(&mut parser, &[b"id: 1\n\nid: 2\n"]);
    let before = parser.last_event_id().to_owned();
    feed(&mut parser, &[b"\n"]);

    assert_eq!((before.as_str(), parser.last_event_id()), ("1", "2"));
}

#[test]
fn retry_takes_ascii_digits_only() {
    for (value, expected) in [
        ("3000", Some(3000)),
        ("007", Some(7)),
        ("-5", None),
        ("+5", None),
        (" 5", None),
        ("1_0", None),
        ("5 ", None),
        ("1.5", None),
        ("٣", None),
        ("", None),
        ("99999999999999999999", Some(u64::MAX)),
    ] {
        let mut parser = Parser::new();

        let events = feed(
            &mut parser,
            &[format!("retry: {value}\ndata\n\ndata\n\n").as_bytes()],
        );

        assert_eq!(parser.reconnection_time(), expected, "{value:?}");
        assert_eq!(
            (events[0].retry, events[1].retry),
            (expected, None),
            "{value:?}"
        );
    }
}

#[test]
fn inside_event_is_known_at_every_place() {
    for (bytes, expected) in [
        (&b""[..], false),
        (b"\xef\xbb", false),
        (b"data: a\n\n", false),
        (b"data: a\r\n\r", false),
        (b": comment\n", false),
        (b"data: a\n", true),
        (b"id: 1\n", true),
        (b"d", true),
    ] {
        let mut parser = Parser::new();
        feed(&mut parser, &[bytes]);
        assert_eq!(parser.is_inside_event(), expected, "{bytes:?}");
    }
}

#[test]
fn unfinished_data_is_what_a_blank_line_would_dispatch() {
    for (bytes, expected) in [
        (&b"data: a\n\n"[..], None),
        (b"data: a\n", Some("a")),
        (b"data: a", Some("a")),
        (b"data: a\ndata: b\n", Some("a\nb")),
        (b"data: a\ndata: b", None),
        (b"event: a", None),
    ] {
        let mut parser = Parser::new();
        feed(&mut parser, &[bytes]);
        assert_eq!(parser.unfinished_data().as_deref(), expected, "{bytes:?}");
    }
}

#[test]
fn single_data_line_is_not_copied() {
    let chunk = b"event: x\ndata: borrowed\n\n".to_vec();
    let mut address = None;

    Parser::new()
        .feed(&chunk, &mut |event: Event<'_>| {
            address = Some(event.data.as_ptr() as usize);
        })
        .unwrap();

    assert_eq!(address, Some(chunk[15..].as_ptr() as usize));
}

#[test]
fn event_beyond_the_bound_is_an_error_after_earlier_events() {
    let bytes = b"data: ok\n\ndata: 12345\ndata: 67890\n\n";
    for size in [1, 3, bytes.len()] {
        let mut parser = Parser::with_max_event_bytes(12);
        let mut seen = 0;

        let failed = bytes
            .chunks(size)
            .find_map(|chunk| parser.feed(chunk, &mut |_: Event<'_>| seen += 1).err());
        let again = parser.feed(b"data: x\n\n", &mut |_: Event<'_>| seen += 1);

        assert_eq!(
            failed,
            Some(Error::EventTooLarge { limit: 12 }),
            "chunks of {size}"
        );
        assert_eq!(
            again,
            Err(Error::EventTooLarge { limit: 12 }),
            "chunks of {size}"
        );
        assert_eq!(seen, 1, "chunks of {size}");
    }
}

#[test]
fn large_event_arrives_whole_in_small_chunks() {
    let mut bytes = b"data: ".to_vec();
    bytes.resize(8 * 1024 * 1024, b'x');
    bytes.extend(b"\n\n");
    assert!(bytes.len() < DEFAULT_MAX_EVENT_BYTES);
    let mut lengths = Vec::new();
    let mut parser = Parser::new();

    for chunk in bytes.chunks(64) {
        parser
            .feed(chunk, &mut |event: Event<'_>| {
                lengths.push(event.data.len());
            })
            .unwrap();
    }

    assert_eq!(lengths, [8 * 1024 * 1024 - 6]);
}

#[test]
fn unknown_lines_reach_the_hook() {
    #[derive(Default)]
    struct Hook(Vec<String>);
    impl Sink for Hook {
        fn event(&mut self, event: Event<'_>) {
            self.0.push(format!("event {}", event.data));
        }
        fn unknown_line(&mut self, line: &str) {
            self.0.push(line.to_owned());
        }
    }
    let mut hook = Hook::default();

    Parser::new()
        .feed(b"data: a\n\n{\"error\": 1}\n: c\nfoo\n\n", &mut hook)
        .unwrap();

    assert_eq!(hook.0, ["event a", "{\"error\": 1}", "foo"]);
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = select(
        &[
            "data", "data:", "data: ", "event: e", "id: ", "id", "retry: ", ":", "\n", "\n", "\r",
            "\r\n", "\n\n", "12", " ", "x", "é", "😀", "\0", "\u{feff}",
        ][..],
    );
    let piece = prop_oneof![
        9 => piece.prop_map(|piece| piece.as_bytes().to_vec()),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_split_gives_what_the_twin_gives(bytes in stream(), cuts in vec(0_usize..400, 0..20)) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();

        let events = feed(&mut Parser::new(), &chunks);

        prop_assert_eq!(&events, &parse(&bytes));
        prop_assert_eq!(whole(&bytes), events);
    }
}
