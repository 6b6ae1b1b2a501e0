//! The incremental parser against `serde_json`, whatever way the text is split.
#![expect(
    clippy::expect_used,
    reason = "a test helper: the parser gives its events in order"
)]

use inferail_wire::json::{
    Builder, Container, MAX_DEPTH, MAX_NUMBER_BYTES, PartialError, PartialParser, Scalar,
    Unfinished,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value};

/// A document made of the events.
#[derive(Debug, Default, PartialEq)]
struct Document {
    root: Option<Value>,
    open: Vec<(Value, Option<String>)>,
}

impl Document {
    fn put(&mut self, value: Value) {
        match self.open.last_mut() {
            None => self.root = Some(value),
            Some((Value::Array(items), _)) => items.push(value),
            Some((Value::Object(members), key)) => {
                members.insert(key.take().expect("a key comes before its value"), value);
            }
            Some(_) => unreachable!("only containers are open"),
        }
    }
}

impl Builder for Document {
    fn begin(&mut self, container: Container) {
        let empty = match container {
            Container::Array => Value::Array(Vec::new()),
            Container::Object => Value::Object(Map::new()),
        };
        self.open.push((empty, None));
    }

    fn end(&mut self) {
        let (value, _) = self.open.pop().expect("what ends has begun");
        self.put(value);
    }

    fn key(&mut self, key: &str) {
        self.open.last_mut().expect("a key is in an object").1 = Some(key.to_owned());
    }

    fn scalar(&mut self, scalar: Scalar<'_>) {
        self.put(match scalar {
            Scalar::Null => Value::Null,
            Scalar::Boolean(value) => Value::Bool(value),
            Scalar::Number(digits) => number(digits),
            Scalar::String(text) => Value::String(text.to_owned()),
        });
    }
}

/// A number; `serde_json` refuses those that fit no float.
fn number(digits: &str) -> Value {
    serde_json::from_str(digits).unwrap_or(Value::Null)
}

/// What the pieces give: the value where they are a whole text, or why they cannot become one.
fn read(pieces: &[&str]) -> Result<Option<Value>, PartialError> {
    let (mut parser, mut document) = (PartialParser::new(), Document::default());
    for piece in pieces {
        parser.feed(piece, &mut document)?;
    }
    let last = match parser.unfinished() {
        Some(Unfinished::Number(digits)) => Some(number(digits)),
        _ => document.root,
    };
    Ok(last.filter(|_| parser.is_complete()))
}

/// What the pieces end in the middle of, also where they are refused.
fn unfinished(pieces: &[&str]) -> Option<String> {
    let (mut parser, mut document) = (PartialParser::new(), Document::default());
    let is_refused = |piece: &&str| parser.feed(piece, &mut document).is_err();
    let _refused = pieces.iter().any(is_refused);
    parser
        .unfinished()
        .map(|unfinished| format!("{unfinished:?}"))
}

fn characters(text: &str) -> Vec<&str> {
    text.split("")
        .filter(|character| !character.is_empty())
        .collect()
}

