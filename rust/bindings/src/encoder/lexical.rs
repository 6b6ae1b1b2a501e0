//! `LexicalEncoder`.

use inferail_engine::lexical::Hasher;
use numpy::{PyArray1, PyArray2, PyArrayMethods};
use pyo3::prelude::*;

use super::texts::Texts;
use crate::error::{config_error, engine_error};
use crate::gil::run_sized;

/// Texts to vectors by the words and letters they are made of.
#[pyclass(frozen, name = "LexicalEncoder", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PyLexicalEncoder {
    inner: Hasher,
}

#[pymethods]
impl PyLexicalEncoder {
    #[new]
    #[pyo3(signature = (dim = 512))]
    fn new(py: Python<'_>, dim: i64) -> PyResult<Self> {
        let Ok(size) = usize::try_from(dim) else {
            let problem = format!("dim must be a number from 8 to {}, not {dim}", Hasher::MOST);
            return Err(config_error(py, problem));
        };
        let inner = Hasher::new(size).map_err(|error| engine_error(py, error))?;
        Ok(Self { inner })
    }

    /// A vector for each text.
    fn encode<'py>(&self, texts: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let py = texts.py();
        let texts = Texts::new(texts)?;
        let texts = texts.texts()?;
        // A byte of text takes some 50 times as long to hash as one of a stream takes to parse.
        let bytes: usize = texts.iter().map(|text| 50 * text.len()).sum();
        let vectors = run_sized(py, bytes, || self.inner.encode(&texts));
        PyArray1::from_vec(py, vectors).reshape([texts.len(), self.inner.dim()])
    }

    /// Numbers of a vector.
    #[getter]
    fn dim(&self) -> usize {
        self.inner.dim()
    }

    fn __repr__(&self) -> String {
        format!("LexicalEncoder(dim={})", self.inner.dim())
    }
}
