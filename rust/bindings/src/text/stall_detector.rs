//! `StallDetector`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use inferail_text::stall::{Bounds, Gaps};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;

use crate::error::config_error;

/// How long one stream may be silent, learned from the gaps of all streams of its endpoint.
#[pyclass(frozen, name = "StallDetector", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PyStallDetector {
    gaps: Arc<Mutex<Gaps>>,
    bounds: Bounds,
    last: Mutex<Option<f64>>,
}

fn lock<'a, T>(py: Python<'_>, mutex: &'a Mutex<T>) -> MutexGuard<'a, T> {
    mutex
        .lock_py_attached(py)
        .unwrap_or_else(PoisonError::into_inner)
}

#[pymethods]
impl PyStallDetector {
    #[new]
    #[pyo3(signature = (*, floor = 1.0, factor = 8.0, cap = 30.0))]
    fn new(py: Python<'_>, floor: f64, factor: f64, cap: f64) -> PyResult<Self> {
        let is_good = |value: f64| value.is_finite() && value > 0.0;
        if !(is_good(floor) && is_good(factor) && is_good(cap) && floor <= cap) {
            let message = format!(
                "floor, factor and cap must be positive numbers and floor at most cap, not {floor}, {factor} and {cap}"
            );
            return Err(config_error(py, message));
        }
        Ok(Self {
            gaps: Arc::default(),
            bounds: Bounds { floor, factor, cap },
            last: Mutex::new(None),
        })
    }

    /// A detector for one more stream of the same endpoint: it learns with this one, and has seen no content.
    fn stream(&self) -> Self {
        Self {
            gaps: Arc::clone(&self.gaps),
            bounds: self.bounds,
            last: Mutex::new(None),
        }
    }

    /// Content has arrived at `now`.
    #[pyo3(signature = (now, /))]
    fn content(&self, py: Python<'_>, now: f64) {
        let before = lock(py, &self.last).replace(now);
        if let Some(before) = before {
            lock(py, &self.gaps).learn(now - before);
        }
    }

    /// Seconds from `now` until silence is a stall.
    #[pyo3(signature = (now, /))]
    fn limit(&self, py: Python<'_>, now: f64) -> f64 {
        let limit = self.bounds.limit(&lock(py, &self.gaps));
        let since = lock(py, &self.last).map_or(0.0, |last| now - last);
        (limit - since).clamp(0.0, self.bounds.cap)
    }

    /// How many gaps have been learned.
    #[getter]
    fn gaps(&self, py: Python<'_>) -> u32 {
        lock(py, &self.gaps).seen()
    }
}
