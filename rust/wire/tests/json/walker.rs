//! The walker against `serde_json`.
#![expect(
    clippy::unwrap_used,
    reason = "a test helper: the source was checked before"
)]

use std::fmt::Write;

use inferail_wire::Error;
use inferail_wire::json::{MAX_DEPTH, Type, Walker};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value};

/// Rebuilds a document through the walker's typed picks.
fn rebuild(walker: &mut Walker<'_>) -> Result<Value, Error> {
    Ok(match walker.peek()? {
        Type::Null => {
            walker.skip()?;
            Value::Null
        }
        Type::Boolean => Value::Bool(walker.is_true()?),
        Type::Number => {
            let number = walker.raw()?.raw(walker.source());
            serde_json::from_str(number).unwrap()
        }
        Type::String => Value::String(
            walker
                .string()?
                .unwrap()
                .decode(walker.source())
                .into_owned(),
        ),
        Type::Array => {
            let mut items = Vec::new();
            assert!(walker.enter_array()?);
            while walker.item()? {
                items.push(rebuild(walker)?);
            }
            Value::Array(items)
        }
        Type::Object => {
            let mut members = Map::new();
            assert!(walker.enter_object()?);
            while let Some(key) = walker.key()? {
                let name = key.decode(walker.source()).into_owned();
                members.insert(name, rebuild(walker)?);
            }
            Value::Object(members)
        }
    })
}

fn is_valid(source: &str) -> bool {
    let mut walker = Walker::new(source);
    walker.skip().and_then(|()| walker.finish()).is_ok()
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        (-1e6..1e6_f64).prop_map(Value::from),
        any::<String>().prop_map(Value::String),
        "[\"\\\\\n\t\u{0}é😀a-z]{0,40}".prop_map(Value::String),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::Array),
            vec((any::<String>(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Every character as the escapes of its UTF-16 units.
fn escape_everything(text: &str) -> String {
    escapes(text.encode_utf16())
}

fn escapes(units: impl Iterator<Item = u16>) -> String {
    let mut out = String::from("\"");
    for unit in units {
        write!(out, "\\u{unit:04X}").unwrap();
    }
    out + "\""
}

proptest! {
    #[test]
    fn document_reads_as_serde_json_reads_it(value in document(), pretty in any::<bool>()) {
        let source = if pretty { format!("{value:#}") } else { value.to_string() };
        let mut walker = Walker::new(&source);

        let rebuilt = rebuild(&mut walker).unwrap();

        prop_assert!(walker.finish().is_ok());
        prop_assert_eq!(rebuilt, serde_json::from_str::<Value>(&source).unwrap());
    }

    #[test]
    fn damaged_document_is_judged_as_serde_json_judges_it(
        value in document(),
        at in any::<Index>(),
        damage in select(&["", "{", "}", "[", "]", ",", ":", "\"", "\\", "0", "-", ".", "e", "\u{1}", "t"][..]),
        removed in 0_usize..2,
    ) {
        let mut characters: Vec<char> = value.to_string().chars().collect();
        let at = at.index(characters.len());
        characters.splice(at..(at + removed).min(characters.len()), damage.chars());
        let source: String = characters.into_iter().collect();

        prop_assert_eq!(is_valid(&source), serde_json::from_str::<serde::de::IgnoredAny>(&source).is_ok());
    }

    #[test]
    fn random_text_is_judged_as_serde_json_judges_it(source in "[\\[\\]{},:\"\\\\u0-9a-f.+eE tru-]{0,12}") {
        prop_assert_eq!(is_valid(&source), serde_json::from_str::<serde::de::IgnoredAny>(&source).is_ok());
    }

    #[test]
    fn escapes_read_back_as_the_text(text in any::<String>()) {
        let source = escape_everything(&text);
        let span = Walker::new(&source).string().unwrap().unwrap();

        prop_assert_eq!(span.decode(&source), text);
    }

    #[test]
    fn text_cut_between_any_two_escapes_joins_again(text in "[a😀é𝄞]{1,8}", cut in any::<Index>()) {
        let units: Vec<u16> = text.encode_utf16().collect();
        let (head, tail) = units.split_at(cut.index(units.len()));
        let mut out = String::new();
        let mut high = None;

        for part in [head, tail] {
            let source = escapes(part.iter().copied());
            let span = Walker::new(&source).string().unwrap().unwrap();
            high = span.decode_onto(&source, high, &mut out);
        }

        prop_assert_eq!((out, high), (text, None));
    }
}

#[test]
fn lone_surrogates_become_replacement_characters() {
    for (source, expected) in [
        (r#""\ud83d""#, "\u{fffd}"),
        (r#""\ude00""#, "\u{fffd}"),
        (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
        (r#""\ud83dx\ude00""#, "\u{fffd}x\u{fffd}"),
        (r#""\ud83d\n""#, "\u{fffd}\n"),
        (r#""\uD83D\uDE00\/\b\f""#, "😀/\u{8}\u{c}"),
    ] {
        let span = Walker::new(source).string().unwrap().unwrap();
        assert_eq!(span.decode(source), expected, "{source}");
    }
}

#[test]
fn nesting_is_limited() {
    let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);

    assert!(is_valid(&nested(MAX_DEPTH)));
    let source = nested(MAX_DEPTH + 1);
    assert_eq!(
        Walker::new(&source).skip(),
        Err(Error::TooDeep {
            limit: MAX_DEPTH as u32
        })
    );
}

#[test]
fn integers_are_read_from_any_number() {
    for (source, expected) in [
        ("12", Some(12)),
        ("12.0", Some(12)),
        ("1.5e2", Some(150)),
        ("-3", Some(-3)),
        ("9007199254740993", Some(9_007_199_254_740_993)),
        ("99999999999999999999", Some(i64::MAX)),
        ("\"12\"", None),
        ("null", None),
        ("{}", None),
    ] {
        assert_eq!(Walker::new(source).integer(), Ok(expected), "{source}");
    }
}

#[test]
fn special_bytes_are_found_at_every_offset() {
    for length in 0..40 {
        for special in ['"', '\\', '\u{1f}', '\u{0}'] {
            let plain = "é".repeat(length / 2) + &"x".repeat(length % 2);
            let source = format!("\"{plain}{special}");
            assert_eq!(is_valid(&source), special == '"', "{source:?}");
        }
    }
}
