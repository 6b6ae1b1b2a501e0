//! `StreamDecoder`.

use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};

use inferail_wire::{Delta, Options, Provider, StreamDecoder};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyList, PyString};

use crate::buffer::to_bytes;
use crate::error::{byte_limit, config_error};
use crate::gil::run_in_pieces;
use crate::wire::accumulator::PyAccumulator;
use crate::wire::delta::PyDelta;

/// Turns the body of one streamed response into deltas, whatever way the bytes are split.
#[pyclass(frozen, name = "StreamDecoder", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PyStreamDecoder {
    inner: Mutex<StreamDecoder>,
}

#[pymethods]
impl PyStreamDecoder {
    #[new]
    #[pyo3(signature = (grammar, *, max_event_bytes=67_108_864, require_done=true, think_tags=false))]
    fn new(
        py: Python<'_>,
        grammar: &str,
        max_event_bytes: i64,
        require_done: bool,
        think_tags: bool,
    ) -> PyResult<Self> {
        let Some(provider) = Provider::from_name(grammar) else {
            let known = Provider::names().collect::<Vec<_>>().join(", ");
            return Err(config_error(
                py,
                format!("unknown grammar {grammar:?}; known are {known}"),
            ));
        };
        let options = Options {
            max_event_bytes: byte_limit(py, "max_event_bytes", max_event_bytes)?,
            require_done,
            think_tags,
        };
        Ok(Self {
            inner: Mutex::new(StreamDecoder::with_options(provider, options)),
        })
    }

    /// The deltas that `data`, the next bytes of the body, completes.
    #[pyo3(signature = (data, /))]
    fn feed<'py>(&self, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let bytes = to_bytes(data)?;
        let mut decoding = self.begin(data.py());
        decoding.feed(bytes.as_bytes());
        decoding.finish()
    }

    /// Why the stream is not complete at the end of its body; `None` where it is.
    fn finish<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyString>> {
        self.lock(py)
            .finish()
            .map(|reason| PyString::intern(py, reason))
    }

    /// Whether no further byte can say anything.
    #[getter]
    fn terminal(&self, py: Python<'_>) -> bool {
        self.lock(py).is_terminal()
    }

    /// The first choice of the answer, put together.
    #[getter]
    fn accumulated(slf: &Bound<'_, Self>) -> PyAccumulator {
        PyAccumulator::of_decoder(slf.clone().unbind())
    }
}

impl PyStreamDecoder {
    /// Begins to decode what has arrived.
    pub(crate) fn begin<'a, 'py>(&'a self, py: Python<'py>) -> Decoding<'a, 'py> {
        Decoding {
            py,
            inner: self.lock(py),
            deltas: Ok(Vec::new()),
        }
    }

    /// Shows `look` the decoder as it is now.
    pub(crate) fn look<T>(&self, py: Python<'_>, look: impl FnOnce(&StreamDecoder) -> T) -> T {
        look(&self.lock(py))
    }

    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, StreamDecoder> {
        self.inner
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pieces of a body that are there, on their way to one list.
pub(crate) struct Decoding<'a, 'py> {
    py: Python<'py>,
    inner: MutexGuard<'a, StreamDecoder>,
    deltas: PyResult<Vec<Py<PyDelta>>>,
}

impl<'py> Decoding<'_, 'py> {
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        let (py, inner, deltas) = (self.py, &mut self.inner, &mut self.deltas);
        let mut sink = |delta: Delta<'_>| keep(py, deltas, &delta);
        let Ok(()) = run_in_pieces(py, bytes, |piece| {
            inner.feed(piece, &mut sink);
            Ok::<(), Infallible>(())
        });
    }

    pub(crate) fn finish(self) -> PyResult<Bound<'py, PyList>> {
        PyList::new(self.py, self.deltas?)
    }
}

/// About as many deltas as a network read of 1,400 bytes holds.
const USUAL_LENGTH: usize = 16;

/// Adds a delta, unless an earlier one could not be made.
fn keep(py: Python<'_>, deltas: &mut PyResult<Vec<Py<PyDelta>>>, delta: &Delta<'_>) {
    if let Ok(list) = deltas {
        if list.capacity() == 0 {
            list.reserve(USUAL_LENGTH);
        }
        match Py::new(py, PyDelta::from_wire(py, delta)) {
            Ok(delta) => list.push(delta),
            Err(error) => *deltas = Err(error),
        }
    }
}
