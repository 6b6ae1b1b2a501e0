//! `RecordRing`.

use std::time::Duration;

use inferail_policy::ring::Ring;
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::error::{config_error, policy_error};
use crate::gil::run;

/// A bounded queue of Python objects between those who record and the one who writes.
#[derive(Debug)]
#[pyclass(frozen, name = "RecordRing", module = "inferail.core")]
pub(crate) struct PyRecordRing {
    inner: Ring<Py<PyAny>>,
}

#[pymethods]
impl PyRecordRing {
    #[new]
    #[pyo3(signature = (capacity = 65_536))]
    fn new(py: Python<'_>, capacity: usize) -> PyResult<Self> {
        let inner = Ring::new(capacity).map_err(|error| policy_error(py, &error))?;
        Ok(Self { inner })
    }

    /// Takes in one object; False where it is full or closed. Never waits.
    #[pyo3(signature = (record, /))]
    fn push(&self, record: Py<PyAny>) -> bool {
        // The lock is held by others for moves of pointers only, never while they wait for the GIL.
        self.inner.push(record).is_ok()
    }

    /// Takes in one object, waiting for room without the GIL; False where none came in time, or it is closed.
    #[pyo3(signature = (record, timeout, /))]
    fn push_within(&self, py: Python<'_>, record: Py<PyAny>, timeout: f64) -> PyResult<bool> {
        let timeout = seconds(py, "timeout", timeout)?;
        // What is refused comes back before it is let go: that takes the GIL.
        let refused = run(py, || self.inner.push_within(record, timeout).err());
        Ok(refused.is_none())
    }

    /// Up to `most` objects, oldest first, waiting for the first of them without the GIL.
    #[pyo3(signature = (most, /, timeout, linger = 0.0))]
    fn take<'py>(
        &self,
        py: Python<'py>,
        most: usize,
        timeout: f64,
        linger: f64,
    ) -> PyResult<Bound<'py, PyList>> {
        let timeout = seconds(py, "timeout", timeout)?;
        let linger = seconds(py, "linger", linger)?;
        PyList::new(py, run(py, || self.inner.take(most, timeout, linger)))
    }

    /// Lets the one who takes, or the next one who does, not wait any longer.
    fn nudge(&self) {
        self.inner.nudge();
    }

    /// Refuses everything from now on; what is in it can still be taken.
    fn close(&self) {
        self.inner.close();
    }

    /// Whether it was closed.
    #[getter]
    fn closed(&self) -> bool {
        self.inner.is_closed()
    }

    /// How many objects can wait.
    #[getter]
    fn capacity(&self) -> usize {
        self.inner.capacity()
    }

    /// How many objects were taken in.
    #[getter]
    fn pushed(&self) -> u64 {
        self.inner.counts().pushed
    }

    /// How many objects were given out.
    #[getter]
    fn taken(&self) -> u64 {
        self.inner.counts().taken
    }

    /// How many pushes were refused, each try counted.
    #[getter]
    fn refused(&self) -> u64 {
        self.inner.counts().refused
    }

    fn __len__(&self) -> usize {
        self.inner.len()
    }
}

fn seconds(py: Python<'_>, name: &str, value: f64) -> PyResult<Duration> {
    if value.is_finite() && value >= 0.0 {
        return Ok(Duration::try_from_secs_f64(value).unwrap_or(Duration::MAX));
    }
    let message = format!("{name} must be a finite number of seconds, 0 or more, not {value}");
    Err(config_error(py, message))
}
