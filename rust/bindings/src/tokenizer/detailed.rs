//! Texts, or words somebody has cut already, to an [`Encoding`].

use std::borrow::Cow;

use inferail_tokenizer::{
    Direction, EncodeOptions, Encoding, Input, OffsetUnit, Specials, Strategy, Tokenizer,
    Truncation,
};
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::specials::Rules;
use super::text::to_text;
use super::tokenizer::Side;
use crate::error::{config_error, tokenizer_error};
use crate::gil::run_sized;

/// Which text of a pair is cut, as Python says it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Which(pub(crate) Strategy);

impl<'py> FromPyObject<'_, 'py> for Which {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match object.extract::<&str>() {
            Ok("longest") => Ok(Self(Strategy::LongestFirst)),
            Ok("first") => Ok(Self(Strategy::OnlyFirst)),
            Ok("second") => Ok(Self(Strategy::OnlySecond)),
            _ => {
                let problem =
                    "the text to truncate is the \"longest\", the \"first\" or the \"second\"";
                Err(config_error(object.py(), problem.to_owned()))
            }
        }
    }
}

impl Side {
    pub(crate) fn direction(self) -> Direction {
        match self {
            Self::Left => Direction::Left,
            Self::Right => Direction::Right,
        }
    }
}

/// A text, or its words.
#[derive(Debug)]
pub(crate) enum Texts<'a> {
    Text(Cow<'a, str>),
    Words(Vec<String>),
}

impl<'a> Texts<'a> {
    /// # Errors
    ///
    /// `TypeError`: it is no text, and no texts.
    pub(crate) fn new(text: &'a Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(text) = text.cast::<PyString>() {
            return Ok(Self::Text(to_text(text)?));
        }
        let words = text.try_iter()?.map(|word| {
            let word = word?;
            Ok(to_text(word.cast()?)?.into_owned())
        });
        Ok(Self::Words(words.collect::<PyResult<_>>()?))
    }

    fn parts(&self) -> Vec<&str> {
        match self {
            Self::Text(text) => vec![text],
            Self::Words(words) => words.iter().map(String::as_str).collect(),
        }
    }

    fn input<'b>(&self, parts: &'b [&'b str]) -> Input<'b> {
        match (self, parts) {
            (Self::Text(_), [text]) => Input::Text(text),
            _ => Input::Words(parts),
        }
    }
}

/// What is cut off, and whether it is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    pub(crate) max_tokens: Option<usize>,
    pub(crate) side: Side,
    pub(crate) which: Which,
    pub(crate) stride: Option<usize>,
}

impl Cut {
    fn truncation(self) -> Option<Truncation> {
        Some(Truncation {
            max_length: self.max_tokens?,
            strategy: self.which.0,
            direction: self.side.direction(),
            stride: self.stride.unwrap_or(0),
        })
    }
}

/// The tokens of a text, or of two.
///
/// # Errors
///
/// Those of the tokenizer.
pub(crate) fn encode(
    py: Python<'_>,
    tokenizer: &Tokenizer,
    (text, pair): (&Texts<'_>, Option<&Texts<'_>>),
    rules: &Rules,
    add_special_tokens: bool,
    unit: OffsetUnit,
    cut: Cut,
) -> PyResult<Encoding> {
    let first = text.parts();
    let second = pair.map(Texts::parts).unwrap_or_default();
    let bytes = first.iter().chain(&second).map(|part| part.len()).sum();
    let encoding = run_sized(py, bytes, || {
        for part in first.iter().chain(&second) {
            rules.check(tokenizer, part)?;
        }
        rules.with(|specials: Specials<'_>| {
            let options = EncodeOptions {
                specials,
                add_special_tokens,
                offsets: unit,
                truncation: cut.truncation(),
                overflowing: cut.stride.is_some(),
                padding: None,
            };
            let pair = pair.map(|pair| pair.input(&second));
            tokenizer.encode_detailed(text.input(&first), pair, &options)
        })
    });
    encoding.map_err(|error| tokenizer_error(py, &error))
}
