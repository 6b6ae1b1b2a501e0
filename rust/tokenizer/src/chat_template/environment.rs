//! What a template of Hugging Face finds around it.

use std::fmt;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Output, State, Value};

use super::{methods, python};

/// The environment, without a template.
pub(super) fn new(
    now: impl Fn(&str) -> Result<String, String> + Send + Sync + 'static,
) -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()?,
    );
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_unknown_method_callback(methods::call);
    environment.set_formatter(print);
    environment.add_filter("tojson", to_json);
    environment.add_filter("trim", methods::trim);
    environment.add_filter("string", |state: &State<'_, '_>, value: &Value| {
        python::text(value, python::room(state))
    });
    environment.add_test("sequence", is_sequence);
    environment.add_test("iterable", |value: &Value| {
        !value.is_none() && value.try_iter().is_ok()
    });
    environment.add_function("raise_exception", raise);
    environment.add_global("strftime_now", clock(now));
    Ok(environment)
}

/// A value for the variable `strftime_now`, instead of the clock that a template was compiled with.
pub fn clock(now: impl Fn(&str) -> Result<String, String> + Send + Sync + 'static) -> Value {
    Value::from_function(move |format: &str| {
        now(format).map_err(|problem| Error::new(ErrorKind::InvalidOperation, problem))
    })
}

/// Whether Python has a length and items of it: texts and dictionaries too.
fn is_sequence(value: &Value) -> bool {
    let kind = value.kind();
    matches!(kind, ValueKind::Seq | ValueKind::Map | ValueKind::String) || value.is_undefined()
}

/// Writes a value as Python's `str` would.
fn print(output: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    match value.as_str() {
        Some(text) => output.write_str(text),
        None => output.write_str(&python::text(value, python::room(state))?),
    }
    .map_err(Error::from)
}

/// `json.dumps`, with the options by name or in this order: `ensure_ascii`, `indent`, `separators`, `sort_keys`.
#[expect(
    clippy::needless_pass_by_value,
    reason = "what minijinja calls takes its arguments so"
)]
fn to_json(
    state: &State<'_, '_>,
    value: &Value,
    given: Rest<Value>,
    options: Kwargs,
) -> Result<String, Error> {
    let mut given = given.0.into_iter();
    let mut option = |name: &str| -> Result<Option<Value>, Error> {
        let value = match given.next() {
            Some(value) => Some(value),
            None => options.get::<Option<Value>>(name)?,
        };
        Ok(value.filter(|value| !value.is_none()))
    };
    let style = python::JsonStyle {
        ascii: option("ensure_ascii")?.is_some_and(|value| value.is_true()),
        indent: option("indent")?.map(indentation).transpose()?,
        separators: option("separators")?.as_ref().map(separators).transpose()?,
        sorted: option("sort_keys")?.is_some_and(|value| value.is_true()),
    };
    if given.next().is_some() {
        return Err(Error::from(ErrorKind::TooManyArguments));
    }
    options.assert_all_used()?;
    python::json(value, &style, python::room(state))
}

fn indentation(value: Value) -> Result<String, Error> {
    match value.as_str() {
        Some(text) => Ok(text.to_owned()),
        None => Ok(" ".repeat(usize::try_from(value)?.min(64))),
    }
}

fn separators(value: &Value) -> Result<(String, String), Error> {
    let mut texts = value.try_iter()?.map(|text| text.to_string());
    match (texts.next(), texts.next(), texts.next()) {
        (Some(item), Some(key), None) => Ok((item, key)),
        _ => Err(Error::new(
            ErrorKind::InvalidOperation,
            "separators are two texts",
        )),
    }
}

/// What a template says when it refuses a conversation.
#[derive(Debug)]
struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

fn raise(message: String) -> Result<Value, Error> {
    let error = Error::new(ErrorKind::InvalidOperation, message.clone());
    Err(error.with_source(Refusal(message)))
}

/// The message of `raise_exception`, if that is what `error` comes from.
pub(super) fn refusal(error: &Error) -> Option<String> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(Refusal(message)) = error.downcast_ref() {
            return Some(message.clone());
        }
        cause = error.source();
    }
    None
}
