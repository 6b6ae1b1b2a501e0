//! `verify_draft`.

use inferail_sampler::Error;
use inferail_sampler::speculative::{Dense, Draws, Verified, verify_dense};
use numpy::{
    Element, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray2, PyUntypedArray,
    PyUntypedArrayMethods,
};
use pyo3::intern;
use pyo3::prelude::*;

use super::arguments::{ids, number};
use crate::error::{config_error, sampler_error};
use crate::gil::run_sized;

/// Rows of probabilities of either width.
enum Rows<'py> {
    Single(PyReadonlyArray2<'py, f32>),
    Double(PyReadonlyArray2<'py, f64>),
}

/// What can be read while another thread has the GIL.
#[derive(Clone, Copy)]
enum Read<'a> {
    Single(Dense<'a, f32>),
    Double(Dense<'a, f64>),
}

/// The drafted tokens that are accepted, and one more.
#[pyfunction]
#[pyo3(signature = (draft, targets, drafts = None, *, seed, position = None, sample = None))]
pub(crate) fn verify_draft<'py>(
    draft: &Bound<'py, PyAny>,
    targets: &Bound<'py, PyAny>,
    drafts: Option<&Bound<'py, PyAny>>,
    seed: &Bound<'py, PyAny>,
    position: Option<&Bound<'py, PyAny>>,
    sample: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyArray1<u32>>> {
    let py = draft.py();
    let draft = ids("draft", draft)?;
    let draws = Draws {
        seed: number("seed", seed)?,
        position: position.map_or(Ok(0), |position| number("position", position))?,
        sample: sample.map_or(Ok(0), |sample| number("sample", sample))?,
    };
    let targets = rows("targets", targets)?;
    let drafts = drafts.map(|drafts| rows("drafts", drafts)).transpose()?;
    let targets = targets.read(py)?;
    let drafts = drafts.as_ref().map(|drafts| drafts.read(py)).transpose()?;
    let bytes = targets.num_bytes() + drafts.map_or(0, Read::num_bytes);
    let verified = run_sized(py, bytes, || verified(&draft, targets, drafts, draws));
    let verified = verified.map_err(|error| sampler_error(py, &error))?;
    Ok(PyArray1::from_vec(py, verified.tokens))
}

fn verified(
    draft: &[u32],
    targets: Read<'_>,
    drafts: Option<Read<'_>>,
    draws: Draws,
) -> Result<Verified, Error> {
    match (targets, drafts) {
        (Read::Single(targets), None) => verify_dense::<_, f32>(draft, targets, None, draws),
        (Read::Double(targets), None) => verify_dense::<_, f32>(draft, targets, None, draws),
        (Read::Single(targets), Some(Read::Single(drafts))) => {
            verify_dense(draft, targets, Some(drafts), draws)
        }
        (Read::Single(targets), Some(Read::Double(drafts))) => {
            verify_dense(draft, targets, Some(drafts), draws)
        }
        (Read::Double(targets), Some(Read::Single(drafts))) => {
            verify_dense(draft, targets, Some(drafts), draws)
        }
        (Read::Double(targets), Some(Read::Double(drafts))) => {
            verify_dense(draft, targets, Some(drafts), draws)
        }
    }
}

/// The array that `given` is or that numpy makes of it: a tensor on a CPU lends its memory.
fn rows<'py>(name: &str, given: &Bound<'py, PyAny>) -> PyResult<Rows<'py>> {
    let py = given.py();
    let array = if given.is_instance_of::<PyUntypedArray>() {
        given.clone()
    } else {
        let numpy = py.import(intern!(py, "numpy"))?;
        numpy.call_method1(intern!(py, "asarray"), (given,))?
    };
    if let Ok(array) = array.cast::<PyArray2<f32>>() {
        return Ok(Rows::Single(in_order(name, array)?));
    }
    if let Ok(array) = array.cast::<PyArray2<f64>>() {
        return Ok(Rows::Double(in_order(name, array)?));
    }
    let array = array.cast::<PyUntypedArray>()?;
    let (kind, dimensions) = (array.dtype(), array.ndim());
    let message = format!(
        "{name} must be float32 or float64 in rows and columns, not {kind} in {dimensions} dimensions"
    );
    Err(config_error(py, message))
}

fn in_order<'py, T: Element>(
    name: &str,
    array: &Bound<'py, PyArray2<T>>,
) -> PyResult<PyReadonlyArray2<'py, T>> {
    if array.is_c_contiguous() {
        return Ok(array.try_readonly()?);
    }
    let message = format!("{name} must lie row after row: pass numpy.ascontiguousarray({name})");
    Err(config_error(array.py(), message))
}

impl Rows<'_> {
    fn read(&self, py: Python<'_>) -> PyResult<Read<'_>> {
        let read = match self {
            Self::Single(rows) => dense(rows).map(|rows| rows.map(Read::Single)),
            Self::Double(rows) => dense(rows).map(|rows| rows.map(Read::Double)),
        };
        read?.map_err(|error| sampler_error(py, &error))
    }
}

fn dense<'a, T: Element>(
    rows: &'a PyReadonlyArray2<'_, T>,
) -> PyResult<Result<Dense<'a, T>, Error>> {
    let columns = rows.shape()[1];
    Ok(Dense::new(rows.as_slice()?, columns))
}

impl Read<'_> {
    fn num_bytes(self) -> usize {
        match self {
            Self::Single(rows) => rows.rows() * rows.columns() * size_of::<f32>(),
            Self::Double(rows) => rows.rows() * rows.columns() * size_of::<f64>(),
        }
    }
}
