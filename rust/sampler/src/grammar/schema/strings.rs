//! Strings: patterns and formats, which become patterns.

use serde_json::{Map, Value, json};

use super::{Written, formats, pattern};
use crate::grammar::error::Error;

/// `pattern`.
pub(super) fn pattern(
    map: &Map<String, Value>,
    value: &Value,
    path: &str,
    written: &mut Written,
) -> Result<(), Error> {
    let Some(pattern) = value.as_str() else {
        return Err(Error::schema(path, "a pattern is a text"));
    };
    for pattern in pattern::translate(pattern, path)? {
        add(map, written, "pattern", pattern);
    }
    Ok(())
}

/// `format`.
pub(super) fn format(
    map: &Map<String, Value>,
    value: &Value,
    path: &str,
    written: &mut Written,
) -> Result<(), Error> {
    let Some(name) = value.as_str() else {
        return Err(Error::schema(path, "a format is a text"));
    };
    let Some(format) = formats::find(name) else {
        let feature = format!("format: {name}");
        return Err(Error::unsupported(
            &feature,
            path,
            "the format is not known",
        ));
    };
    if !may_be_string(map) {
        return Ok(());
    }
    if let Some(pattern) = format.pattern {
        add(map, written, "pattern", pattern);
    }
    if let Some(length) = format.max_length {
        add(map, written, "maxLength", length);
    }
    Ok(())
}

fn may_be_string(map: &Map<String, Value>) -> bool {
    match map.get("type") {
        Some(Value::Array(names)) => names.iter().any(|name| name == "string"),
        Some(name) => name == "string",
        None => true,
    }
}

/// A keyword that has to hold beside one of the same name.
fn add(map: &Map<String, Value>, written: &mut Written, key: &str, value: impl Into<Value>) {
    // A length that the schema gives itself is written when it is met.
    let is_free = key == "pattern" || !map.contains_key(key);
    if is_free && !written.plain.contains_key(key) {
        written.plain(key, value);
        return;
    }
    let mut other = json!({ key: value.into() });
    if map.get("type").is_some_and(|name| name == "string") {
        other["type"] = "string".into();
    }
    written.all_of.push(other);
}
