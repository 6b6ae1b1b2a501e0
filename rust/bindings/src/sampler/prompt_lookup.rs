//! `PromptLookup`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use inferail_sampler::speculative::PromptLookup;
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;

use super::arguments::{ids, number};
use crate::error::sampler_error;
use crate::gil::{run_short, run_sized};

/// Drafts from what a sequence has said before.
#[pyclass(frozen, name = "PromptLookup", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PyPromptLookup {
    inner: Mutex<PromptLookup>,
}

impl PyPromptLookup {
    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, PromptLookup> {
        let inner = self.inner.lock_py_attached(py);
        inner.unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl PyPromptLookup {
    #[new]
    #[pyo3(signature = (tokens = None, *, max_ngram = None, min_ngram = None))]
    fn new(
        py: Python<'_>,
        tokens: Option<&Bound<'_, PyAny>>,
        max_ngram: Option<&Bound<'_, PyAny>>,
        min_ngram: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let max_ngram = max_ngram.map_or(Ok(5), |max_ngram| number("max_ngram", max_ngram))?;
        let min_ngram = min_ngram.map_or(Ok(2), |min_ngram| number("min_ngram", min_ngram))?;
        let lookup = PromptLookup::new(min_ngram, max_ngram);
        let mut lookup = lookup.map_err(|error| sampler_error(py, &error))?;
        if let Some(tokens) = tokens {
            let tokens = ids("tokens", tokens)?;
            run_sized(py, size_of_val(&tokens[..]), || lookup.extend(&tokens));
        }
        Ok(Self {
            inner: Mutex::new(lookup),
        })
    }

    /// Adds a token.
    #[pyo3(signature = (token, /))]
    fn append(&self, token: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = token.py();
        let token = number("token", token)?;
        run_short(py, || self.lock(py).push(token));
        Ok(())
    }

    /// Adds tokens.
    #[pyo3(signature = (tokens, /))]
    fn extend(&self, tokens: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = tokens.py();
        let tokens = ids("tokens", tokens)?;
        let mut lookup = self.lock(py);
        let lookup = &mut *lookup;
        run_sized(py, size_of_val(&tokens[..]), || lookup.extend(&tokens));
        Ok(())
    }

    /// Keeps the first `length` tokens.
    #[pyo3(signature = (length, /))]
    fn truncate(&self, length: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = length.py();
        let length = number("length", length)?;
        let mut lookup = self.lock(py);
        let bytes = lookup.tokens().len().saturating_sub(length) * size_of::<u32>();
        let lookup = &mut *lookup;
        run_sized(py, bytes, || lookup.truncate(length));
        Ok(())
    }

    /// At most `max_tokens` tokens that may follow.
    #[pyo3(signature = (max_tokens, /))]
    fn draft<'py>(&self, max_tokens: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArray1<u32>>> {
        let py = max_tokens.py();
        let max_tokens: u32 = number("max_tokens", max_tokens)?;
        let draft = run_short(py, || self.lock(py).draft(max_tokens as usize));
        Ok(PyArray1::from_vec(py, draft))
    }

    /// Every token.
    #[getter]
    fn tokens<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u32>> {
        PyArray1::from_slice(py, self.lock(py).tokens())
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.lock(py).tokens().len()
    }
}
