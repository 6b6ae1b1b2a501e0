//! Arguments of a function call that arrive as values by path (`partialArgs`), written as the JSON text they make.
//!
//! A model writes its arguments from left to right, so each value comes after those that stand before it. Then the
//! text can be sent on while it grows: what is open is a path, and a new path closes what it does not share with
//! it. A value for a place that the text has already passed cannot be sent, and is refused.

use std::collections::BTreeSet;
use std::mem;

use crate::json::{MAX_DEPTH, Span};
use crate::{Error, Feature};

/// The text so far of one call's arguments.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    /// What is open, from the outermost object to the place that was written last.
    open: Vec<Place>,
    /// The last value is a string that goes on.
    in_string: bool,
}

/// A place inside an open object or array.
#[derive(Debug)]
struct Place {
    step: Step,
    /// The keys of the object so far, to notice one that comes again.
    keys: BTreeSet<String>,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(u32),
}

/// A value, or a piece of one.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    /// A piece of a string, escaped as JSON has it, and whether more of it will come.
    Text { raw: &'a str, goes_on: bool },
    /// Anything else, as JSON.
    Whole(&'a str),
}

impl Arguments {
    /// Whether nothing has been written.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Appends to `out` what `value` at `path` adds to the text.
    pub(super) fn write(
        &mut self,
        path: &[Step],
        value: Value<'_>,
        out: &mut String,
    ) -> Result<(), Error> {
        if path.len() > MAX_DEPTH {
            return Err(Error::TooDeep {
                limit: MAX_DEPTH as u32,
            });
        }
        let is_here =
            self.open.len() == path.len() && self.open.iter().map(|place| &place.step).eq(path);
        if !(self.in_string && is_here) {
            self.go_to(path, out)?;
            if matches!(value, Value::Text { .. }) {
                out.push('"');
            }
        } else if matches!(value, Value::Whole(_)) {
            return Err(OUT_OF_ORDER);
        }
        match value {
            Value::Whole(json) => out.push_str(json),
            Value::Text { raw, goes_on } => {
                out.push_str(raw);
                self.in_string = goes_on;
                if !goes_on {
                    out.push('"');
                }
            }
        }
        Ok(())
    }

    /// Appends what closes the text.
    pub(super) fn finish(&mut self, out: &mut String) {
        self.close_down_to(0, out);
    }

    /// Leaves the last place for another one.
    fn go_to(&mut self, path: &[Step], out: &mut String) -> Result<(), Error> {
        let shared = self
            .open
            .iter()
            .zip(path)
            .take_while(|(place, step)| place.step == **step)
            .count();
        // A path of no steps, one that ends in what is open, or one through a value that is no container.
        if shared == path.len() || (shared == self.open.len() && shared > 0) {
            return Err(OUT_OF_ORDER);
        }
        self.close_down_to(shared + 1, out);
        for (depth, step) in path.iter().enumerate().skip(shared) {
            let is_new = depth >= self.open.len();
            if is_new {
                self.open.push(Place {
                    step: step.clone(),
                    keys: BTreeSet::new(),
                });
            }
            let place = &mut self.open[depth];
            let before = mem::replace(&mut place.step, step.clone());
            place.enter(&before, is_new, depth, out)?;
        }
        Ok(())
    }

    /// Closes the string and every container below the first `depth`.
    fn close_down_to(&mut self, depth: usize, out: &mut String) {
        if mem::take(&mut self.in_string) {
            out.push('"');
        }
        while self.open.len() > depth
            && let Some(place) = self.open.pop()
        {
            out.push(match place.step {
                Step::Key(_) => '}',
                Step::Index(_) => ']',
            });
        }
    }
}

impl Place {
    /// Writes what stands before the value: a bracket or a comma, and the key.
    fn enter(
        &mut self,
        before: &Step,
        is_new: bool,
        depth: usize,
        out: &mut String,
    ) -> Result<(), Error> {
        match (before, &self.step) {
            (Step::Key(_), Step::Key(key)) => {
                if !self.keys.insert(key.clone()) {
                    return Err(OUT_OF_ORDER);
                }
                out.push(if is_new { '{' } else { ',' });
                write_string(key, out);
                out.push(':');
                Ok(())
            }
            // The arguments themselves are an object.
            (Step::Index(before), Step::Index(index)) if depth > 0 => {
                let follows = if is_new { 0 } else { before + 1 };
                if *index != follows {
                    return Err(OUT_OF_ORDER);
                }
                out.push(if is_new { '[' } else { ',' });
                Ok(())
            }
            _ => Err(OUT_OF_ORDER),
        }
    }
}

const OUT_OF_ORDER: Error = Error::Unsupported {
    feature: Feature::PartialArgs,
};

/// The steps of a `jsonPath`: `$.place.stops[2]["full name"]`. `None` for a form that names no single place.
pub(super) fn parse_path(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let (step, after) = if let Some(name) = rest.strip_prefix('.') {
            let end = name.find(['.', '[']).unwrap_or(name.len());
            (Step::Key(name[..end].to_owned()), &name[end..])
        } else if let Some(quote @ ('"' | '\'')) = rest.strip_prefix('[')?.chars().next() {
            let (key, after) = unquote(&rest[2..], quote)?;
            (Step::Key(key), after.strip_prefix(']')?)
        } else {
            let (digits, after) = rest[1..].split_once(']')?;
            (Step::Index(digits.parse().ok()?), after)
        };
        if matches!(&step, Step::Key(key) if key.is_empty() || key == "*") {
            return None;
        }
        steps.push(step);
        rest = after;
    }
    Some(steps)
}

