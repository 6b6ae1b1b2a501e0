//! `pre_tokenizer`.

use serde_json::Value;

use super::{FORMAT, character, find, flag, kind, list, text};
use crate::{
    Behavior, Error, Find, Kind, PreTokenizerDefinition, PreTokenizerStep, Prepend, Scheme,
};

/// The steps of a pre-tokenizer, sequences laid out.
#[derive(Debug, Default)]
pub(super) struct PreTokenizer {
    pub(super) steps: Vec<PreTokenizerStep>,
    /// Whether pieces become the byte alphabet at last.
    pub(super) byte_level: bool,
}

/// What `ByteLevel` cuts at unless told otherwise.
const BYTE_LEVEL: &str =
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

pub(super) fn read(part: Option<&Value>) -> Result<PreTokenizer, Error> {
    let mut read = PreTokenizer::default();
    if let Some(part) = part {
        read.append(part)?;
    }
    Ok(read)
}

/// The steps, or the scanner that does the same.
pub(super) fn definition(steps: Vec<PreTokenizerStep>) -> PreTokenizerDefinition {
    match steps.as_slice() {
        [] => PreTokenizerDefinition::None,
        // The patterns with a scanner leave nothing out: isolated matches, or removed text between them, are the same.
        [
            PreTokenizerStep::Split {
                find: Find::Pattern(pattern),
                behavior: behavior @ (Behavior::Isolated | Behavior::Removed),
                invert,
            },
        ] if *invert == (*behavior == Behavior::Removed) => match Scheme::of(pattern) {
            Some(scheme) => PreTokenizerDefinition::Scheme(scheme),
            None => PreTokenizerDefinition::Steps(steps),
        },
        _ => PreTokenizerDefinition::Steps(steps),
    }
}

impl PreTokenizer {
    fn append(&mut self, part: &Value) -> Result<(), Error> {
        let kind = kind(part)?;
        if kind == "Sequence" {
            for part in list(part, "pretokenizers")? {
                self.append(part)?;
            }
            return Ok(());
        }
        if self.byte_level {
            let feature = format!("the pre-tokenizer {kind} after ByteLevel");
            return Err(Error::unsupported(FORMAT, feature));
        }
        self.append_one(kind, part)
    }

    fn append_one(&mut self, kind: &str, part: &Value) -> Result<(), Error> {
        let characters = |kind, behavior| PreTokenizerStep::Characters { kind, behavior };
        let pattern = |pattern: &str, behavior, invert| PreTokenizerStep::Split {
            find: Find::Pattern(pattern.to_owned()),
            behavior,
            invert,
        };
        let steps = &mut self.steps;
        match kind {
            "ByteLevel" => {
                if flag(part, "add_prefix_space", true) {
                    steps.push(PreTokenizerStep::PrefixSpace);
                }
                if flag(part, "use_regex", true) {
                    steps.push(pattern(BYTE_LEVEL, Behavior::Isolated, false));
                }
                self.byte_level = true;
            }
            "Split" => steps.push(PreTokenizerStep::Split {
                find: find(part)?,
                behavior: behavior(part)?,
                invert: flag(part, "invert", false),
            }),
            "BertPreTokenizer" => {
                steps.push(characters(Kind::Whitespace, Behavior::Removed));
                steps.push(characters(Kind::Punctuation, Behavior::Isolated));
            }
            "Whitespace" => steps.push(pattern(r"\w+|[^\w\s]+", Behavior::Removed, true)),
            "WhitespaceSplit" => steps.push(characters(Kind::Whitespace, Behavior::Removed)),
            "CharDelimiterSplit" => {
                let delimiter = character(part, "delimiter")?;
                steps.push(characters(Kind::Only(delimiter), Behavior::Removed));
            }
            "Digits" => {
                let alone = flag(part, "individual_digits", false);
                let behavior = if alone {
                    Behavior::Isolated
                } else {
                    Behavior::Contiguous
                };
                steps.push(characters(Kind::Numeric, behavior));
            }
            "Punctuation" => steps.push(characters(Kind::Punctuation, behavior(part)?)),
            "FixedLength" => {
                let length = part.get("length").and_then(Value::as_u64).unwrap_or(5);
                steps.push(PreTokenizerStep::FixedLength(length as usize));
            }
            "Metaspace" => steps.push(metaspace(part)?),
            other => {
                let feature = format!("the pre-tokenizer {other}");
                return Err(Error::unsupported(FORMAT, feature));
            }
        }
        Ok(())
    }
}

fn metaspace(part: &Value) -> Result<PreTokenizerStep, Error> {
    let prepend = match part.get("prepend_scheme").and_then(Value::as_str) {
        Some("always") => Prepend::Always,
        Some("first") => Prepend::First,
        Some("never") => Prepend::Never,
        Some(other) => {
            let feature = format!("the prepend_scheme {other}");
            return Err(Error::unsupported(FORMAT, feature));
        }
        // Older files say whether.
        None if flag(part, "add_prefix_space", true) => Prepend::Always,
        None => Prepend::Never,
    };
    Ok(PreTokenizerStep::Metaspace {
        replacement: text(part, "replacement")?.to_owned(),
        prepend,
        split: flag(part, "split", true),
    })
}

fn behavior(part: &Value) -> Result<Behavior, Error> {
    Ok(match part.get("behavior").and_then(Value::as_str) {
        Some("Removed") => Behavior::Removed,
        Some("Isolated") | None => Behavior::Isolated,
        Some("MergedWithPrevious") => Behavior::MergedWithPrevious,
        Some("MergedWithNext") => Behavior::MergedWithNext,
        Some("Contiguous") => Behavior::Contiguous,
        Some(other) => {
            return Err(Error::unsupported(FORMAT, format!("the behavior {other}")));
        }
    })
}
