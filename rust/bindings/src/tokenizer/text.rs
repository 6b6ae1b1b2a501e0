//! Text from Python's strings.

use std::borrow::Cow;

use pyo3::prelude::*;
use pyo3::types::PyString;

/// The text of `string`; of one that no UTF-8 can say, with its surrogate pairs joined and halves of one as U+FFFD.
///
/// That is what tiktoken does, and nobody else: a truncated answer of a browser must not end a program.
pub(crate) fn to_text<'a>(string: &'a Bound<'_, PyString>) -> PyResult<Cow<'a, str>> {
    if let Ok(text) = string.to_str() {
        return Ok(Cow::Borrowed(text));
    }
    let units = string.call_method1("encode", ("utf-16-le", "surrogatepass"))?;
    let text = units.call_method1("decode", ("utf-16-le", "replace"))?;
    Ok(Cow::Owned(text.extract()?))
}
