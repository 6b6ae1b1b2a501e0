//! `tokenizer.json` of Hugging Face `tokenizers`.

mod added;
mod decoder;
mod model;
mod normalizer;
mod post_processor;
mod pre_tokenizer;
mod sentence;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::Options;
use crate::{
    DecoderDefinition, Definition, Direction, Error, PadTo, Padding, Strategy, Truncation,
};

const FORMAT: &str = "tokenizer.json";

/// The parts of the file; what is in them is read by their kind.
#[derive(Deserialize)]
struct File<'a> {
    #[serde(default)]
    truncation: Option<Value>,
    #[serde(default)]
    padding: Option<Value>,
    #[serde(default)]
    added_tokens: Vec<added::Token>,
    #[serde(default)]
    normalizer: Option<Value>,
    #[serde(default)]
    pre_tokenizer: Option<Value>,
    #[serde(default)]
    post_processor: Option<Value>,
    #[serde(default)]
    decoder: Option<Value>,
    #[serde(borrow)]
    model: &'a RawValue,
}

/// The tokenizer of a `tokenizer.json`.
///
/// # Errors
///
/// [`Error::Format`]: it is not such a file. [`Error::Unsupported`]: it has a part of a kind that is not built.
pub fn definition(file: &[u8], options: Options) -> Result<Definition, Error> {
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let file: File<'_> = serde_json::from_slice(file).map_err(|error| json(&error))?;
    let pre_tokenizer = pre_tokenizer::read(file.pre_tokenizer.as_ref())?;
    let normalizer = normalizer::read(file.normalizer.as_ref())?;
    let model = model::read(file.model, pre_tokenizer.byte_level)?;
    let added = added::read(file.added_tokens, &model, options.ids);
    let decoder = match &file.decoder {
        None => DecoderDefinition::Spaced,
        Some(decoder) => DecoderDefinition::Steps(decoder::read(decoder)?),
    };
    let mut definition = Definition {
        added,
        normalizer: normalizer::definition(normalizer),
        pre_tokenizer: pre_tokenizer::definition(pre_tokenizer.steps),
        post_processor: post_processor::read(file.post_processor.as_ref())?,
        decoder,
        byte_level: pre_tokenizer.byte_level,
        unreachable: model.unreachable,
        truncation: file.truncation.as_ref().map(truncation).transpose()?,
        padding: file.padding.as_ref().map(padding).transpose()?,
        ..Definition::new(model.vocabulary, model.definition)
    };
    sentence::simplify(&mut definition);
    Ok(definition)
}

fn json(error: &serde_json::Error) -> Error {
    Error::format(FORMAT, error.to_string())
}

/// What kind of part this is.
fn kind(part: &Value) -> Result<&str, Error> {
    let kind = part.get("type").and_then(Value::as_str);
    kind.ok_or_else(|| Error::format(FORMAT, "a part has no type"))
}

fn text<'a>(part: &'a Value, key: &str) -> Result<&'a str, Error> {
    let text = part.get(key).and_then(Value::as_str);
    text.ok_or_else(|| missing(part, key))
}

fn flag(part: &Value, key: &str, default: bool) -> bool {
    part.get(key).and_then(Value::as_bool).unwrap_or(default)
}

fn number(part: &Value, key: &str) -> Result<u64, Error> {
    let number = part.get(key).and_then(Value::as_u64);
    number.ok_or_else(|| missing(part, key))
}

fn id(part: &Value, key: &str) -> Result<u32, Error> {
    u32::try_from(number(part, key)?).map_err(|_| missing(part, key))
}

fn list<'a>(part: &'a Value, key: &str) -> Result<&'a [Value], Error> {
    let list = part.get(key).and_then(Value::as_array);
    list.map(Vec::as_slice).ok_or_else(|| missing(part, key))
}

/// The only character of a text.
fn character(part: &Value, key: &str) -> Result<char, Error> {
    let text = text(part, key)?;
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(character), None) => Ok(character),
        _ => Err(missing(part, key)),
    }
}

fn missing(part: &Value, key: &str) -> Error {
    let kind = part.get("type").and_then(Value::as_str).unwrap_or("a part");
    Error::format(FORMAT, format!("{kind} has no valid {key}"))
}

fn find(part: &Value) -> Result<crate::Find, Error> {
    let pattern = part
        .get("pattern")
        .ok_or_else(|| missing(part, "pattern"))?;
    let pattern_text = |key: &str| pattern.get(key).and_then(Value::as_str);
    if let Some(text) = pattern_text("String") {
        return Ok(crate::Find::Text(text.to_owned()));
    }
    let pattern = pattern_text("Regex").ok_or_else(|| missing(part, "pattern"))?;
    Ok(crate::Find::Pattern(pattern.to_owned()))
}

fn direction(part: &Value) -> Direction {
    match part.get("direction").and_then(Value::as_str) {
        Some("Left") => Direction::Left,
        _ => Direction::Right,
    }
}

fn truncation(part: &Value) -> Result<Truncation, Error> {
    Ok(Truncation {
        max_length: number(part, "max_length")? as usize,
        strategy: match text(part, "strategy")? {
            "LongestFirst" => Strategy::LongestFirst,
            "OnlyFirst" => Strategy::OnlyFirst,
            "OnlySecond" => Strategy::OnlySecond,
            other => return Err(Error::unsupported(FORMAT, format!("truncation {other}"))),
        },
        direction: direction(part),
        stride: part.get("stride").and_then(Value::as_u64).unwrap_or(0) as usize,
    })
}

fn padding(part: &Value) -> Result<Padding, Error> {
    let strategy = part
        .get("strategy")
        .ok_or_else(|| missing(part, "strategy"))?;
    let multiple = part.get("pad_to_multiple_of").and_then(Value::as_u64);
    let fixed = strategy.get("Fixed").and_then(Value::as_u64);
    // More than any model reads; a file must not be able to ask for all memory.
    if fixed.max(multiple).is_some_and(|length| length > 1 << 24) {
        return Err(Error::format(FORMAT, "padding is too long"));
    }
    Ok(Padding {
        to: match fixed {
            Some(length) => PadTo::Fixed(length as usize),
            None => PadTo::Longest,
        },
        multiple_of: multiple.map(|multiple| multiple as usize),
        direction: direction(part),
        id: id(part, "pad_id")?,
        type_id: id(part, "pad_type_id")?,
    })
}