/// The text up to `quote`, a backslash taking what follows it as it is, and what stands behind.
fn unquote(text: &str, quote: char) -> Option<(String, &str)> {
    let mut key = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => key.push(characters.next()?.1),
            _ if character == quote => return Some((key, &text[at + quote.len_utf8()..])),
            _ => key.push(character),
        }
    }
    None
}

/// Writes `text` as a JSON string.
fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\0'..='\u{1f}' => {
                let digits = u32::from(character);
                out.push_str(if digits < 16 { "\\u000" } else { "\\u001" });
                out.extend(char::from_digit(digits % 16, 16));
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

/// One member of `partialArgs`, by position in the event.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Edit {
    pub(super) path: Option<Span>,
    pub(super) text: Option<Span>,
    pub(super) whole: Option<Span>,
    pub(super) is_null: bool,
    pub(super) goes_on: bool,
}

#[cfg(test)]
mod tests {
    use super::{Arguments, Step, Value, parse_path};

    fn written(edits: &[(&str, Value<'_>)]) -> Option<String> {
        let (mut arguments, mut out) = (Arguments::default(), String::new());
        for (path, value) in edits {
            arguments.write(&parse_path(path)?, *value, &mut out).ok()?;
        }
        arguments.finish(&mut out);
        Some(out)
    }

    fn piece(raw: &str) -> Value<'_> {
        Value::Text { raw, goes_on: true }
    }

    #[test]
    fn values_in_order_make_the_text() {
        let text = written(&[
            ("$.city", piece("New ")),
            ("$.city", piece("Delhi\\n")),
            ("$.days[0].n", Value::Whole("1")),
            ("$.days[0].wet", Value::Whole("true")),
            ("$.days[1].n", Value::Whole("2.5")),
            ("$['full name']", piece("")),
            ("$.last[0][0]", Value::Whole("null")),
        ]);

        assert_eq!(
            text.as_deref(),
            Some(
                r#"{"city":"New Delhi\n","days":[{"n":1,"wet":true},{"n":2.5}],"full name":"","last":[[null]]}"#
            )
        );
    }

    #[test]
    fn a_place_that_was_passed_is_refused() {
        let one = Value::Whole("1");
        for edits in [
            &[("$.a", one), ("$.b", one), ("$.a", one)][..],
            &[("$.a", one), ("$.a", one)],
            &[("$.a", one), ("$.a.b", one)],
            &[("$.a.b", one), ("$.a", one)],
            &[("$.a[1]", one)],
            &[("$.a[0]", one), ("$.a[2]", one)],
            &[("$.a[0]", one), ("$.a.b", one)],
            &[("$.a.b", one), ("$.c", one), ("$.a.d", one)],
            &[("$.a", piece("x")), ("$.a", one)],
            &[("$[0]", one)],
            &[("$", one)],
        ] {
            assert_eq!(written(edits), None, "{edits:?}");
        }
    }

    #[test]
    fn paths_are_read_in_every_notation() {
        let key = |text: &str| Step::Key(text.to_owned());
        for (path, steps) in [
            ("$", Some(vec![])),
            ("$.a", Some(vec![key("a")])),
            ("$.a[10].b", Some(vec![key("a"), Step::Index(10), key("b")])),
            (r#"$['a.b']["c]\"d"]"#, Some(vec![key("a.b"), key("c]\"d")])),
            ("a", None),
            ("$a", None),
            ("$.", None),
            ("$..a", None),
            ("$.*", None),
            ("$[*]", None),
            ("$[-1]", None),
            ("$['a'", None),
            ("$['a", None),
            ("$[", None),
            ("$[0", None),
        ] {
            assert_eq!(parse_path(path), steps, "{path}");
        }
    }
}
