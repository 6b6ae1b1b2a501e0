//! Values as Python writes them: `str`, `repr` and `json.dumps`.

use std::fmt::Write;

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, State, Value};

/// How deep lists and maps may be nested: what writes them calls itself.
const DEPTH: usize = 200;

/// Bytes that may be written yet: a list that holds a list twice, and so on, has no end to speak of.
pub(super) fn room(state: &State<'_, '_>) -> usize {
    let fuel = state.fuel_levels().map_or(u64::MAX, |(_, left)| left);
    // Walking through a value takes sixteen times as long as copying bytes.
    usize::try_from(fuel.saturating_mul(BYTES_PER_FUEL / 16))
        .unwrap_or(usize::MAX)
        .min(super::MAX_OUTPUT_BYTES)
}

/// What the engine lets a template write for one step.
pub(super) const BYTES_PER_FUEL: u64 = 64;

/// `str(value)`; nothing for what is not defined.
///
/// # Errors
///
/// It is longer than `room`.
pub(super) fn text(value: &Value, room: usize) -> Result<String, Error> {
    match value.as_str() {
        Some(text) => Ok(text.to_owned()),
        None if value.is_undefined() => Ok(String::new()),
        None => {
            let mut written = Repr {
                written: String::new(),
                room,
            };
            written.value(value, DEPTH)?;
            Ok(written.written)
        }
    }
}

/// `repr(value)`, in the making.
struct Repr {
    written: String,
    room: usize,
}

impl Repr {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if self.written.len() > self.room {
            return Err(Error::from(ErrorKind::OutOfFuel));
        }
        let written = &mut self.written;
        match value.kind() {
            ValueKind::None | ValueKind::Undefined => written.push_str("None"),
            ValueKind::Bool => written.push_str(if value.is_true() { "True" } else { "False" }),
            ValueKind::Number => written.push_str(&number(value)),
            ValueKind::String => repr_text(value.as_str().unwrap_or_default(), written),
            ValueKind::Seq | ValueKind::Iterable => self.list(value, depth)?,
            ValueKind::Map => self.dictionary(value, depth)?,
            _ => written.push_str(&value.to_string()),
        }
        Ok(())
    }

    fn list(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        let (open, close) = if value.is_tuple() {
            ('(', ')')
        } else {
            ('[', ']')
        };
        let items = value.try_iter().into_iter().flatten().enumerate();
        self.written.push(open);
        for (place, item) in items {
            if place > 0 {
                self.written.push_str(", ");
            }
            self.deeper(&item, depth)?;
        }
        if value.is_tuple() && value.len() == Some(1) {
            self.written.push(',');
        }
        self.written.push(close);
        Ok(())
    }

    fn dictionary(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        let keys = value.try_iter().into_iter().flatten().enumerate();
        self.written.push('{');
        for (place, key) in keys {
            if place > 0 {
                self.written.push_str(", ");
            }
            self.deeper(&key, depth)?;
            self.written.push_str(": ");
            self.deeper(&value.get_item(&key).unwrap_or_default(), depth)?;
        }
        self.written.push('}');
        Ok(())
    }

    fn deeper(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth == 0 {
            self.written.push_str("...");
            return Ok(());
        }
        self.value(value, depth - 1)
    }
}

/// A text in single quotes, or in double ones if it has only single ones inside.
fn repr_text(text: &str, written: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    written.push(quote);
    for character in text.chars() {
        match character {
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            _ if character == quote => written.extend(['\\', quote]),
            '\0'..' ' | '\x7f'..'\u{a1}' | '\u{ad}' => {
                // Writing to a String does not fail.
                let _ = write!(written, "\\x{:02x}", u32::from(character));
            }
            _ => written.push(character),
        }
    }
    written.push(quote);
}

/// A number as `repr` writes it: floats with a point or an exponent of two digits.
fn number(value: &Value) -> String {
    if value.is_integer() {
        return value.to_string();
    }
    let Ok(number) = f64::try_from(value.clone()) else {
        return value.to_string();
    };
    float(number)
}

fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let size = number.abs();
    if size != 0.0 && !(1e-4..1e16).contains(&size) {
        let written = format!("{number:e}");
        let (digits, exponent) = written.split_once('e').unwrap_or((&written, "0"));
        let (sign, exponent) = exponent
            .strip_prefix('-')
            .map_or(('+', exponent), |rest| ('-', rest));
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    format!("{number:?}")
}

/// The options of `json.dumps`.
#[derive(Debug, Default)]
pub(super) struct JsonStyle {
    pub(super) ascii: bool,
    pub(super) indent: Option<String>,
    /// Between items, and after a key.
    pub(super) separators: Option<(String, String)>,
    pub(super) sorted: bool,
}

