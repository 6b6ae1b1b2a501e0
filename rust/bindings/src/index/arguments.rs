//! Keys, vectors and what belongs to them as Python has them.

use std::time::{SystemTime, UNIX_EPOCH};

use numpy::{
    PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyFloat, PyInt};

use crate::error::config_error;

/// One vector or several, their numbers side by side.
#[derive(Debug)]
pub(super) struct Vectors<'py> {
    array: PyReadonlyArrayDyn<'py, f32>,
    /// Whether it is several.
    pub(super) many: bool,
}

impl<'py> Vectors<'py> {
    /// Reads an array of float32 where it is, and converts anything else.
    pub(super) fn new(name: &str, given: &Bound<'py, PyAny>) -> PyResult<Self> {
        let py = given.py();
        let array = match given.cast::<PyArrayDyn<f32>>() {
            Ok(array) if array.is_c_contiguous() => array.clone(),
            _ => convert(name, given)?,
        };
        let dimensions = array.ndim();
        if dimensions == 0 || dimensions > 2 {
            let problem = format!("{name} must have one or two dimensions, not {dimensions}");
            return Err(config_error(py, problem));
        }
        Ok(Self {
            many: dimensions == 2,
            array: array.try_readonly()?,
        })
    }

    /// The vectors.
    pub(super) fn rows(&self) -> PyResult<Vec<&[f32]>> {
        let numbers = self.array.as_slice()?;
        Ok(match self.array.shape() {
            [rows, 0] => vec![&[]; *rows],
            [_, dim] => numbers.chunks_exact(*dim).collect(),
            _ => vec![numbers],
        })
    }

    /// The only vector, if there is one.
    pub(super) fn only(&self) -> PyResult<Option<&[f32]>> {
        let numbers = self.array.as_slice()?;
        Ok((!self.many).then_some(numbers))
    }
}

fn convert<'py>(name: &str, given: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
    let py = given.py();
    let numpy = py.import(intern!(py, "numpy"))?;
    let options = PyDict::new(py);
    options.set_item(intern!(py, "dtype"), intern!(py, "float32"))?;
    let made = numpy.call_method(intern!(py, "ascontiguousarray"), (given,), Some(&options));
    let Ok(array) = made else {
        let problem = format!("{name} must be numbers, as an array of float32 or a list of them");
        return Err(config_error(py, problem));
    };
    // A number alone becomes an array of one dimension; the caller's dimensions count.
    Ok(array.cast_into::<PyArrayDyn<f32>>()?)
}

/// Keys: a number, a list of them, or an array of integers.
pub(crate) fn keys(given: &Bound<'_, PyAny>) -> PyResult<Vec<u64>> {
    let py = given.py();
    if let Ok(array) = given.cast::<PyArrayDyn<u64>>()
        && array.ndim() == 1
    {
        return Ok(array.try_readonly()?.as_array().iter().copied().collect());
    }
    let found = if given.is_instance_of::<PyInt>() {
        given.extract::<u64>().map(|key| vec![key])
    } else if let Ok(array) = given.cast::<PyUntypedArray>() {
        array.call_method0(intern!(py, "tolist"))?.extract()
    } else {
        given.extract::<Vec<u64>>()
    };
    found.map_err(|_| {
        let problem = "keys must be whole numbers from 0 to 2^64 - 1, one for each vector";
        config_error(py, problem.to_owned())
    })
}

/// One value for all of `count` entries, or a list with one or None for each.
fn each<'py, T: Clone>(
    name: &str,
    expected: &str,
    given: Option<&Bound<'py, PyAny>>,
    count: usize,
    one: impl Fn(&Bound<'py, PyAny>) -> Option<T>,
) -> PyResult<Vec<Option<T>>> {
    let Some(given) = given else {
        return Ok(vec![None; count]);
    };
    if let Some(value) = one(given) {
        return Ok(vec![Some(value); count]);
    }
    let py = given.py();
    let wrong = || {
        config_error(
            py,
            format!("{name} must be {expected}, for each key or for all"),
        )
    };
    let mut values = Vec::with_capacity(count);
    for item in given.try_iter().map_err(|_| wrong())? {
        let item = item?;
        values.push(if item.is_none() {
            None
        } else {
            Some(one(&item).ok_or_else(wrong)?)
        });
    }
    if values.len() != count {
        let problem = format!("{name} has {} items for {count} keys", values.len());
        return Err(config_error(py, problem));
    }
    Ok(values)
}

/// Thresholds, one for each key.
pub(super) fn thresholds(
    given: Option<&Bound<'_, PyAny>>,
    count: usize,
) -> PyResult<Vec<Option<f32>>> {
    each("thresholds", "a number or None", given, count, |item| {
        item.extract().ok()
    })
}

/// Payloads, one for each key.
pub(super) fn payloads<'py>(
    given: Option<&Bound<'py, PyAny>>,
    count: usize,
) -> PyResult<Vec<Option<Bound<'py, PyBytes>>>> {
    each("payloads", "bytes or None", given, count, |item| {
        item.cast::<PyBytes>().ok().cloned()
    })
}

/// Moments, in milliseconds since 1970, one for each key.
pub(super) fn moments(
    given: Option<&Bound<'_, PyAny>>,
    count: usize,
) -> PyResult<Vec<Option<u64>>> {
    let expected = "seconds since 1970 or None";
    each("expires", expected, given, count, |item| moment(item).ok())
}

/// Seconds since 1970 as milliseconds; now, if there are none.
pub(super) fn now(given: Option<&Bound<'_, PyAny>>) -> PyResult<u64> {
    let Some(given) = given else {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        return Ok(since.as_millis() as u64);
    };
    moment(given).map_err(|()| {
        let problem = "now must be seconds since 1970, a number of 0 or more";
        config_error(given.py(), problem.to_owned())
    })
}

fn moment(given: &Bound<'_, PyAny>) -> Result<u64, ()> {
    if !given.is_instance_of::<PyFloat>() && !given.is_instance_of::<PyInt>() {
        return Err(());
    }
    let seconds: f64 = given.extract().map_err(|_| ())?;
    // 1e15 seconds are 30 million years: above it, milliseconds do not fit.
    if (0.0..1e15).contains(&seconds) {
        Ok((seconds * 1000.0).round() as u64)
    } else {
        Err(())
    }
}
