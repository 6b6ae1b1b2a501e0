//! `AdaptiveConcurrency`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use inferail_policy::concurrency::{Concurrency, Outcome};
use pyo3::prelude::*;

use super::finite;
use crate::error::{config_error, policy_error};

/// A limit on concurrent calls that follows what a provider bears.
#[derive(Debug)]
#[pyclass(frozen, name = "AdaptiveConcurrency", module = "inferail.core")]
pub(crate) struct PyAdaptiveConcurrency {
    inner: Mutex<Concurrency>,
}

impl PyAdaptiveConcurrency {
    fn lock(&self) -> MutexGuard<'_, Concurrency> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl PyAdaptiveConcurrency {
    #[new]
    #[pyo3(signature = (*, initial = 8.0, minimum = 1.0, maximum = 1024.0))]
    fn new(py: Python<'_>, initial: f64, minimum: f64, maximum: f64) -> PyResult<Self> {
        let inner = Concurrency::new(initial, minimum, maximum);
        Ok(Self {
            inner: Mutex::new(inner.map_err(|error| policy_error(py, &error))?),
        })
    }

    /// Begins a call, if one more is allowed.
    fn acquire(&self) -> bool {
        self.lock().acquire()
    }

    /// Ends a call.
    #[pyo3(signature = (outcome, started, now, /))]
    fn release(&self, py: Python<'_>, outcome: &str, started: f64, now: f64) -> PyResult<()> {
        finite(py, "started", started)?;
        finite(py, "now", now)?;
        let outcome = match outcome {
            "succeeded" => Outcome::Succeeded,
            "limited" => Outcome::Limited,
            "failed" => Outcome::Failed,
            "unknown" => Outcome::Unknown,
            other => {
                let message =
                    format!("an outcome is succeeded, limited, failed or unknown, not {other:?}");
                return Err(config_error(py, message));
            }
        };
        self.lock().release(outcome, started, now);
        Ok(())
    }

    /// How many calls may run.
    #[getter]
    fn limit(&self) -> usize {
        self.lock().limit()
    }

    /// How many do.
    #[getter]
    fn in_flight(&self) -> usize {
        self.lock().in_flight()
    }
}