/// `json.dumps(value)`.
///
/// # Errors
///
/// The value is not one that JSON has, is nested too deeply, or its JSON is longer than `room`.
pub(super) fn json(value: &Value, style: &JsonStyle, room: usize) -> Result<String, Error> {
    let mut writer = JsonWriter {
        style,
        room,
        written: String::new(),
    };
    writer.value(value, 0)?;
    Ok(writer.written)
}

struct JsonWriter<'a> {
    style: &'a JsonStyle,
    room: usize,
    written: String,
}

impl JsonWriter<'_> {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > DEPTH {
            return Err(Error::new(
                ErrorKind::BadSerialization,
                "the value is nested too deeply",
            ));
        }
        let indent = self.style.indent.as_ref().map_or(0, String::len);
        if self.written.len() + indent.saturating_mul(depth + 1) > self.room {
            return Err(Error::from(ErrorKind::OutOfFuel));
        }
        match value.kind() {
            ValueKind::None => self.written.push_str("null"),
            ValueKind::Bool => {
                self.written
                    .push_str(if value.is_true() { "true" } else { "false" });
            }
            ValueKind::Number => self.number(value),
            ValueKind::String => self.text(value.as_str().unwrap_or_default()),
            ValueKind::Seq | ValueKind::Iterable => self.list(value, depth)?,
            ValueKind::Map => self.object(value, depth)?,
            kind => {
                let problem = format!("a value that is {kind} is not JSON serializable");
                return Err(Error::new(ErrorKind::BadSerialization, problem));
            }
        }
        Ok(())
    }

    fn number(&mut self, value: &Value) {
        let written = number(value);
        self.written.push_str(match written.as_str() {
            "nan" => "NaN",
            "inf" => "Infinity",
            "-inf" => "-Infinity",
            other => other,
        });
    }

    fn list(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        self.written.push('[');
        let mut empty = true;
        for item in value.try_iter()? {
            self.separate(&mut empty, depth);
            self.value(&item, depth + 1)?;
        }
        self.end(empty, depth, ']');
        Ok(())
    }

    fn object(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        self.written.push('{');
        let mut keys: Vec<Value> = value.try_iter()?.collect();
        if self.style.sorted {
            keys.sort();
        }
        let mut empty = true;
        for key in keys {
            self.separate(&mut empty, depth);
            if let Some(text) = key.as_str() {
                self.text(text);
            } else {
                // Python turns numbers, booleans and None into the text that JSON has for them.
                let written = json(&key, &JsonStyle::default(), self.room)?;
                self.text(&written);
            }
            let style = self.style;
            self.written
                .push_str(style.separators.as_ref().map_or(": ", |(_, key)| key));
            self.value(&value.get_item(&key)?, depth + 1)?;
        }
        self.end(empty, depth, '}');
        Ok(())
    }

    fn separate(&mut self, empty: &mut bool, depth: usize) {
        let style = self.style;
        if !std::mem::take(empty) {
            let default = if style.indent.is_some() { "," } else { ", " };
            self.written
                .push_str(style.separators.as_ref().map_or(default, |(item, _)| item));
        }
        self.new_line(depth + 1);
    }

    fn end(&mut self, empty: bool, depth: usize, bracket: char) {
        if !empty {
            self.new_line(depth);
        }
        self.written.push(bracket);
    }

    fn new_line(&mut self, depth: usize) {
        if let Some(indent) = &self.style.indent {
            self.written.push('\n');
            self.written
                .extend(std::iter::repeat_n(indent.as_str(), depth));
        }
    }

    fn text(&mut self, text: &str) {
        self.written.push('"');
        for character in text.chars() {
            match character {
                '"' => self.written.push_str("\\\""),
                '\\' => self.written.push_str("\\\\"),
                '\n' => self.written.push_str("\\n"),
                '\r' => self.written.push_str("\\r"),
                '\t' => self.written.push_str("\\t"),
                '\u{8}' => self.written.push_str("\\b"),
                '\u{c}' => self.written.push_str("\\f"),
                '\0'..' ' => self.escape(u32::from(character) as u16),
                '\x7f'.. if self.style.ascii => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        self.escape(*unit);
                    }
                }
                _ => self.written.push(character),
            }
        }
        self.written.push('"');
    }

    fn escape(&mut self, unit: u16) {
        // Writing to a String does not fail.
        let _ = write!(self.written, "\\u{unit:04x}");
    }
}

#[cfg(test)]
mod tests {
    use minijinja::Value;

    use super::{JsonStyle, json, text};

    #[test]
    fn list_that_holds_a_list_twice_and_so_on_is_not_written() {
        let doubled = |list: Value, _| Value::from(vec![list.clone(), list]);
        let list = (0..60).fold(Value::from("a"), doubled);

        assert!(text(&list, 10_000).is_err());
        assert!(json(&list, &JsonStyle::default(), 10_000).is_err());
        assert_eq!(text(&Value::from(vec![1]), 10_000).unwrap(), "[1]");
    }
}
