//! `StopCheck`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use inferail_sampler::stop::{Finish, StopCheck, StopRules};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyInt, PyString};

use super::arguments::{ids, number};
use super::stop_scanner::same_or_new;
use super::stop_strings::compiled;
use crate::error::sampler_error;
use crate::gil::run_short;
use crate::tokenizer::text::to_text;

/// What of one sequence may be shown, and why it ends.
#[pyclass(frozen, name = "StopCheck", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PyStopCheck {
    inner: Mutex<StopCheck>,
}

impl PyStopCheck {
    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, StopCheck> {
        let inner = self.inner.lock_py_attached(py);
        inner.unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl PyStopCheck {
    #[new]
    #[pyo3(signature = (
        *, stop = None, stop_tokens = None, max_tokens = None, min_tokens = None, include_stop = false
    ))]
    fn new(
        py: Python<'_>,
        stop: Option<&Bound<'_, PyAny>>,
        stop_tokens: Option<&Bound<'_, PyAny>>,
        max_tokens: Option<&Bound<'_, PyAny>>,
        min_tokens: Option<&Bound<'_, PyAny>>,
        include_stop: bool,
    ) -> PyResult<Self> {
        let tokens = stop_tokens.map_or(Ok(Vec::new()), |tokens| ids("stop_tokens", tokens))?;
        let max_tokens = max_tokens.map(|most| number("max_tokens", most));
        let min_tokens = min_tokens.map_or(Ok(0), |least| number("min_tokens", least))?;
        let rules = StopRules::new(compiled(stop)?, include_stop).with_stop_tokens(tokens);
        let rules = rules.with_limits(min_tokens, max_tokens.transpose()?);
        let rules = rules.map_err(|error| sampler_error(py, &error))?;
        Ok(Self {
            inner: Mutex::new(Arc::new(rules).start()),
        })
    }

    /// The text that may be shown now that `token` has come.
    #[pyo3(signature = (token, text, /))]
    fn feed<'py>(
        &self,
        token: &Bound<'py, PyAny>,
        text: &Bound<'py, PyString>,
    ) -> PyResult<Bound<'py, PyString>> {
        let py = text.py();
        let token = number("token", token)?;
        let given = to_text(text)?;
        let mut check = self.lock(py);
        let shown = run_short(py, || check.feed(token, &given));
        Ok(same_or_new(text, &given, &shown))
    }

    /// What is held back, where the sequence is ended from outside.
    fn finish(&self, py: Python<'_>) -> String {
        self.lock(py).rest()
    }

    /// Why it has ended.
    #[getter]
    fn finish_reason(&self, py: Python<'_>) -> Option<&'static str> {
        self.lock(py).finish().map(Finish::reason)
    }

    /// The stop string or the id of the stop token that ended it.
    #[getter]
    fn stopped<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        let check = self.lock(py);
        match check.finish()? {
            Finish::StopToken(token) => Some(PyInt::new(py, token).into_any()),
            Finish::StopString(found) => {
                let found = check.strings().strings().get(found)?;
                Some(PyString::new(py, found).into_any())
            }
            _ => None,
        }
    }

    /// How many tokens it has.
    #[getter]
    fn num_tokens(&self, py: Python<'_>) -> u64 {
        self.lock(py).num_tokens()
    }

    /// How many tokens it may still have.
    #[getter]
    fn remaining(&self, py: Python<'_>) -> Option<u64> {
        self.lock(py).remaining()
    }
}
