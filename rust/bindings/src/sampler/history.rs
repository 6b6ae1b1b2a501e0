//! `History`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use inferail_sampler::History;
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;

use super::arguments::{ids, number};
use crate::error::sampler_error;

/// What one sequence has been so far.
#[pyclass(frozen, name = "History", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PyHistory {
    inner: Mutex<History>,
}

impl From<History> for PyHistory {
    fn from(history: History) -> Self {
        Self {
            inner: Mutex::new(history),
        }
    }
}

impl PyHistory {
    pub(super) fn lock(&self, py: Python<'_>) -> MutexGuard<'_, History> {
        self.inner
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl PyHistory {
    /// The sequence goes on with a token.
    #[pyo3(signature = (token, /))]
    fn append(&self, token: &Bound<'_, PyAny>) -> PyResult<()> {
        let id = number("token", token)?;
        self.lock(token.py()).push(id);
        Ok(())
    }

    /// The sequence goes on with tokens.
    #[pyo3(signature = (tokens, /))]
    fn extend(&self, tokens: &Bound<'_, PyAny>) -> PyResult<()> {
        let ids = ids("tokens", tokens)?;
        let mut history = self.lock(tokens.py());
        for id in ids {
            history.push(id);
        }
        Ok(())
    }

    /// Forgets all but the first `position` tokens after the prompt.
    #[pyo3(signature = (position, /))]
    fn truncate(&self, position: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = position.py();
        let position = number("position", position)?;
        let done = self.lock(py).truncate(position);
        done.map_err(|error| sampler_error(py, &error))
    }

    /// A copy that goes its own way.
    fn fork(&self, py: Python<'_>) -> Self {
        Self::from(self.lock(py).clone())
    }

    /// How many tokens follow the prompt.
    #[getter]
    fn position(&self, py: Python<'_>) -> usize {
        self.lock(py).position()
    }

    /// Every token, the prompt first.
    #[getter]
    fn tokens<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u32>> {
        PyArray1::from_slice(py, self.lock(py).tokens())
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.lock(py).tokens().len()
    }
}
