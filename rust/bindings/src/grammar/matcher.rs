//! `Matcher`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use inferail_sampler::grammar::{Error, Matcher};
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;

use super::error::grammar_error;
use crate::error::config_error;
use crate::gil::{run, run_short};

/// Most tokens put through a matcher without letting other threads run: about 1 µs each.
const FEW_TOKENS: usize = 64;

/// Where one sequence is in its grammar.
#[pyclass(frozen, name = "Matcher", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PyMatcher {
    inner: Mutex<Matcher>,
}

#[pymethods]
impl PyMatcher {
    /// Which tokens may come next.
    #[pyo3(signature = (out=None))]
    fn mask<'py>(
        &self,
        py: Python<'py>,
        out: Option<Bound<'py, PyArray1<u32>>>,
    ) -> PyResult<Bound<'py, PyArray1<u32>>> {
        let mut matcher = self.lock(py);
        let Some(out) = out else {
            let mask = computed(py, &mut matcher)?;
            return Ok(PyArray1::from_slice(py, mask));
        };
        let mut row = out
            .try_readwrite()
            .map_err(|error| not_writable(py, &error))?;
        let row = row
            .as_slice_mut()
            .map_err(|error| not_writable(py, &error))?;
        fill(py, &mut matcher, row)?;
        Ok(out)
    }

    /// Writes which tokens may come next into a row of a batch.
    fn mask_into(
        &self,
        py: Python<'_>,
        masks: &Bound<'_, PyArray2<u32>>,
        row: usize,
    ) -> PyResult<()> {
        let mut matcher = self.lock(py);
        let mut rows = masks
            .try_readwrite()
            .map_err(|error| not_writable(py, &error))?;
        let (num_rows, words) = (masks.shape()[0], masks.shape()[1]);
        let rows = rows
            .as_slice_mut()
            .map_err(|error| not_writable(py, &error))?;
        if row >= num_rows {
            let message = format!("there is no row {row}: masks has {num_rows}");
            return Err(config_error(py, message));
        }
        fill(py, &mut matcher, &mut rows[row * words..(row + 1) * words])
    }

    /// Takes a token.
    #[pyo3(signature = (token, /))]
    fn accept(&self, py: Python<'_>, token: i64) -> PyResult<()> {
        let token = known(token);
        self.with(py, 1, |matcher| matcher.accept(token))
    }

    /// Takes tokens.
    #[pyo3(signature = (tokens, /))]
    fn accept_many(&self, py: Python<'_>, tokens: &Bound<'_, PyAny>) -> PyResult<()> {
        let tokens = ids(tokens)?;
        self.with(py, tokens.len(), |matcher| matcher.accept_many(&tokens))
    }

    /// How many of the tokens may come.
    #[pyo3(signature = (tokens, /))]
    fn validate(&self, py: Python<'_>, tokens: &Bound<'_, PyAny>) -> PyResult<usize> {
        let tokens = ids(tokens)?;
        self.with(py, tokens.len(), |matcher| matcher.validate(&tokens))
    }

    /// The tokens that must come.
    fn forced_tokens(&self, py: Python<'_>) -> PyResult<Vec<u32>> {
        self.with(py, 1, Matcher::forced_tokens)
    }

    /// Takes back the last tokens.
    #[pyo3(signature = (count, /))]
    fn rollback(&self, py: Python<'_>, count: usize) -> PyResult<()> {
        self.with(py, count, |matcher| matcher.rollback(count))
    }

    /// The tokens that were taken.
    #[getter]
    fn tokens(&self, py: Python<'_>) -> Vec<u32> {
        self.lock(py).tokens().to_vec()
    }

    /// Whether the text may end here.
    #[getter]
    fn is_accepting(&self, py: Python<'_>) -> PyResult<bool> {
        self.with(py, 1, Matcher::is_accepting)
    }

    /// Whether nothing may come but the end.
    #[getter]
    fn is_finished(&self, py: Python<'_>) -> bool {
        self.lock(py).is_finished()
    }

    /// The same sequence once more.
    fn fork(&self, py: Python<'_>) -> Self {
        Self::new(self.lock(py).fork())
    }
}

impl PyMatcher {
    pub(super) fn new(inner: Matcher) -> Self {
        Self {
            inner: Mutex::new(inner),
        }
    }

    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, Matcher> {
        self.inner
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// `work` on `tokens` tokens, without the GIL if they are many.
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        tokens: usize,
        work: impl FnOnce(&mut Matcher) -> Result<T, Error> + Send,
    ) -> PyResult<T> {
        let mut guard = self.lock(py);
        let matcher = &mut *guard;
        let done = if tokens > FEW_TOKENS {
            run(py, || work(matcher))
        } else {
            run_short(py, || work(matcher))
        };
        done.map_err(|error| grammar_error(py, &error))
    }
}

/// The mask, computed without the GIL: it takes 1 µs to some milliseconds.
fn computed<'m>(py: Python<'_>, matcher: &'m mut Matcher) -> PyResult<&'m [u32]> {
    run(py, || matcher.mask()).map_err(|error| grammar_error(py, &error))
}

/// Writes the mask, and nothing is allowed behind it.
fn fill(py: Python<'_>, matcher: &mut Matcher, row: &mut [u32]) -> PyResult<()> {
    let words = matcher.vocabulary().mask_words();
    if row.len() < words {
        let message = format!("a mask has {words} words, {} are too few", row.len());
        return Err(config_error(py, message));
    }
    let mask = computed(py, matcher)?;
    row[..words].copy_from_slice(mask);
    row[words..].fill(0);
    Ok(())
}

fn not_writable(py: Python<'_>, error: &dyn std::fmt::Display) -> PyErr {
    let message = format!("a mask is written into a contiguous array of uint32: {error}");
    config_error(py, message)
}

/// No vocabulary has the highest id, so it stands for what is no id at all.
fn known(token: i64) -> u32 {
    u32::try_from(token).unwrap_or(u32::MAX)
}

fn ids(tokens: &Bound<'_, PyAny>) -> PyResult<Vec<u32>> {
    if let Ok(Ok(ids)) = tokens.cast::<PyArray1<u32>>().map(PyArrayMethods::to_vec) {
        return Ok(ids);
    }
    let ids = tokens
        .try_iter()?
        .map(|id| Ok(known(id?.extract::<i64>()?)));
    ids.collect()
}
