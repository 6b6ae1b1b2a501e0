//! Any text through the JSON walker, against `serde_json`.
#![no_main]

use inferail_wire::Error;
use inferail_wire::json::{Span, Type, Walker};
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

fn skip(source: &str) -> Result<(), Error> {
    let mut walker = Walker::new(source);
    walker.skip()?;
    walker.finish()
}

/// Reads a document through the walker's typed picks.
fn rebuild(walker: &mut Walker<'_>) -> Result<Value, Error> {
    Ok(match walker.peek()? {
        Type::Null => {
            walker.skip()?;
            Value::Null
        }
        Type::Boolean => Value::Bool(walker.is_true()?),
        Type::Number => number(walker)?,
        Type::String => {
            let span = walker.string()?.expect("a string comes next");
            Value::String(string(span, walker.source()))
        }
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
                let name = string(key, walker.source());
                members.insert(name, rebuild(walker)?);
            }
            Value::Object(members)
        }
    })
}

/// The value of a string; where `serde_json` takes the string at all, it must be the same.
fn string(span: Span, source: &str) -> String {
    let text = span.decode(source).into_owned();
    let quoted = format!("\"{}\"", span.raw(source));
    match serde_json::from_str::<String>(&quoted) {
        Ok(expected) => assert_eq!(text, expected),
        // Only half a surrogate pair is a string to the walker and none to `serde_json`.
        Err(_) => assert!(text.contains('\u{fffd}'), "{quoted}"),
    }
    assert_eq!(span.is_empty(), text.is_empty());
    text
}

/// A number, which `serde_json` refuses only where it fits no float.
fn number(walker: &mut Walker<'_>) -> Result<Value, Error> {
    let span = walker.raw()?;
    let digits = span.raw(walker.source());
    let integer = Walker::again(walker.source(), span).integer()?;
    if let Ok(expected) = serde_json::from_str::<i64>(digits) {
        assert_eq!(integer, Some(expected));
    }
    assert!(integer.is_some());
    Ok(serde_json::from_str(digits).unwrap_or(Value::Null))
}

fuzz_target!(|source: &str| {
    let skipped = skip(source);
    // `serde_json` skips without a limit of depth.
    if matches!(skipped, Err(Error::TooDeep { .. })) {
        return;
    }
    let is_valid = serde_json::from_str::<IgnoredAny>(source).is_ok();
    assert_eq!(skipped.is_ok(), is_valid, "{skipped:?}");

    let mut walker = Walker::new(source);
    let rebuilt = rebuild(&mut walker).and_then(|value| walker.finish().map(|()| value));
    assert_eq!(rebuilt.is_ok(), is_valid);
    if let (Ok(rebuilt), Ok(expected)) = (rebuilt, serde_json::from_str::<Value>(source)) {
        assert_eq!(rebuilt, expected);
    }
});
