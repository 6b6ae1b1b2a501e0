//! Lark grammars: the JSON Schemas inside them are prepared as all others are.

use serde_json::Value;

use super::compiled::SchemaOptions;
use super::error::Error;
use super::schema;

const DIRECTIVE: &str = "%json";

/// The grammar with each schema after `%json` prepared.
pub(super) fn prepare(text: &str) -> Result<String, Error> {
    let mut prepared = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = find_directive(rest) {
        let (before, after) = rest.split_at(at + DIRECTIVE.len());
        prepared.push_str(before);
        let (schema, length) = first_value(after)?;
        let place = format!(
            "%json of line {}",
            1 + text[..text.len() - after.len()].matches('\n').count()
        );
        let schema = schema::prepare(&schema, &SchemaOptions::default(), "")
            .map_err(|error| in_grammar(error, &place))?;
        prepared.push(' ');
        prepared.push_str(&schema.to_string());
        rest = &after[length..];
    }
    prepared.push_str(rest);
    Ok(prepared)
}

fn first_value(text: &str) -> Result<(Value, usize), Error> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    match values.next() {
        Some(Ok(value)) => Ok((value, values.byte_offset())),
        Some(Err(error)) => Err(invalid(format!("no JSON after {DIRECTIVE}: {error}"))),
        None => Err(invalid(format!("nothing after {DIRECTIVE}"))),
    }
}

fn invalid(problem: String) -> Error {
    Error::Invalid {
        kind: "Lark grammar",
        path: String::new(),
        problem,
    }
}

fn in_grammar(error: Error, place: &str) -> Error {
    match error {
        Error::Unsupported {
            feature,
            path,
            reason,
        } => Error::Unsupported {
            feature,
            path: format!("{place}{path}"),
            reason,
        },
        other => other,
    }
}

/// Where the next `%json` is that is in no string, regular expression or comment.
fn find_directive(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'#' => at = end_of_line(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'/') => at = end_of_line(bytes, at),
            quote @ (b'"' | b'/') => at = end_of_quoted(bytes, at, quote),
            b'%' if text[at..].starts_with(DIRECTIVE) => return Some(at),
            _ => at += 1,
        }
    }
    None
}

fn end_of_line(bytes: &[u8], from: usize) -> usize {
    let line = bytes[from..].iter().position(|byte| *byte == b'\n');
    line.map_or(bytes.len(), |length| from + length)
}

/// A string and a regular expression end on the line they begin on.
fn end_of_quoted(bytes: &[u8], from: usize, quote: u8) -> usize {
    let mut at = from + 1;
    while at < bytes.len() && bytes[at] != b'\n' {
        match bytes[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    at.min(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_in_strings_expressions_and_comments_are_text() {
        let text = "start: \"%json\" /%json\\/ \"/ // %json\n# %json\nA: %json {}";

        assert_eq!(find_directive(text), text.rfind("%json"));
    }

    #[test]
    fn every_schema_is_prepared() {
        let text = "start: %json {\"type\": \"null\"} \"x\" %json true \"y\"";

        let prepared = prepare(text).unwrap();

        assert_eq!(prepared.matches("x-guidance").count(), 2);
        assert!(prepared.ends_with("\"y\""));
    }

    #[test]
    fn a_schema_that_cannot_be_enforced_is_refused_with_its_line() {
        let text = "start: a\na: %json {\"items\": {\"not\": {\"minLength\": 3}}}";

        let error = prepare(text).unwrap_err();

        assert!(
            matches!(&error, Error::Unsupported { feature, path, .. }
            if feature == "not" && path == "%json of line 2/items/not"),
            "{error:?}"
        );
    }
}
