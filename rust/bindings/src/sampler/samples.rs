//! `Samples`.

use inferail_sampler::Picked;
use numpy::{PyArray1, PyArray2, PyArrayMethods};
use pyo3::prelude::*;

/// A logit of the row was not a number.
const UNORDERED: u8 = 1;

/// A logit of the row was +∞.
const INFINITE: u8 = 2;

/// Tokens and what is known about them.
#[pyclass(frozen, name = "Samples", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PySamples {
    picked: Vec<Picked>,
    top: usize,
}

impl PySamples {
    /// With so many most likely tokens for each row.
    pub(super) fn new(picked: Vec<Picked>, top: usize) -> Self {
        Self { picked, top }
    }

    fn known<T: numpy::Element>(
        &self,
        py: Python<'_>,
        read: impl Fn(&inferail_sampler::Logprobs) -> T,
    ) -> Option<Py<PyArray1<T>>> {
        let numbers: Option<Vec<T>> = self
            .picked
            .iter()
            .map(|picked| picked.logprobs.as_ref().map(&read))
            .collect();
        Some(PyArray1::from_vec(py, numbers?).unbind())
    }

    fn top<'py, T: numpy::Element>(
        &self,
        py: Python<'py>,
        nothing: &T,
        read: impl Fn(&(u32, f64)) -> T,
    ) -> PyResult<Option<Bound<'py, PyArray2<T>>>> {
        let rows: Option<Vec<&Vec<(u32, f64)>>> = self
            .picked
            .iter()
            .map(|picked| picked.logprobs.as_ref().map(|known| &known.top))
            .collect();
        let Some(rows) = rows else { return Ok(None) };
        let mut numbers = Vec::with_capacity(rows.len() * self.top);
        for row in &rows {
            numbers.extend(row.iter().map(&read));
            numbers.extend((row.len()..self.top).map(|_| nothing.clone_ref(py)));
        }
        Ok(Some(
            PyArray1::from_vec(py, numbers).reshape([rows.len(), self.top])?,
        ))
    }
}

#[pymethods]
impl PySamples {
    /// uint32 `[rows]`.
    #[getter]
    fn tokens<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u32>> {
        PyArray1::from_vec(py, self.picked.iter().map(|picked| picked.token).collect())
    }

    /// float64 `[rows]`.
    #[getter]
    fn logprobs(&self, py: Python<'_>) -> Option<Py<PyArray1<f64>>> {
        self.known(py, |known| known.logprob)
    }

    /// uint64 `[rows]`.
    #[getter]
    fn ranks(&self, py: Python<'_>) -> Option<Py<PyArray1<u64>>> {
        self.known(py, |known| known.rank)
    }

    /// uint32 `[rows, logprobs]`.
    #[getter]
    fn top_ids<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyArray2<u32>>>> {
        self.top(py, &u32::MAX, |(id, _)| *id)
    }

    /// float64 `[rows, logprobs]`.
    #[getter]
    fn top_logprobs<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyArray2<f64>>>> {
        self.top(py, &f64::NEG_INFINITY, |(_, logprob)| *logprob)
    }

    /// uint8 `[rows]`.
    #[getter]
    fn flags<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u8>> {
        let flags = |picked: &Picked| {
            u8::from(picked.unordered) * UNORDERED + u8::from(picked.infinite) * INFINITE
        };
        PyArray1::from_vec(py, self.picked.iter().map(flags).collect())
    }

    fn __len__(&self) -> usize {
        self.picked.len()
    }
}
