//! What `transformers` does to messages before and after a template sees them.

use minijinja::Value;
use minijinja::value::ValueKind;

use super::methods::is_space;
use crate::Error;

/// Names that a message's reasoning is found under. Templates read the first.
const REASONING: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];

/// Marks where a message that is to be continued ends. Trimmed, it is still found.
const TAG: &str = "CONTINUE_FINAL_MESSAGE_TAG ";

/// The messages as most templates expect them: no keys whose value is `None` (a `content` of `None` would be printed), and
/// reasoning under the name that templates read, whatever it was called.
///
/// # Errors
///
/// [`Error::Messages`]: it is no list of dictionaries.
pub(super) fn normalized(messages: &Value) -> Result<Vec<Value>, Error> {
    Ok(plain(messages)?.into_iter().map(with_reasoning).collect())
}

/// The same with those keys, if there are any: some templates ask whether `content` is `None`, and fail without it.
///
/// # Errors
///
/// [`Error::Messages`]: it is no list of dictionaries.
pub(super) fn with_none(messages: &Value) -> Result<Option<Vec<Value>>, Error> {
    let messages = all(messages)?;
    let some = messages.iter().flatten().any(|(_, value)| value.is_none());
    Ok(some.then(|| messages.into_iter().map(with_reasoning).collect()))
}

/// The keys and values of a message.
pub(super) type Entries = Vec<(Value, Value)>;

/// The messages without their keys whose value is `None`.
///
/// # Errors
///
/// [`Error::Messages`]: it is no list of dictionaries.
pub(super) fn plain(messages: &Value) -> Result<Vec<Entries>, Error> {
    let mut messages = all(messages)?;
    for message in &mut messages {
        message.retain(|(_, value)| !value.is_none());
    }
    Ok(messages)
}

fn all(messages: &Value) -> Result<Vec<Entries>, Error> {
    if messages.kind() != ValueKind::Seq {
        return Err(unusable("messages are a list of dictionaries"));
    }
    let messages = messages
        .try_iter()
        .map_err(|error| unusable(error.to_string()))?;
    messages.map(|message| entries(&message)).collect()
}

fn entries(message: &Value) -> Result<Entries, Error> {
    if message.kind() != ValueKind::Map {
        return Err(unusable("every message is a dictionary"));
    }
    let keys = message
        .try_iter()
        .map_err(|error| unusable(error.to_string()))?;
    Ok(keys
        .filter_map(|key| Some((key.clone(), message.get_item(&key).ok()?)))
        .collect())
}

fn with_reasoning(mut entries: Entries) -> Value {
    let reasoning = REASONING.iter().find_map(|name| {
        let value = &entries[place(&entries, name)?].1;
        (!value.is_none()).then(|| value.clone())
    });
    if let Some(reasoning) = reasoning {
        if place(&entries, "thinking").is_none() {
            entries.insert(0, (Value::from("thinking"), reasoning.clone()));
        }
        replace(&mut entries, "reasoning_content", reasoning);
    }
    Value::from_pairs(entries)
}

fn place(entries: &[(Value, Value)], name: &str) -> Option<usize> {
    entries
        .iter()
        .position(|(key, _)| key.as_str() == Some(name))
}

fn replace(entries: &mut Entries, name: &str, value: Value) {
    match place(entries, name) {
        Some(at) => entries[at].1 = value,
        None => entries.push((Value::from(name), value)),
    }
}

/// Puts a mark behind the text of the last message, which [`continued`] cuts the rendered conversation at.
///
/// Gives the text of that message.
///
/// # Errors
///
/// [`Error::Messages`]: there is no message, or no text in its `content`.
pub(super) fn mark_last(messages: &mut [Value]) -> Result<String, Error> {
    let nothing = || unusable("there is no text in the last message that could be continued");
    let last = messages.last_mut().ok_or_else(nothing)?;
    let content = last.get_attr("content").unwrap_or_default();
    if let Some(text) = content.as_str() {
        let text = text.to_owned();
        *last = with(last, "content", Value::from(format!("{text}{TAG}")));
        return Ok(text);
    }
    let mut parts: Vec<Value> = content.try_iter().map_err(|_| nothing())?.collect();
    let with_text = |part: &Value| part.get_attr("text").ok()?.as_str().map(str::to_owned);
    let (at, text) = parts
        .iter()
        .enumerate()
        .rev()
        .find_map(|(at, part)| Some((at, with_text(part)?)))
        .ok_or_else(nothing)?;
    parts[at] = with(&parts[at], "text", Value::from(format!("{text}{TAG}")));
    *last = with(last, "content", Value::from(parts));
    Ok(text)
}

fn with(map: &Value, name: &str, value: Value) -> Value {
    let keys = map.try_iter().into_iter().flatten();
    let mut entries: Vec<(Value, Value)> = keys
        .filter_map(|key| Some((key.clone(), map.get_item(&key).ok()?)))
        .collect();
    replace(&mut entries, name, value);
    Value::from_pairs(entries)
}

/// The rendered conversation up to the end of the last message.
///
/// # Errors
///
/// [`Error::Messages`]: the template does not print that message, or not whole.
pub(super) fn continued(mut rendered: String, text: &str) -> Result<String, Error> {
    let mark = TAG.trim_end();
    let printed = rendered.contains(text.trim_matches(is_space));
    let at = rendered.rfind(mark).filter(|_| printed).ok_or_else(|| {
        unusable("the last message cannot be continued: the template does not print it whole")
    })?;
    let kept = rendered[at..].starts_with(TAG);
    rendered.truncate(at);
    if !kept {
        // The template trims messages, so the model never saw white space at the end of one.
        rendered.truncate(rendered.trim_end_matches(is_space).len());
    }
    Ok(rendered)
}

fn unusable(problem: impl Into<String>) -> Error {
    Error::Messages {
        problem: problem.into(),
    }
}
