//! Numbers and ids that Python gives.

use numpy::{PyArray1, PyArrayMethods, PyUntypedArray};
use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;

use crate::error::config_error;

/// The number `value`, which is no less than 0 and fits.
///
/// # Errors
///
/// `ConfigError`: it does neither. `TypeError`: it is no whole number.
pub(super) fn number<'py, T>(name: &str, value: &Bound<'py, PyAny>) -> PyResult<T>
where
    T: for<'a> FromPyObject<'a, 'py, Error = PyErr>,
{
    value.extract::<T>().map_err(|error| {
        let py = value.py();
        if !error.is_instance_of::<PyOverflowError>(py) {
            return error;
        }
        let bits = 8 * size_of::<T>();
        let message = format!("{name} must be 0 or more and below 2^{bits}, not {value}");
        config_error(py, message)
    })
}

/// Token ids: an array of uint32, or anything of whole numbers.
///
/// # Errors
///
/// As [`number`].
pub(super) fn ids(name: &str, ids: &Bound<'_, PyAny>) -> PyResult<Vec<u32>> {
    if let Ok(Ok(ids)) = ids.cast::<PyArray1<u32>>().map(PyArrayMethods::to_vec) {
        return Ok(ids);
    }
    if let Ok(array) = ids.cast::<PyUntypedArray>() {
        return self::ids(name, &array.call_method0("tolist")?);
    }
    ids.try_iter()?.map(|id| number(name, &id?)).collect()
}
