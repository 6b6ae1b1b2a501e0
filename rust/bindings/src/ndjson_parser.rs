//! `NDJSONParser`.

use std::sync::{Mutex, PoisonError};

use inferail_sse::LineSplitter;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBytes, PyList};

use crate::buffer::to_bytes;
use crate::error::{byte_limit, sse_error};
use crate::gil::run_in_pieces;

/// Cuts newline-delimited JSON into lines.
#[pyclass(frozen, name = "NDJSONParser", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PyNdjsonParser {
    inner: Mutex<LineSplitter>,
}

#[pymethods]
impl PyNdjsonParser {
    #[new]
    #[pyo3(signature = (*, max_line_bytes=67_108_864))]
    fn new(py: Python<'_>, max_line_bytes: i64) -> PyResult<Self> {
        let limit = byte_limit(py, "max_line_bytes", max_line_bytes)?;
        Ok(Self {
            inner: Mutex::new(LineSplitter::with_max_line_bytes(limit)),
        })
    }

    /// The lines that `data`, the next bytes of the stream, completes, without their endings.
    #[pyo3(signature = (data, /))]
    fn feed<'py>(&self, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let py = data.py();
        let bytes = to_bytes(data)?;
        let mut inner = self
            .inner
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner);
        let mut lines: Vec<Bound<'_, PyBytes>> = Vec::new();
        let mut sink = |line: &[u8]| lines.push(PyBytes::new(py, line));
        let fed = run_in_pieces(py, bytes.as_bytes(), |piece| inner.feed(piece, &mut sink));
        let lines = PyList::new(py, lines)?;
        match fed {
            Ok(()) => Ok(lines),
            Err(error) => Err(sse_error(py, error, lines)),
        }
    }

    /// The last line, where the stream ended without a newline; `None` otherwise.
    fn finish<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        let mut inner = self
            .inner
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner);
        inner.finish().map(|line| PyBytes::new(py, &line))
    }
}
