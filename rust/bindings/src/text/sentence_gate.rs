//! `SentenceGate`.

use std::borrow::Cow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use inferail_text::sentence::SentenceGate;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::PyString;

use crate::error::config_error;
use crate::gil::run_short;
use crate::tokenizer::text::to_text;

/// A text whose first sentences are held back until they are whole.
#[pyclass(frozen, name = "SentenceGate", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PySentenceGate {
    inner: Mutex<SentenceGate>,
}

impl PySentenceGate {
    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, SentenceGate> {
        let inner = self.inner.lock_py_attached(py);
        inner.unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl PySentenceGate {
    #[new]
    #[pyo3(signature = (*, sentences = 1, max_chars = 2_000))]
    fn new(py: Python<'_>, sentences: i64, max_chars: i64) -> PyResult<Self> {
        let at_least_one = |name: &str, value: i64| {
            let value = usize::try_from(value).ok().filter(|value| *value > 0);
            value.ok_or_else(|| config_error(py, format!("{name} must be 1 or more")))
        };
        let sentences = at_least_one("sentences", sentences)?;
        let inner = SentenceGate::new(sentences, at_least_one("max_chars", max_chars)?);
        Ok(Self {
            inner: Mutex::new(inner),
        })
    }

    /// The text that may be shown now.
    #[pyo3(signature = (text, /))]
    fn feed<'py>(&self, text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyString>> {
        let py = text.py();
        let mut gate = self.lock(py);
        if gate.is_open() {
            return Ok(text.clone());
        }
        let given = to_text(text)?;
        Ok(match run_short(py, || gate.feed(&given)) {
            Cow::Borrowed(_) => PyString::intern(py, ""),
            Cow::Owned(shown) => PyString::new(py, &shown),
        })
    }

    /// What was held back, when no more text comes or nobody wants to wait.
    fn finish(&self, py: Python<'_>) -> String {
        self.lock(py).finish()
    }

    /// Whether text passes as it comes.
    #[getter]
    fn open(&self, py: Python<'_>) -> bool {
        self.lock(py).is_open()
    }

    /// What is held back.
    #[getter]
    fn held(&self, py: Python<'_>) -> String {
        self.lock(py).held().to_owned()
    }
}
