//! The texts of a call.

use std::borrow::Cow;

use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::tokenizer::batch::strings;
use crate::tokenizer::text::to_text;

/// What a list of texts is read from; `texts` borrows from it.
pub(super) struct Texts<'py>(Vec<Bound<'py, PyString>>);

impl<'py> Texts<'py> {
    pub(super) fn new(texts: &Bound<'py, PyAny>) -> PyResult<Self> {
        strings(texts).map(Self)
    }

    pub(super) fn texts(&self) -> PyResult<Vec<Cow<'_, str>>> {
        self.0.iter().map(to_text).collect()
    }
}
