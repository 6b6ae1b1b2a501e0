//! `Encoding`.

use inferail_tokenizer::{Encoding, OffsetUnit};
use numpy::{PyArray1, PyArray2, PyArrayMethods};
use pyo3::prelude::*;

use super::ids;
use crate::error::config_error;

/// What offsets count, as Python says it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unit(pub(crate) OffsetUnit);

impl<'py> FromPyObject<'_, 'py> for Unit {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match object.extract::<&str>() {
            Ok("characters") => Ok(Self(OffsetUnit::Characters)),
            Ok("bytes") => Ok(Self(OffsetUnit::Bytes)),
            _ => {
                let problem = "offsets are counted in \"characters\" or \"bytes\"";
                Err(config_error(object.py(), problem.to_owned()))
            }
        }
    }
}

/// The tokens of a text with all that is known about each.
#[pyclass(frozen, name = "Encoding", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PyEncoding {
    inner: Encoding,
}

impl PyEncoding {
    pub(crate) fn new(inner: Encoding) -> Self {
        Self { inner }
    }
}

#[pymethods]
impl PyEncoding {
    fn __len__(&self) -> usize {
        self.inner.len()
    }

    /// Ids.
    #[getter]
    fn ids<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u32>> {
        ids::array(py, self.inner.ids.clone())
    }

    /// Where each token begins and ends.
    #[getter]
    fn offsets<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<u32>>> {
        let flat = PyArray1::from_slice(py, self.inner.offsets.as_flattened());
        flat.reshape([self.inner.len(), 2])
    }

    /// The kind of segment each token belongs to.
    #[getter]
    fn type_ids<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u32>> {
        ids::array(py, self.inner.type_ids.clone())
    }

    /// Which tokens were put in.
    #[getter]
    fn special_tokens_mask<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<bool>> {
        PyArray1::from_slice(py, &self.inner.special_tokens_mask)
    }

    /// Which tokens are not padding.
    #[getter]
    fn attention_mask<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<bool>> {
        PyArray1::from_slice(py, &self.inner.attention_mask)
    }

    /// The piece each token is part of.
    #[getter]
    fn word_ids(&self) -> Vec<Option<u32>> {
        self.inner.words.clone()
    }

    /// The text each token is of.
    #[getter]
    fn sequence_ids(&self) -> Vec<Option<u32>> {
        self.inner.sequences.clone()
    }
}
