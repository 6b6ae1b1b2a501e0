//! `TaskModel`.

use std::path::PathBuf;

use inferail_text::classifier::{MAX_BITS, TaskModel, features};
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use crate::error::{config_error, text_error};
use crate::gil::run_sized;
use crate::tokenizer::text::to_text;

/// Says what prompts are about.
#[pyclass(frozen, name = "TaskModel", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PyTaskModel {
    inner: TaskModel,
    names: Vec<Py<PyString>>,
}

#[pymethods]
impl PyTaskModel {
    /// Reads a file of weights.
    #[new]
    #[pyo3(signature = (path, /))]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let file = std::fs::read(&path)?;
        let inner = TaskModel::read(&file).map_err(|error| text_error(py, &error, &path))?;
        let names = inner.tasks().iter();
        let names = names
            .map(|name| PyString::intern(py, name).unbind())
            .collect();
        Ok(Self { inner, names })
    }

    /// The likeliest task, how likely it is, and the complexity of the prompt.
    #[pyo3(signature = (text, /))]
    fn classify<'py>(&self, text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyTuple>> {
        let py = text.py();
        let given = to_text(text)?;
        let found = run_sized(py, given.len(), || self.inner.classify(&given));
        let place = self
            .inner
            .tasks()
            .iter()
            .position(|name| name == found.name);
        let name = place.and_then(|place| self.names.get(place));
        (name, found.confidence, found.complexity).into_pyobject(py)
    }

    /// The scores of all tasks in their order, then that of complexity.
    #[pyo3(signature = (text, /))]
    fn scores(&self, text: &Bound<'_, PyString>) -> PyResult<Vec<f32>> {
        Ok(self.inner.scores(&to_text(text)?))
    }

    /// What it tells apart.
    #[getter]
    fn tasks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.names)
    }

    /// The buckets of the features of a text: what a model is trained on.
    #[staticmethod]
    #[pyo3(signature = (text, /, *, bits))]
    fn features(text: &Bound<'_, PyString>, bits: u32) -> PyResult<Vec<u32>> {
        if !(1..=MAX_BITS).contains(&bits) {
            let message = format!("bits must be from 1 to {MAX_BITS}, not {bits}");
            return Err(config_error(text.py(), message));
        }
        Ok(features(&to_text(text)?, bits))
    }
}
