//! The AWS event stream, against a slow reference.

#[path = "support/aws_event_stream.rs"]
mod support;

use inferail_sse::{DEFAULT_MAX_EVENT_BYTES, Error, Message, MessageParser, Part, Value};
use proptest::prelude::*;
use support::{Outcome, OwnedMessage, OwnedValue, checksum};

fn parse(bytes: &[u8], size: usize, max_payload_bytes: usize) -> Outcome {
    let mut parser = MessageParser::with_max_payload_bytes(max_payload_bytes);
    let mut outcome = Outcome::default();
    for chunk in bytes.chunks(size) {
        let mut sink = |message: Message<'_>| outcome.messages.push(message.into());
        outcome.error = parser.feed(chunk, &mut sink).err();
    }
    outcome.is_inside = parser.is_inside_message();
    outcome
}

/// A message whose checksums fit, whatever its lengths say.
fn framed(total: u32, headers_bytes: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = [total.to_be_bytes(), headers_bytes.to_be_bytes()].concat();
    bytes.extend(checksum(&bytes).to_be_bytes());
    bytes.extend(body);
    bytes.extend(checksum(&bytes).to_be_bytes());
    bytes
}

/// A whole message of those header bytes and that payload.
fn message(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let total = 16 + headers.len() + payload.len();
    framed(
        total as u32,
        headers.len() as u32,
        &[headers, payload].concat(),
    )
}

fn header(name: &str, value: &OwnedValue) -> Vec<u8> {
    let sized = |kind: u8, bytes: &[u8]| {
        let length = (bytes.len() as u16).to_be_bytes();
        [&[kind], &length[..], bytes].concat()
    };
    let value = match value {
        OwnedValue::Boolean(value) => vec![u8::from(!value)],
        OwnedValue::Byte(value) => vec![2, *value as u8],
        OwnedValue::Short(value) => [&[3], &value.to_be_bytes()[..]].concat(),
        OwnedValue::Integer(value) => [&[4], &value.to_be_bytes()[..]].concat(),
        OwnedValue::Long(value) => [&[5], &value.to_be_bytes()[..]].concat(),
        OwnedValue::Bytes(value) => sized(6, value),
        OwnedValue::String(value) => sized(7, value.as_bytes()),
        OwnedValue::Timestamp(value) => [&[8], &value.to_be_bytes()[..]].concat(),
        OwnedValue::Uuid(value) => [&[9], &value[..]].concat(),
    };
    [&[name.len() as u8], name.as_bytes(), &value].concat()
}

fn encode(message_: &OwnedMessage) -> Vec<u8> {
    let headers = message_.headers.iter();
    let headers: Vec<u8> = headers
        .flat_map(|(name, value)| header(name, value))
        .collect();
    message(&headers, &message_.payload)
}

/// What a single damaged message gives, which must be its error and nothing else, for every split.
fn error_of(bytes: &[u8]) -> Option<Error> {
    let whole = parse(bytes, bytes.len(), 100);
    for size in [1, 3, 13] {
        assert_eq!(parse(bytes, size, 100), whole);
    }
    assert_eq!(whole.messages, []);
    whole.error
}

#[test]
fn every_type_of_header_is_read() {
    let mut bytes = Vec::new();
    for (name, value) in [
        ("yes", OwnedValue::Boolean(true)),
        ("no", OwnedValue::Boolean(false)),
        ("byte", OwnedValue::Byte(-1)),
        ("short", OwnedValue::Short(-2)),
        ("integer", OwnedValue::Integer(-3)),
        ("long", OwnedValue::Long(-4)),
        ("bytes", OwnedValue::Bytes(vec![0, 255])),
        (":event-type", OwnedValue::String("é".to_owned())),
        ("time", OwnedValue::Timestamp(1_700_000_000_123)),
        ("id", OwnedValue::Uuid([7; 16])),
    ] {
        bytes.extend(header(name, &value));
    }
    let bytes = message(&bytes, b"{}");
    let mut parser = MessageParser::new();
    let mut seen = 0;

    let fed = parser.feed(&bytes, &mut |message: Message<'_>| {
        let headers: Vec<_> = message.headers().collect();
        assert_eq!(
            headers,
            [
                ("yes", Value::Boolean(true)),
                ("no", Value::Boolean(false)),
                ("byte", Value::Byte(-1)),
                ("short", Value::Short(-2)),
                ("integer", Value::Integer(-3)),
                ("long", Value::Long(-4)),
                ("bytes", Value::Bytes(&[0, 255])),
                (":event-type", Value::String("é")),
                ("time", Value::Timestamp(1_700_000_000_123)),
                ("id", Value::Uuid([7; 16])),
            ]
        );
        assert_eq!(message.text(":event-type"), Some("é"));
        assert_eq!(message.text("byte"), None);
        assert_eq!(message.text("other"), None);
        assert_eq!(message.payload, b"{}");
        seen += 1;
    });

    assert_eq!((fed, seen), (Ok(()), 1));
}

