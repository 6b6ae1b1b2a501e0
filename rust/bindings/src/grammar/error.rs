//! Errors of grammars as exceptions.

use inferail_sampler::grammar::Error;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};

use crate::error::config_error;

/// Why there is no grammar, or no next step.
pub(super) fn grammar_error(py: Python<'_>, error: &Error) -> PyErr {
    let message = error.to_string();
    match error {
        Error::Unsupported { feature, .. } => with_feature(py, message, feature),
        Error::Unsatisfiable { .. } => with_feature(py, message, "unsatisfiable"),
        Error::TooLarge { .. } => with_feature(py, message, "size"),
        Error::Stopped { .. } => with_feature(py, message, "complexity"),
        _ => config_error(py, message),
    }
}

/// `GrammarError(message, feature=feature)`.
fn with_feature(py: Python<'_>, message: String, feature: &str) -> PyErr {
    let make = || -> PyResult<PyErr> {
        static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        let class = CLASS.import(py, "inferail.errors", "GrammarError")?;
        let options = PyDict::new(py);
        options.set_item("feature", feature)?;
        Ok(PyErr::from_value(class.call((message,), Some(&options))?))
    };
    make().unwrap_or_else(|error| error)
}
