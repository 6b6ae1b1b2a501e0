//! `HttpExchange`.

use std::sync::Arc;

use inferail_http::{Cell, Piece};
use pyo3::exceptions::PyTimeoutError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

use crate::error::http_error;
use crate::http_pool::PyHttpPool;
use crate::wire::stream_decoder::PyStreamDecoder;

/// Status, headers, and seconds for TCP and TLS.
type PyHead<'py> = (u16, Bound<'py, PyDict>, f64, f64);

/// One request and its answer.
#[pyclass(frozen, name = "HttpExchange", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PyHttpExchange {
    pub(crate) cell: Arc<Cell>,
    pool: Py<PyHttpPool>,
}

impl PyHttpExchange {
    pub(crate) fn new(cell: Arc<Cell>, pool: Py<PyHttpPool>) -> Self {
        Self { cell, pool }
    }

    /// Gives the exchange up once the moment `by` has come, also where something is there: a server that never
    /// pauses does not outlast a deadline.
    fn check_time(&self, py: Python<'_>, by: Option<f64>) -> PyResult<()> {
        if self.pool.get().is_past(by) {
            self.pool.get().give_up(py, &self.cell);
            return Err(PyTimeoutError::new_err("nothing came in time"));
        }
        Ok(())
    }
}

impl Drop for PyHttpExchange {
    fn drop(&mut self) {
        // Nobody can read it any more. The connection is closed when the pool is next used.
        self.pool.get().abandon(&self.cell);
    }
}

#[pymethods]
impl PyHttpExchange {
    /// Status, headers, and seconds for TCP and TLS, once they are known.
    fn head<'py>(&self, py: Python<'py>) -> PyResult<Option<PyHead<'py>>> {
        let head = self.cell.head().map_err(|error| http_error(py, &error))?;
        let Some(head) = head else {
            return Ok(None);
        };
        let headers = PyDict::new(py);
        for (name, value) in &head.headers {
            let name = PyString::new(py, name.as_str());
            let value = match value.to_str() {
                Ok(value) => PyString::new(py, value),
                Err(_) => PyString::new(py, &latin_1(value.as_bytes())),
            };
            let before = headers.get_item(&name)?;
            match before {
                None => headers.set_item(name, value)?,
                // RFC 9110, section 5.3.
                Some(before) => headers.set_item(name, format!("{before}, {value}"))?,
            }
        }
        let (connect, tls) = (head.connect.as_secs_f64(), head.tls.as_secs_f64());
        Ok(Some((head.status, headers, connect, tls)))
    }

    /// All of the body that has arrived; `b""` at its clean end, None where nothing is there yet.
    #[pyo3(signature = (by=None, /))]
    fn read<'py>(&self, py: Python<'py>, by: Option<f64>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        self.check_time(py, by)?;
        let mut pieces = Vec::new();
        let mut is_over = false;
        loop {
            match self.cell.next() {
                Ok(Piece::Bytes(bytes)) => pieces.push(bytes),
                Ok(Piece::Pending) => break,
                Ok(Piece::End) => {
                    is_over = true;
                    break;
                }
                // What came before the failure is handed out first.
                Err(_) if !pieces.is_empty() => break,
                Err(error) => return Err(http_error(py, &error)),
            }
        }
        if let [piece] = pieces.as_slice() {
            self.pool.get().go_on(py);
            return Ok(Some(PyBytes::new(py, piece)));
        }
        if pieces.is_empty() {
            return Ok(is_over.then(|| PyBytes::new(py, b"")));
        }
        self.pool.get().go_on(py);
        Ok(Some(PyBytes::new(py, &pieces.concat())))
    }

    /// The deltas of all of the body that has arrived; an empty list at its clean end, None where nothing is there yet
    /// that says anything. The bytes go from the connection into `decoder`: none of them becomes a Python object.
    #[pyo3(signature = (decoder, by=None, /))]
    fn deltas<'py>(
        &self,
        py: Python<'py>,
        decoder: &Bound<'py, PyStreamDecoder>,
        by: Option<f64>,
    ) -> PyResult<Option<Bound<'py, PyList>>> {
        self.check_time(py, by)?;
        let mut decoding = decoder.get().begin(py);
        let mut has_taken = false;
        let end = loop {
            match self.cell.next() {
                Ok(Piece::Bytes(bytes)) => {
                    has_taken = true;
                    decoding.feed(&bytes);
                }
                Ok(Piece::Pending) => break Ok(false),
                Ok(Piece::End) => break Ok(true),
                Err(error) => break Err(error),
            }
        };
        let deltas = decoding.finish()?;
        if has_taken {
            self.pool.get().go_on(py);
        }
        if !deltas.is_empty() {
            // What came before the end, or before a failure, is handed out first.
            return Ok(Some(deltas));
        }
        let is_over = end.map_err(|error| http_error(py, &error))?;
        Ok(is_over.then_some(deltas))
    }

    /// Whether the wait for it took too long; asking takes that back.
    fn late(&self) -> bool {
        self.cell.take_late()
    }

    /// Gives it up: its connection is closed, unless the answer is complete.
    fn close(&self, py: Python<'_>) {
        self.pool.get().give_up(py, &self.cell);
    }
}

fn latin_1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}
