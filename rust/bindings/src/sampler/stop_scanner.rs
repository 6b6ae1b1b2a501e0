//! `StopScanner`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use inferail_sampler::stop::StopScanner;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::PyString;

use super::stop_strings::compiled;
use crate::gil::run_short;
use crate::tokenizer::text::to_text;

/// Text of one sequence up to a stop string.
#[pyclass(frozen, name = "StopScanner", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PyStopScanner {
    inner: Mutex<StopScanner>,
}

impl PyStopScanner {
    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, StopScanner> {
        let inner = self.inner.lock_py_attached(py);
        inner.unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl PyStopScanner {
    #[new]
    #[pyo3(signature = (stop, *, include_stop = false))]
    fn new(stop: &Bound<'_, PyAny>, include_stop: bool) -> PyResult<Self> {
        let scanner = StopScanner::new(compiled(Some(stop))?, include_stop);
        Ok(Self {
            inner: Mutex::new(scanner),
        })
    }

    /// The text that may be shown now.
    #[pyo3(signature = (text, /))]
    fn feed<'py>(&self, text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyString>> {
        let py = text.py();
        let given = to_text(text)?;
        let mut scanner = self.lock(py);
        let shown = run_short(py, || scanner.feed(&given));
        Ok(same_or_new(text, &given, &shown))
    }

    /// What was held back, when no more text comes.
    fn finish(&self, py: Python<'_>) -> String {
        self.lock(py).finish()
    }

    /// What is held back.
    #[getter]
    fn held(&self, py: Python<'_>) -> String {
        self.lock(py).held().to_owned()
    }

    /// The stop string that was found.
    #[getter]
    fn stopped(&self, py: Python<'_>) -> Option<String> {
        let scanner = self.lock(py);
        let found = scanner.strings().strings().get(scanner.stopped()?)?;
        Some(found.clone())
    }
}

/// `shown` as a string of Python: the one that was given where it is shown as it came.
pub(super) fn same_or_new<'py>(
    text: &Bound<'py, PyString>,
    given: &str,
    shown: &str,
) -> Bound<'py, PyString> {
    if std::ptr::eq(given, shown) && text.to_str().is_ok_and(|text| std::ptr::eq(text, given)) {
        return text.clone();
    }
    PyString::new(text.py(), shown)
}
