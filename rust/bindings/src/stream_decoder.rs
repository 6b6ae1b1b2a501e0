//! `StreamDecoder`.

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};

use inferail_wire::{Delta, Options, Provider, StreamDecoder};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyList, PyString};

use crate::buffer::to_bytes;
use crate::delta::PyDelta;
use crate::error::config_error;
use crate::gil::run_in_pieces;

/// Turns the body of one streamed response into deltas, whatever way the bytes are split.
#[pyclass(frozen, name = "StreamDecoder", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PyStreamDecoder {
    inner: Mutex<StreamDecoder>,
}

#[pymethods]
impl PyStreamDecoder {
    #[new]
    #[pyo3(signature = (grammar, *, max_event_bytes=67_108_864, require_done=true))]
    fn new(
        py: Python<'_>,
        grammar: &str,
        max_event_bytes: usize,
        require_done: bool,
    ) -> PyResult<Self> {
        let Some(provider) = Provider::from_name(grammar) else {
            let known = Provider::ALL.map(Provider::as_str).join(", ");
            return Err(config_error(
                py,
                format!("unknown grammar {grammar:?}; known are {known}"),
            ));
        };
        let options = Options {
            max_event_bytes,
            require_done,
        };
        Ok(Self {
            inner: Mutex::new(StreamDecoder::with_options(provider, options)),
        })
    }

    /// The deltas that `data`, the next bytes of the body, completes.
    #[pyo3(signature = (data, /))]
    fn feed<'py>(&self, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let py = data.py();
        let bytes = to_bytes(data)?;
        let mut inner = self
            .inner
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner);
        let mut deltas = Ok(Vec::new());
        let mut sink = |delta: Delta<'_>| keep(py, &mut deltas, &delta);
        let Ok(()) = run_in_pieces(py, bytes.as_bytes(), |piece| {
            inner.feed(piece, &mut sink);
            Ok::<(), Infallible>(())
        });
        PyList::new(py, deltas?)
    }

    /// Why the stream is not complete at the end of its body; `None` where it is.
    fn finish<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyString>> {
        let inner = self
            .inner
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner);
        inner.finish().map(|reason| PyString::intern(py, reason))
    }

    /// Whether no further byte can say anything.
    #[getter]
    fn terminal(&self, py: Python<'_>) -> bool {
        let inner = self
            .inner
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner);
        inner.is_terminal()
    }
}

/// Adds a delta, unless an earlier one could not be made.
fn keep(py: Python<'_>, deltas: &mut PyResult<Vec<Py<PyDelta>>>, delta: &Delta<'_>) {
    if let Ok(list) = deltas {
        match PyDelta::from_wire(py, delta).and_then(|delta| Py::new(py, delta)) {
            Ok(delta) => list.push(delta),
            Err(error) => *deltas = Err(error),
        }
    }
}
