//! `WaitQueue`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use inferail_policy::queue::{Entry, Queue};
use pyo3::prelude::*;

use super::finite;
use crate::error::policy_error;

/// A bounded queue with priorities that age.
#[derive(Debug)]
#[pyclass(frozen, name = "WaitQueue", module = "inferail.core")]
pub(crate) struct PyWaitQueue {
    inner: Mutex<Queue>,
}

impl PyWaitQueue {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl PyWaitQueue {
    #[new]
    #[pyo3(signature = (capacity, *, ageing = 10.0))]
    fn new(py: Python<'_>, capacity: usize, ageing: f64) -> PyResult<Self> {
        let inner = Queue::new(capacity, ageing).map_err(|error| policy_error(py, &error))?;
        Ok(Self {
            inner: Mutex::new(inner),
        })
    }

    /// Enters: the ticket, and who was put out for it; None where it is full of more important ones.
    #[pyo3(signature = (now, /, *, priority = 0))]
    fn push(
        &self,
        py: Python<'_>,
        now: f64,
        priority: u32,
    ) -> PyResult<Option<(u64, Option<u64>)>> {
        let now = finite(py, "now", now)?;
        Ok(match self.lock().push(priority, now) {
            Entry::Waits(ticket) => Some((ticket, None)),
            Entry::Displaced { ticket, displaced } => Some((ticket, Some(displaced))),
            Entry::Refused => None,
        })
    }

    /// Who is served next.
    fn first(&self) -> Option<u64> {
        self.lock().first()
    }

    /// Who is served after a ticket.
    #[pyo3(signature = (ticket, /))]
    fn after(&self, ticket: u64) -> Option<u64> {
        self.lock().after(ticket)
    }

    /// Whether one is served before another.
    #[pyo3(signature = (one, other, /))]
    fn is_before(&self, one: u64, other: u64) -> bool {
        self.lock().is_before(one, other)
    }

    /// Leaves; whether it waited.
    #[pyo3(signature = (ticket, /))]
    fn remove(&self, ticket: u64) -> bool {
        self.lock().remove(ticket)
    }

    fn __len__(&self) -> usize {
        self.lock().len()
    }
}
