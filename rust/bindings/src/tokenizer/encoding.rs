//! `Encoding`.

use std::sync::Arc;

use inferail_tokenizer::{Encoding, OffsetUnit, PadTo, Padding, Tokenizer};
use numpy::{PyArray1, PyArray2, PyArrayMethods};
use pyo3::prelude::*;

use super::ids;
use super::tokenizer::Side;
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
    tokenizer: Arc<Tokenizer>,
}

impl PyEncoding {
    pub(crate) fn new(inner: Encoding, tokenizer: &Arc<Tokenizer>) -> Self {
        let tokenizer = Arc::clone(tokenizer);
        Self { inner, tokenizer }
    }

    fn name(&self, id: u32, spelling: Option<&str>) -> String {
        match spelling {
            Some(spelling) => spelling.to_owned(),
            None => self.tokenizer.id_to_token(id).unwrap_or_default(),
        }
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

    /// What each token is called.
    #[getter]
    fn tokens(&self) -> Vec<String> {
        let tokens = self.inner.ids.iter().zip(&self.inner.spellings);
        tokens
            .map(|(id, spelling)| self.name(*id, spelling.as_deref()))
            .collect()
    }

    /// What truncation left over.
    #[getter]
    fn overflowing(&self) -> Vec<Self> {
        let parts = self.inner.overflowing.iter();
        parts
            .map(|part| Self::new(part.clone(), &self.tokenizer))
            .collect()
    }

    /// The same, filled up.
    #[pyo3(
        signature = (length, *, pad_id, pad_type_id=0, padding_side=Side::Right),
        text_signature = "($self, length, *, pad_id, pad_type_id=0, padding_side='right')"
    )]
    fn padded(&self, length: usize, pad_id: u32, pad_type_id: u32, padding_side: Side) -> Self {
        let padding = Padding {
            to: PadTo::Fixed(length),
            multiple_of: None,
            direction: padding_side.direction(),
            id: pad_id,
            type_id: pad_type_id,
        };
        let mut padded = self.inner.clone();
        padded.pad(&padding, length);
        Self::new(padded, &self.tokenizer)
    }

    fn __repr__(&self) -> String {
        format!("<Encoding of {} tokens>", self.inner.len())
    }
}