fn document() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,6}".prop_map(Value::String),
    ];
    scalar.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map(".{0,3}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Texts that are nearly JSON: its tokens, broken and whole, in any order.
fn nearly_json() -> impl Strategy<Value = String> {
    let tokens = vec![
        "{", "}", "[", "]", ",", ":", "\"", "\"a\"", "\\", "\\n", "\\u00e9", "\\ud83d", "\\ude00",
        "true", "nul", "null", "fals", "0", "-", "12", ".5", "e", "e+3", " ", "\n", "é", "😀",
        "\u{0}", "x",
    ];
    vec(select(tokens), 0..12).prop_map(|tokens| tokens.concat())
}

proptest! {
    #[test]
    fn whole_document_is_what_it_says(value in document(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let text = text.expect("a value can be written");

        // What was written may differ from the value: floats that are no numbers become null.
        let expected: Value = serde_json::from_str(&text).expect("it was just written");
        prop_assert_eq!(read(&[&text]), Ok(Some(expected.clone())));
        prop_assert_eq!(read(&characters(&text)), Ok(Some(expected)));
    }

    #[test]
    fn prefix_is_never_refused_and_complete_only_if_it_is_json(value in document()) {
        let text = serde_json::to_string(&value).expect("a value can be written");
        for (end, _) in text.char_indices() {
            let whole = serde_json::from_str::<Value>(&text[..end]).ok();
            prop_assert_eq!(read(&[&text[..end]]), Ok(whole));
        }
    }

    #[test]
    fn text_is_read_alike_however_it_is_split(text in nearly_json(), cut in any::<Index>()) {
        let whole = read(&[&text]);
        let (before, after) = text.split_at(text.floor_char_boundary(cut.index(text.len() + 1)));

        prop_assert_eq!(&whole, &read(&[before, after]));
        prop_assert_eq!(&whole, &read(&characters(&text)));
        prop_assert_eq!(unfinished(&[&text]), unfinished(&[before, after]));
        prop_assert_eq!(unfinished(&[&text]), unfinished(&characters(&text)));
        if let Ok(expected) = serde_json::from_str::<Value>(&text) {
            prop_assert_eq!(whole, Ok(Some(expected)));
        } else if !text.contains("\\u") {
            // `serde_json` refuses half surrogate pairs, which are replaced here.
            prop_assert!(!matches!(whole, Ok(Some(_))));
        }
    }
}

#[test]
fn first_byte_that_cannot_stand_is_named() {
    for (text, offset) in [
        ("[1 2", 3),
        ("{\"a\" 1", 5),
        ("[,", 1),
        ("{,", 1),
        ("[1,]", 3),
        ("{\"a\":1,}", 7),
        ("[01", 2),
        ("-x", 1),
        ("1.x", 2),
        ("[1.]", 3),
        ("trux", 3),
        ("\"\\q", 2),
        ("\"\\u00g", 5),
        ("\"a\u{0}", 2),
        ("\"é\n", 3),
        ("{} x", 3),
        ("[}", 1),
        ("{\"a\":1]", 6),
        ("NaN", 0),
        ("'a'", 0),
        ("{a", 1),
        ("1e999x", 5),
        ("\u{feff}1", 0),
    ] {
        let refused = Err(PartialError::Malformed { offset });
        assert_eq!(read(&[text]), refused, "{text}");
        assert_eq!(read(&characters(text)), refused, "{text}");
    }
}

#[test]
fn surrogate_pair_is_joined_over_pieces_and_half_of_one_replaced() {
    for (pieces, expected) in [
        (&["\"\\ud83d", "\\ude00\""][..], "😀"),
        (&["\"\\ud8", "3d\\u", "de00\""], "😀"),
        (&["\"\\ud83d", "\""], "\u{fffd}"),
        (&["\"\\ud83dx\""], "\u{fffd}x"),
        (&["\"\\ud83d\\n\""], "\u{fffd}\n"),
        (&["\"\\ud83d\\ud83d\\ude00\""], "\u{fffd}😀"),
        (&["\"\\ude00\""], "\u{fffd}"),
    ] {
        assert_eq!(read(pieces), Ok(Some(Value::from(expected))));
    }
}

#[test]
fn unfinished_value_is_shown_as_far_as_it_is_certain() {
    for (text, expected) in [
        ("{\"a\": \"x\\ud83d\\u00", Some(Unfinished::String("x"))),
        ("\"a\\", Some(Unfinished::String("a"))),
        ("[1, 12", Some(Unfinished::Number("12"))),
        ("[1.", None),
        ("{\"key", None),
        ("tru", None),
        ("", None),
        ("\"a\"", None),
    ] {
        let mut parser = PartialParser::new();
        parser
            .feed(text, &mut Document::default())
            .expect("it may still become JSON");
        assert_eq!(parser.unfinished(), expected, "{text}");
    }
}

#[test]
fn number_is_no_value_where_it_is_refused_in_its_middle() {
    for text in ["[2.x", "[2ex", "[2e+x"] {
        assert_eq!(unfinished(&[text]), None, "{text}");
        assert_eq!(unfinished(&characters(text)), None, "{text}");
    }
}

#[test]
fn limits_are_errors_of_their_own_and_last() {
    let deep = "[".repeat(MAX_DEPTH + 1);
    let digits = "1".repeat(MAX_NUMBER_BYTES + 1);
    assert!(read(&[&deep[1..]]).is_ok());
    assert!(read(&[&digits[1..]]).is_ok());
    assert_eq!(
        read(&[&deep]),
        Err(PartialError::TooDeep {
            limit: MAX_DEPTH,
            offset: MAX_DEPTH
        })
    );
    assert_eq!(
        read(&[&digits]),
        Err(PartialError::NumberTooLong {
            limit: MAX_NUMBER_BYTES,
            offset: MAX_NUMBER_BYTES
        })
    );

    let (mut parser, mut document) = (PartialParser::with_max_bytes(6), Document::default());
    let refused = Err(PartialError::TooLarge { limit: 6 });
    assert_eq!(parser.feed("[1,2,é]", &mut document), refused);
    assert_eq!(parser.feed("", &mut document), refused);
    assert_eq!(document.open[0].0, serde_json::json!([1, 2]));
}
