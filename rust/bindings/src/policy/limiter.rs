//! `Limiter`, and what it answers.

use std::sync::{Mutex, MutexGuard, PoisonError};

use inferail_policy::limiter::{Amount, Lease, Limit, Limiter, Refusal, Unit};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;

use super::finite;
use crate::error::{config_error, policy_error};

/// Several limits that are reserved together.
#[derive(Debug)]
#[pyclass(frozen, name = "Limiter", module = "inferail.core")]
pub(crate) struct PyLimiter {
    inner: Mutex<Limiter>,
    limits: usize,
}

/// What was reserved.
#[derive(Debug)]
#[pyclass(frozen, name = "Reservation", module = "inferail.core")]
pub(crate) struct PyReservation {
    lease: Mutex<Option<Lease>>,
}

/// Why nothing was reserved.
#[derive(Debug)]
#[pyclass(frozen, name = "Refusal", module = "inferail.core", get_all)]
pub(crate) struct PyRefusal {
    /// Number of the limit.
    limit: usize,
    /// Seconds until it surely has room.
    retry_after: Option<f64>,
    /// What is charged to it.
    used: u64,
    /// How much of that is only reserved.
    held: u64,
}

impl PyLimiter {
    fn lock(&self) -> MutexGuard<'_, Limiter> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self, py: Python<'_>, limit: usize) -> PyResult<usize> {
        if limit < self.limits {
            return Ok(limit);
        }
        let message = format!(
            "limit must be 0 to {}, not {limit}",
            self.limits.saturating_sub(1)
        );
        Err(config_error(py, message))
    }
}

#[pymethods]
impl PyLimiter {
    #[new]
    fn new(py: Python<'_>, limits: Vec<(PyBackedStr, u64, f64, usize)>) -> PyResult<Self> {
        let limits = limits.into_iter().map(|(unit, most, seconds, group)| {
            Ok(Limit {
                unit: unit_of(py, &unit)?,
                most,
                seconds,
                group,
            })
        });
        let limits = limits.collect::<PyResult<Vec<_>>>()?;
        let number = limits.len();
        let inner = Limiter::new(limits).map_err(|error| policy_error(py, &error))?;
        Ok(Self {
            inner: Mutex::new(inner),
            limits: number,
        })
    }

    /// Reserves for every limit, or for none.
    #[pyo3(signature = (now, /, *, requests = 1, tokens = 0, micros = 0, keys = None, ttl = 600.0))]
    #[expect(clippy::too_many_arguments, reason = "options, each by its name")]
    fn reserve<'py>(
        &self,
        py: Python<'py>,
        now: f64,
        requests: u64,
        tokens: u64,
        micros: u64,
        keys: Option<Vec<PyBackedStr>>,
        ttl: f64,
    ) -> PyResult<Bound<'py, PyAny>> {
        finite(py, "now", now)?;
        if ttl.is_nan() || ttl <= 0.0 {
            let message = format!("ttl must be a positive number of seconds, not {ttl}");
            return Err(config_error(py, message));
        }
        let amount = Amount {
            requests,
            tokens,
            micros,
        };
        let keys = keys.unwrap_or_default();
        let reserved = self.lock().reserve(&keys, amount, ttl, now);
        match reserved {
            Ok(lease) => {
                let lease = Mutex::new(Some(lease));
                Ok(Bound::new(py, PyReservation { lease })?.into_any())
            }
            Err(refusal) => Ok(Bound::new(py, PyRefusal::from(refusal))?.into_any()),
        }
    }

    /// Charges what a call consumed instead of what it reserved.
    #[pyo3(signature = (reservation, now, /, *, requests = 1, tokens = 0, micros = 0))]
    fn settle(
        &self,
        py: Python<'_>,
        reservation: &PyReservation,
        now: f64,
        requests: u64,
        tokens: u64,
        micros: u64,
    ) -> PyResult<bool> {
        finite(py, "now", now)?;
        let actual = Amount {
            requests,
            tokens,
            micros,
        };
        let lease = reservation.take();
        Ok(lease.is_some_and(|lease| self.lock().settle(lease, actual, now)))
    }

    /// Returns what was reserved for a call that was not made.
    #[pyo3(signature = (reservation, now, /))]
    fn release(&self, py: Python<'_>, reservation: &PyReservation, now: f64) -> PyResult<bool> {
        self.settle(py, reservation, now, 0, 0, 0)
    }

    /// What is charged to a limit, and how much of it is only reserved.
    #[pyo3(signature = (limit, now, /, *, key = ""))]
    fn used(&self, py: Python<'_>, limit: usize, now: f64, key: &str) -> PyResult<(u64, u64)> {
        finite(py, "now", now)?;
        let limit = self.number(py, limit)?;
        Ok(self.lock().used(limit, key, now))
    }

    /// Changes how much a limit allows.
    #[pyo3(signature = (limit, most, /))]
    fn change(&self, py: Python<'_>, limit: usize, most: u64) -> PyResult<()> {
        let limit = self.number(py, limit)?;
        self.lock().change(limit, most);
        Ok(())
    }

    /// How many reservations are held.
    #[getter]
    fn open(&self) -> usize {
        self.lock().open()
    }

    /// How many accounts are kept.
    #[getter]
    fn accounts(&self) -> usize {
        self.lock().accounts()
    }
}

impl PyReservation {
    fn take(&self) -> Option<Lease> {
        let mut lease = self.lease.lock().unwrap_or_else(PoisonError::into_inner);
        lease.take()
    }
}

#[pymethods]
impl PyReservation {
    /// Whether it was settled or released.
    #[getter]
    fn ended(&self) -> bool {
        let lease = self.lease.lock().unwrap_or_else(PoisonError::into_inner);
        lease.is_none()
    }
}

impl From<Refusal> for PyRefusal {
    fn from(refusal: Refusal) -> Self {
        Self {
            limit: refusal.limit,
            retry_after: refusal.retry_after,
            used: refusal.used,
            held: refusal.held,
        }
    }
}

fn unit_of(py: Python<'_>, name: &str) -> PyResult<Unit> {
    Ok(match name {
        "requests" => Unit::Requests,
        "tokens" => Unit::Tokens,
        "micros" => Unit::Micros,
        "calls" => Unit::Calls,
        other => {
            let message = format!("a limit is of requests, tokens, micros or calls, not {other:?}");
            return Err(config_error(py, message));
        }
    })
}
