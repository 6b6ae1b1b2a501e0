//! `SSEParser` and `SSEEvent`.

use std::sync::{Mutex, PoisonError};

use inferail_sse::{Event, Parser};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyList, PyString};

use crate::buffer::to_bytes;
use crate::error::{byte_limit, sse_error};
use crate::gil::run_in_pieces;

/// One server-sent event.
#[pyclass(frozen, name = "SSEEvent", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PySseEvent {
    // Plain `Py<str>` with `get`: a slot that the interpreter reads without a call.
    /// The event's type.
    #[pyo3(get)]
    event: Py<PyString>,
    /// The event's data.
    #[pyo3(get)]
    data: Py<PyString>,
    /// The last event id in force.
    #[pyo3(get)]
    id: Py<PyString>,
    /// The `retry:` value in milliseconds, where this event carried one.
    #[pyo3(get)]
    retry: Option<u64>,
}

impl PySseEvent {
    fn from_event(py: Python<'_>, event: &Event<'_>) -> Self {
        Self {
            event: match event.event {
                "message" => intern!(py, "message").clone().unbind(),
                name => PyString::new(py, name).unbind(),
            },
            data: PyString::new(py, event.data).unbind(),
            id: match event.id {
                "" => intern!(py, "").clone().unbind(),
                id => PyString::new(py, id).unbind(),
            },
            retry: event.retry,
        }
    }
}

#[pymethods]
impl PySseEvent {
    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let event = self.event.bind(py).to_cow()?;
        Ok(format!(
            "<SSEEvent event={event:?}, len(data)={}>",
            self.data.bind(py).len()?
        ))
    }
}

/// An incremental parser of server-sent events, by the WHATWG rules.
#[pyclass(frozen, name = "SSEParser", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PySseParser {
    inner: Mutex<Parser>,
}

#[pymethods]
impl PySseParser {
    #[new]
    #[pyo3(signature = (*, max_event_bytes=67_108_864))]
    fn new(py: Python<'_>, max_event_bytes: i64) -> PyResult<Self> {
        let limit = byte_limit(py, "max_event_bytes", max_event_bytes)?;
        Ok(Self {
            inner: Mutex::new(Parser::with_max_event_bytes(limit)),
        })
    }

    /// The events that `data`, the next bytes of the stream, completes.
    #[pyo3(signature = (data, /))]
    fn feed<'py>(&self, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let py = data.py();
        let bytes = to_bytes(data)?;
        let mut inner = self
            .inner
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner);
        let mut events = Ok(Vec::new());
        let mut sink = |event: Event<'_>| keep(py, &mut events, &event);
        let fed = run_in_pieces(py, bytes.as_bytes(), |piece| inner.feed(piece, &mut sink));
        let events = PyList::new(py, events?)?;
        match fed {
            Ok(()) => Ok(events),
            Err(error) => Err(sse_error(py, error, events)),
        }
    }

    /// The last event id, to send on reconnection; empty where the stream set none.
    #[getter]
    fn last_event_id(&self, py: Python<'_>) -> String {
        let inner = self
            .inner
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner);
        inner.last_event_id().to_owned()
    }

    /// The reconnection time in milliseconds, where the stream set one.
    #[getter]
    fn reconnection_time(&self, py: Python<'_>) -> Option<u64> {
        let inner = self
            .inner
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner);
        inner.reconnection_time()
    }
}

/// About as many events as a network read of 1,400 bytes holds.
const USUAL_LENGTH: usize = 16;

/// Adds an event, unless an earlier one could not be made.
fn keep(py: Python<'_>, events: &mut PyResult<Vec<Py<PySseEvent>>>, event: &Event<'_>) {
    if let Ok(list) = events {
        if list.capacity() == 0 {
            list.reserve(USUAL_LENGTH);
        }
        match Py::new(py, PySseEvent::from_event(py, event)) {
            Ok(event) => list.push(event),
            Err(error) => *events = Err(error),
        }
    }
}
