//! Any text, split anywhere, through the incremental JSON parser, against `serde_json`.
#![no_main]

use inferail_fuzz::{COUNTING, Counting, Splits, allocated_bytes};
use inferail_wire::json::{Builder, Container, PartialError, PartialParser, Scalar, Unfinished};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

#[global_allocator]
static ALLOCATOR: Counting = COUNTING;

/// A document made of the events.
#[derive(Debug, Default, PartialEq)]
struct Document {
    root: Option<Value>,
    open: Vec<(Value, Option<String>)>,
}

impl Document {
    fn put(&mut self, value: Value) {
        match self.open.last_mut() {
            None => assert!(self.root.replace(value).is_none(), "one text, one value"),
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

/// What the pieces give: everything that was built, what the text ends in, and whether it is whole.
type Read = (Document, Option<String>, Result<bool, PartialError>);

fn read<'a>(pieces: impl IntoIterator<Item = &'a str>) -> Read {
    let (mut parser, mut document) = (PartialParser::new(), Document::default());
    let mut outcome = Ok(());
    for piece in pieces {
        let failed = outcome;
        outcome = parser.feed(piece, &mut document);
        assert!(
            failed.is_ok() || outcome == failed,
            "an error is the last word"
        );
    }
    let unfinished = parser
        .unfinished()
        .map(|unfinished| format!("{unfinished:?}"));
    let is_complete = parser.is_complete();
    if let Some(Unfinished::Number(digits)) = parser.unfinished()
        && is_complete
    {
        document.put(number(digits));
    }
    assert!(outcome.is_ok() || !is_complete);
    (document, unfinished, outcome.map(|()| is_complete))
}

/// Texts of one character each.
fn characters(text: &str) -> impl Iterator<Item = &str> {
    text.char_indices()
        .map(|(at, character)| &text[at..at + character.len_utf8()])
}

struct Nothing;

impl Builder for Nothing {
    fn scalar(&mut self, _: Scalar<'_>) {}
}

fuzz_target!(|text: &str| {
    let whole = read([text]);
    assert_eq!(whole, read(characters(text)));
    let pieces = Splits::new(text.as_bytes()).pieces(text.as_bytes());
    let mut end = 0;
    let cuts = pieces.iter().map(|piece| {
        let start = text.floor_char_boundary(end);
        end += piece.len();
        &text[start..text.floor_char_boundary(end)]
    });
    assert_eq!(whole, read(cuts));

    let (document, _, outcome) = whole;
    match serde_json::from_str::<Value>(text) {
        Ok(expected) => {
            assert_eq!((outcome, document.root), (Ok(true), Some(expected)));
        }
        // Half a surrogate pair and a number beyond every float are values here and none to `serde_json`.
        Err(_) if outcome == Ok(true) => {
            assert!(text.contains("\\u") || text.contains(['e', 'E']) || text.len() > 300)
        }
        Err(_) => {}
    }

    let before = allocated_bytes();
    let mut parser = PartialParser::new();
    for character in characters(text) {
        if parser.feed(character, &mut Nothing).is_err() {
            break;
        }
    }
    let allocated = allocated_bytes() - before;
    assert!(
        allocated <= 8 * text.len() + 1024,
        "{allocated} bytes for {} bytes of text",
        text.len()
    );
});
