//! `StreamingDecoder`.

use std::sync::{Arc, Mutex, PoisonError};

use inferail_tokenizer::{Error, StreamingDecoder, Tokenizer};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::PyInt;

use super::ids;
use crate::error::tokenizer_error;
use crate::gil::run_short;

/// Text of ids while they arrive.
#[pyclass(frozen, name = "StreamingDecoder", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PyStreamingDecoder {
    tokenizer: Arc<Tokenizer>,
    /// Whether the bytes of special tokens are left out.
    skip_special_tokens: bool,
    stream: Mutex<StreamingDecoder>,
}

impl PyStreamingDecoder {
    pub(crate) fn new(tokenizer: Arc<Tokenizer>, skip_special_tokens: bool) -> Self {
        Self {
            tokenizer,
            skip_special_tokens,
            stream: Mutex::default(),
        }
    }

    fn text(&self, stream: &mut StreamingDecoder, ids: &[u32]) -> Result<String, Error> {
        let mut text = String::new();
        for &id in ids {
            if !(self.skip_special_tokens && self.tokenizer.is_special(id)) {
                text.push_str(&stream.step(&self.tokenizer, id)?);
            }
        }
        Ok(text)
    }
}

#[pymethods]
impl PyStreamingDecoder {
    /// The text that the next id or ids make certain.
    #[pyo3(signature = (ids, /))]
    fn feed(&self, ids: &Bound<'_, PyAny>) -> PyResult<String> {
        let py = ids.py();
        // What cannot be gone through is one number, of Python or of numpy.
        let ids = if ids.is_instance_of::<PyInt>() || !ids.hasattr("__iter__")? {
            vec![ids::from_number(ids, &self.tokenizer)?]
        } else {
            ids::from_python(ids, &self.tokenizer)?
        };
        let mut stream = self
            .stream
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner);
        let mut next = *stream;
        let text = run_short(py, || self.text(&mut next, &ids));
        let text = text.map_err(|error| tokenizer_error(py, &error))?;
        *stream = next;
        Ok(text)
    }

    /// What is left at the end; it begins anew afterwards.
    fn finish(&self, py: Python<'_>) -> String {
        let stream = self.stream.lock_py_attached(py);
        stream.unwrap_or_else(PoisonError::into_inner).finish()
    }
}
