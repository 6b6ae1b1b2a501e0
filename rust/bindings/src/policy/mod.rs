//! Hot-path decisions as Python sees them.

pub(crate) mod concurrency;
pub(crate) mod health;
pub(crate) mod limiter;
pub(crate) mod queue;
pub(crate) mod retry_budget;
pub(crate) mod ring;

use pyo3::prelude::*;

use crate::error::config_error;

/// A moment, or seconds: a number that is finite.
fn finite(py: Python<'_>, name: &str, value: f64) -> PyResult<f64> {
    if value.is_finite() {
        return Ok(value);
    }
    let message = format!("{name} must be a finite number of seconds, not {value}");
    Err(config_error(py, message))
}