#[test]
fn damage_is_found_by_the_checksum_that_covers_it() {
    let good = message(&header("a", &OwnedValue::Boolean(true)), b"payload");

    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;

        let part = if at < 12 {
            Part::Prelude
        } else {
            Part::Message
        };
        assert_eq!(error_of(&bytes), Some(Error::Checksum { part }));
    }
}

#[test]
fn lengths_that_contradict_each_other_are_an_error() {
    for (total_bytes, headers_bytes) in [(0, 0), (15, 0), (16, 1), (20, 5), (20, u32::MAX)] {
        let expected = Error::Lengths {
            total_bytes,
            headers_bytes,
        };
        assert_eq!(
            error_of(&framed(total_bytes, headers_bytes, b"")),
            Some(expected)
        );
    }
}

#[test]
fn sizes_beyond_the_bounds_are_errors_before_they_arrive() {
    let too_many_headers = framed(200_000, 131_073, b"");
    let too_much_payload = framed(117, 0, b"");

    assert_eq!(
        error_of(&too_many_headers),
        Some(Error::HeadersTooLarge { limit: 131_072 })
    );
    assert_eq!(
        error_of(&too_much_payload),
        Some(Error::EventTooLarge { limit: 100 })
    );
    assert!(parse(&message(b"", &[0; 100]), 9, 100).error.is_none());
}

#[test]
fn headers_that_cannot_be_read_are_an_error() {
    let good = header("a", &OwnedValue::Boolean(true));
    for broken in [
        &[1, b'a'][..],            // no type
        &[1, b'a', 10],            // a type there is not
        &[0, 0],                   // no name
        &[9, b'a', 0],             // a name longer than the headers
        &[1, 0xff, 0],             // a name that is not UTF-8
        &[1, b'a', 7, 0, 1, 0xff], // text that is not UTF-8
        &[1, b'a', 7, 0, 2, b'x'], // text longer than the headers
        &[1, b'a', 5, 0, 0, 0],    // half a number
    ] {
        let bytes = message(&[&good, broken].concat(), b"");
        let offset = good.len() as u32;

        assert_eq!(error_of(&bytes), Some(Error::Header { offset }));
    }
}

#[test]
fn parser_stays_stopped_after_an_error() {
    let good = message(b"", b"a");
    let mut bad = good.clone();
    bad[13] ^= 1;
    let mut parser = MessageParser::new();
    let mut seen = 0;

    let first = parser.feed(&[&good[..], &bad, &good].concat(), &mut |_| seen += 1);
    let second = parser.feed(&good, &mut |_| seen += 1);

    assert!(first.is_err());
    assert_eq!((first, seen), (second, 1));
    assert!(!parser.is_inside_message());
}

fn values() -> impl Strategy<Value = OwnedValue> {
    prop_oneof![
        any::<bool>().prop_map(OwnedValue::Boolean),
        any::<i8>().prop_map(OwnedValue::Byte),
        any::<i16>().prop_map(OwnedValue::Short),
        any::<i32>().prop_map(OwnedValue::Integer),
        any::<i64>().prop_map(OwnedValue::Long),
        prop::collection::vec(any::<u8>(), 0..4).prop_map(OwnedValue::Bytes),
        "[a-zé]{0,4}".prop_map(OwnedValue::String),
        any::<i64>().prop_map(OwnedValue::Timestamp),
        any::<[u8; 16]>().prop_map(OwnedValue::Uuid),
    ]
}

fn messages() -> impl Strategy<Value = Vec<OwnedMessage>> {
    let headers = prop::collection::vec(("[a-z:é]{1,5}", values()), 0..4);
    let payload = prop::collection::vec(any::<u8>(), 0..40);
    let message =
        (headers, payload).prop_map(|(headers, payload)| OwnedMessage { headers, payload });
    prop::collection::vec(message, 0..5)
}

proptest! {
    #[test]
    fn any_messages_come_back_for_any_split(messages in messages(), size in 1_usize..70) {
        let bytes: Vec<u8> = messages.iter().flat_map(encode).collect();

        let outcome = parse(&bytes, size, DEFAULT_MAX_EVENT_BYTES);

        prop_assert_eq!(outcome, Outcome { messages, ..Outcome::default() });
    }

    #[test]
    fn any_stream_is_read_as_the_reference_reads_it(
        messages in messages(),
        damage in prop::option::of((any::<prop::sample::Index>(), 1_u8..)),
        cut in any::<prop::sample::Index>(),
        max_payload_bytes in 20_usize..60,
        size in 1_usize..70,
    ) {
        let mut bytes: Vec<u8> = messages.iter().flat_map(encode).collect();
        if let (Some((at, flip)), false) = (damage, bytes.is_empty()) {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        bytes.truncate(cut.index(bytes.len() + 1));

        prop_assert_eq!(
            parse(&bytes, size, max_payload_bytes),
            support::parse(&bytes, max_payload_bytes)
        );
    }

    #[test]
    fn any_headers_are_read_as_the_reference_reads_them(headers in prop::collection::vec(0_u8..12, 0..30)) {
        let bytes = message(&headers, b"");

        prop_assert_eq!(parse(&bytes, 5, 100), support::parse(&bytes, 100));
    }
}
