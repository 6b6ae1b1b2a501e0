//! What the file of a tokenizer says besides its vocabulary, as Python reads it.

use inferail_tokenizer::{Direction, PadTo, Strategy, Tokenizer};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Every token that is looked for before everything else: its id, its spelling and its flags.
pub(crate) fn added_tokens<'py>(
    py: Python<'py>,
    tokenizer: &Tokenizer,
) -> PyResult<Vec<Bound<'py, PyDict>>> {
    let tokens = tokenizer.added_tokens().iter().map(|token| {
        let made = PyDict::new(py);
        made.set_item("id", token.id)?;
        made.set_item("content", &token.content)?;
        made.set_item("single_word", token.single_word)?;
        made.set_item("lstrip", token.lstrip)?;
        made.set_item("rstrip", token.rstrip)?;
        made.set_item("normalized", token.normalized)?;
        made.set_item("special", token.special)?;
        let in_model = tokenizer.vocabulary().token(token.id).is_some();
        made.set_item("in_model", in_model)?;
        Ok(made)
    });
    tokens.collect()
}

/// To what length the file says texts are cut.
pub(crate) fn truncation<'py>(
    py: Python<'py>,
    tokenizer: &Tokenizer,
) -> PyResult<Option<Bound<'py, PyDict>>> {
    let Some(truncation) = tokenizer.truncation() else {
        return Ok(None);
    };
    let truncate = match truncation.strategy {
        Strategy::OnlyFirst => "first",
        Strategy::OnlySecond => "second",
        _ => "longest",
    };
    let made = PyDict::new(py);
    made.set_item("max_tokens", truncation.max_length)?;
    made.set_item("truncation_side", side(truncation.direction))?;
    made.set_item("truncate", truncate)?;
    made.set_item("stride", truncation.stride)?;
    Ok(Some(made))
}

/// To what length the file says texts are filled up.
pub(crate) fn padding<'py>(
    py: Python<'py>,
    tokenizer: &Tokenizer,
) -> PyResult<Option<Bound<'py, PyDict>>> {
    let Some(padding) = tokenizer.padding() else {
        return Ok(None);
    };
    let length = match padding.to {
        PadTo::Fixed(length) => Some(length),
        _ => None,
    };
    let made = PyDict::new(py);
    made.set_item("length", length)?;
    made.set_item("multiple_of", padding.multiple_of)?;
    made.set_item("padding_side", side(padding.direction))?;
    made.set_item("pad_id", padding.id)?;
    made.set_item("pad_type_id", padding.type_id)?;
    Ok(Some(made))
}

fn side(direction: Direction) -> &'static str {
    match direction {
        Direction::Left => "left",
        Direction::Right => "right",
    }
}
