//! Values as Python writes them: `str`, `repr` and `json.dumps`.

use std::fmt::Write;

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

/// How deep lists and maps may be nested: what writes them calls itself.
const DEPTH: usize = 200;

/// `str(value)`; nothing for what is not defined.
pub(super) fn text(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None if value.is_undefined() => String::new(),
        None => {
            let mut written = String::new();
            repr(value, &mut written, DEPTH);
            written
        }
    }
}

/// `repr(value)`.
fn repr(value: &Value, written: &mut String, depth: usize) {
    match value.kind() {
        ValueKind::None | ValueKind::Undefined => written.push_str("None"),
        ValueKind::Bool => written.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number => written.push_str(&number(value)),
        ValueKind::String => repr_text(value.as_str().unwrap_or_default(), written),
        ValueKind::Seq | ValueKind::Iterable => list(value, written, depth),
        ValueKind::Map => dictionary(value, written, depth),
        _ => written.push_str(&value.to_string()),
    }
}

fn list(value: &Value, written: &mut String, depth: usize) {
    let (open, close) = if value.is_tuple() {
        ('(', ')')
    } else {
        ('[', ']')
    };
    let items = value.try_iter().into_iter().flatten().enumerate();
    written.push(open);
    for (place, item) in items {
        if place > 0 {
            written.push_str(", ");
        }
        deeper(&item, written, depth);
    }
    if value.is_tuple() && value.len() == Some(1) {
        written.push(',');
    }
    written.push(close);
}

fn dictionary(value: &Value, written: &mut String, depth: usize) {
    let keys = value.try_iter().into_iter().flatten().enumerate();
    written.push('{');
    for (place, key) in keys {
        if place > 0 {
            written.push_str(", ");
        }
        deeper(&key, written, depth);
        written.push_str(": ");
        deeper(&value.get_item(&key).unwrap_or_default(), written, depth);
    }
    written.push('}');
}

fn deeper(value: &Value, written: &mut String, depth: usize) {
    if depth == 0 {
        written.push_str("...");
    } else {
        repr(value, written, depth - 1);
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
/// The value is not one that JSON has, or is nested too deeply.
pub(super) fn json(value: &Value, style: &JsonStyle) -> Result<String, Error> {
    let mut writer = JsonWriter {
        style,
        written: String::new(),
    };
    writer.value(value, 0)?;
    Ok(writer.written)
}

struct JsonWriter<'a> {
    style: &'a JsonStyle,
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
                let written = json(&key, &JsonStyle::default())?;
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
