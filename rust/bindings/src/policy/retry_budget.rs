//! `RetryBudget`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use inferail_policy::retry_budget::RetryBudget;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use super::finite;
use crate::error::{config_error, policy_error};

/// How much retries or hedges may add.
#[derive(Debug)]
#[pyclass(frozen, name = "RetryBudget", module = "inferail.core")]
pub(crate) struct PyRetryBudget {
    inner: Mutex<RetryBudget>,
}

impl PyRetryBudget {
    fn lock(&self) -> MutexGuard<'_, RetryBudget> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl PyRetryBudget {
    #[new]
    #[pyo3(signature = (ratio = 0.1, *, minimum_per_second = 0.1, burst = 10.0, usd_per_day = None))]
    fn new(
        py: Python<'_>,
        ratio: f64,
        minimum_per_second: f64,
        burst: f64,
        usd_per_day: Option<f64>,
    ) -> PyResult<Self> {
        let micros = usd_per_day.map(|usd| micros(py, "usd_per_day", usd));
        let inner = RetryBudget::new(ratio, minimum_per_second, burst, micros.transpose()?);
        Ok(Self {
            inner: Mutex::new(inner.map_err(|error| policy_error(py, &error))?),
        })
    }

    /// A request was made for the first time.
    #[pyo3(signature = (now = None))]
    fn deposit(&self, py: Python<'_>, now: Option<f64>) -> PyResult<()> {
        let now = moment(py, now)?;
        self.lock().deposit(now);
        Ok(())
    }

    /// Whether one more may be made; then it is counted.
    #[pyo3(signature = (now = None))]
    fn withdraw(&self, py: Python<'_>, now: Option<f64>) -> PyResult<bool> {
        let now = moment(py, now)?;
        Ok(self.lock().withdraw(now))
    }

    /// What one of them cost.
    #[pyo3(signature = (usd, now = None))]
    fn spend(&self, py: Python<'_>, usd: f64, now: Option<f64>) -> PyResult<()> {
        let micros = micros(py, "usd", usd)?;
        let now = moment(py, now)?;
        self.lock().spend(micros, now);
        Ok(())
    }

    /// How many could be made now.
    #[getter]
    fn balance(&self) -> f64 {
        self.lock().balance()
    }
}

/// Dollars as millionths, rounded up: what is spent is never told too low.
fn micros(py: Python<'_>, name: &str, usd: f64) -> PyResult<u64> {
    if usd.is_finite() && (0.0..1e12).contains(&usd) {
        return Ok((usd * 1e6).ceil() as u64);
    }
    let message = format!("{name} must be a number of US dollars, 0 or more, not {usd}");
    Err(config_error(py, message))
}

/// The moment that was given, or this one on the clock of the transports.
fn moment(py: Python<'_>, now: Option<f64>) -> PyResult<f64> {
    static CLOCK: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    match now {
        Some(now) => finite(py, "now", now),
        None => CLOCK
            .import(py, "time", "monotonic")?
            .call0()?
            .extract::<f64>(),
    }
}
