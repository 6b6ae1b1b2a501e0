//! A template that is no tokenizer's: any text with holes.

use std::sync::Arc;

use inferail_tokenizer::Error;
use inferail_tokenizer::chat_template::{ChatTemplate, Value};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::values::Values;
use super::{compile, refusal};
use crate::error::{format_error, tokenizer_error};
use crate::gil::run_sized;

/// A compiled template, in the environment of chat templates.
#[pyclass(frozen, name = "Template", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PyTemplate {
    inner: Arc<ChatTemplate>,
    source: String,
}

#[pymethods]
impl PyTemplate {
    #[new]
    #[pyo3(signature = (source, /))]
    fn new(py: Python<'_>, source: String) -> PyResult<Self> {
        let inner = compile(&source).map_err(|error| template_error(py, &error))?;
        Ok(Self { inner, source })
    }

    /// The variables that may be looked up.
    #[getter]
    fn variables(&self) -> Vec<String> {
        self.inner.variables()
    }

    /// The text with these variables in it.
    #[pyo3(signature = (variables, /))]
    fn render(&self, variables: &Bound<'_, PyDict>) -> PyResult<String> {
        let py = variables.py();
        let mut values = Values::unruled();
        let mut context = Vec::with_capacity(variables.len());
        for (name, value) in variables {
            let name: String = name.extract()?;
            let value = values.argument(&name, &value)?;
            context.push((name, value));
        }
        // The thread that it runs on may ask Python for the time.
        let size = if self.inner.runs_apart() {
            usize::MAX
        } else {
            values.num_bytes
        };
        let rendered = run_sized(py, size, || self.inner.render(Value::from_pairs(context)));
        rendered.map_err(|error| match error {
            Error::Refused { message } => refusal(py, message, &self.source),
            error => template_error(py, &error),
        })
    }
}

/// The same sentences as of chat templates, without that name.
fn template_error(py: Python<'_>, error: &Error) -> PyErr {
    match error {
        Error::Template { .. } => {
            let message = error
                .to_string()
                .replacen("the chat template", "the template", 1);
            format_error(py, message, None)
        }
        other => tokenizer_error(py, other),
    }
}
