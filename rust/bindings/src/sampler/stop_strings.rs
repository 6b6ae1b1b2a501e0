//! `StopStrings`.

use std::sync::Arc;

use inferail_sampler::stop::StopStrings;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use crate::error::sampler_error;

/// Stop strings, compiled once for many sequences.
#[pyclass(frozen, name = "StopStrings", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PyStopStrings {
    inner: Arc<StopStrings>,
}

#[pymethods]
impl PyStopStrings {
    #[new]
    #[pyo3(signature = (strings, /))]
    fn new(strings: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self {
            inner: compiled(Some(strings))?,
        })
    }

    /// What was compiled, in its order.
    #[getter]
    fn strings<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.inner.strings())
    }
}

/// The stop strings that `given` is, or has: one string, several, or those that were compiled before.
///
/// # Errors
///
/// `ConfigError`: one is empty, or they are too many. `TypeError`: one is no string.
pub(super) fn compiled(given: Option<&Bound<'_, PyAny>>) -> PyResult<Arc<StopStrings>> {
    let Some(given) = given else {
        return Ok(Arc::default());
    };
    if let Ok(ready) = given.cast::<PyStopStrings>() {
        return Ok(Arc::clone(&ready.get().inner));
    }
    let strings: Vec<String> = if given.is_instance_of::<PyString>() {
        vec![given.extract()?]
    } else {
        let strings = given.try_iter()?.map(|string| string?.extract());
        strings.collect::<PyResult<_>>()?
    };
    let compiled = StopStrings::new(&strings);
    Ok(Arc::new(
        compiled.map_err(|error| sampler_error(given.py(), &error))?,
    ))
}
