//! `EventStreamParser` and `EventStreamMessage`.

use std::sync::{Mutex, PoisonError};

use inferail_sse::{Message, MessageParser, Value};
use pyo3::prelude::*;
use pyo3::sync::{MutexExt, PyOnceLock};
use pyo3::types::{PyBytes, PyDict, PyList, PyType};

use crate::buffer::to_bytes;
use crate::error::{byte_limit, sse_error};
use crate::gil::run_in_pieces;

/// One message of an AWS event stream.
#[pyclass(frozen, name = "EventStreamMessage", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PyEventStreamMessage {
    headers: Py<PyDict>,
    payload: Py<PyBytes>,
}

impl PyEventStreamMessage {
    fn from_message(py: Python<'_>, message: &Message<'_>) -> PyResult<Self> {
        let headers = PyDict::new(py);
        for (name, value) in message.headers() {
            if !headers.contains(name)? {
                headers.set_item(name, to_python(py, value)?)?;
            }
        }
        Ok(Self {
            headers: headers.unbind(),
            payload: PyBytes::new(py, message.payload).unbind(),
        })
    }
}

#[pymethods]
impl PyEventStreamMessage {
    /// The headers; of those with the same name, the first.
    #[getter]
    fn headers(&self, py: Python<'_>) -> PyResult<Py<PyDict>> {
        Ok(self.headers.bind(py).copy()?.unbind())
    }

    /// The body.
    #[getter]
    fn payload(&self, py: Python<'_>) -> Py<PyBytes> {
        self.payload.clone_ref(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!(
            "<EventStreamMessage len(headers)={}, len(payload)={}>",
            self.headers.bind(py).len(),
            self.payload.bind(py).len()?
        ))
    }
}

fn to_python<'py>(py: Python<'py>, value: Value<'_>) -> PyResult<Bound<'py, PyAny>> {
    static UUID: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    Ok(match value {
        Value::Boolean(value) => value.into_pyobject(py)?.to_owned().into_any(),
        Value::Byte(value) => value.into_pyobject(py)?.into_any(),
        Value::Short(value) => value.into_pyobject(py)?.into_any(),
        Value::Integer(value) => value.into_pyobject(py)?.into_any(),
        Value::Long(value) | Value::Timestamp(value) => value.into_pyobject(py)?.into_any(),
        Value::Bytes(value) => PyBytes::new(py, value).into_any(),
        Value::String(value) => value.into_pyobject(py)?.into_any(),
        Value::Uuid(value) => {
            let options = PyDict::new(py);
            options.set_item("bytes", PyBytes::new(py, &value))?;
            UUID.import(py, "uuid", "UUID")?.call((), Some(&options))?
        }
    })
}

/// A parser of `application/vnd.amazon.eventstream` that checks every checksum.
#[pyclass(frozen, name = "EventStreamParser", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PyEventStreamParser {
    inner: Mutex<MessageParser>,
}

#[pymethods]
impl PyEventStreamParser {
    #[new]
    #[pyo3(signature = (*, max_payload_bytes=67_108_864))]
    fn new(py: Python<'_>, max_payload_bytes: i64) -> PyResult<Self> {
        let limit = byte_limit(py, "max_payload_bytes", max_payload_bytes)?;
        Ok(Self {
            inner: Mutex::new(MessageParser::with_max_payload_bytes(limit)),
        })
    }

    /// The messages that `data`, the next bytes of the stream, completes.
    #[pyo3(signature = (data, /))]
    fn feed<'py>(&self, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let py = data.py();
        let bytes = to_bytes(data)?;
        let mut inner = self
            .inner
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner);
        let mut messages = Ok(Vec::new());
        let mut sink = |message: Message<'_>| keep(py, &mut messages, &message);
        let fed = run_in_pieces(py, bytes.as_bytes(), |piece| inner.feed(piece, &mut sink));
        let messages = PyList::new(py, messages?)?;
        match fed {
            Ok(()) => Ok(messages),
            Err(error) => Err(sse_error(py, error, messages)),
        }
    }

    /// Whether the bytes so far end within a message: at the end of the stream, it was cut off.
    #[getter]
    fn inside(&self, py: Python<'_>) -> bool {
        let inner = self
            .inner
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner);
        inner.is_inside_message()
    }
}

/// Adds a message, unless an earlier one could not be made.
fn keep(
    py: Python<'_>,
    messages: &mut PyResult<Vec<Py<PyEventStreamMessage>>>,
    message: &Message<'_>,
) {
    if let Ok(list) = messages {
        let made = PyEventStreamMessage::from_message(py, message);
        match made.and_then(|message| Py::new(py, message)) {
            Ok(message) => list.push(message),
            Err(error) => *messages = Err(error),
        }
    }
}
