//! Ids to and from Python: arrays of numpy, and lists whose numbers are made once.

use std::array::from_fn;

use inferail_tokenizer::Tokenizer;
use numpy::{PyArray1, PyArrayMethods, PyUntypedArray};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyInt, PyList};

use crate::error::config_error;

/// Numbers are made in rows of this many, when the first of them is asked for: 10 KiB a row, 32 bytes a number and a
/// pointer to it.
const ROW: usize = 256;
const ROWS: usize = 1024;

/// Most numbers that are copied to an array: one that keeps memory of ours takes an object more.
const COPIED: usize = 4096;

/// Numbers from which on [`packed`] is faster.
const MANY: usize = 64;

/// The numbers below `ROW * ROWS` as objects of Python, made as they are asked for and kept: a list of ready objects takes
/// 9 ns a number, one whose numbers are made for it 16 to 18. (32,768 ids, `encode` to a list less `encode` to an array
/// against `ndarray.tolist`, best of 300, 2 busy cores, 2026-11-26.)
static NUMBERS: [PyOnceLock<Box<[Py<PyInt>; ROW]>>; ROWS] = [const { PyOnceLock::new() }; ROWS];

/// `ids` as a list.
pub(crate) fn list<'py>(py: Python<'py>, ids: &[u32]) -> PyResult<Bound<'py, PyList>> {
    PyList::new(py, ids.iter().map(|id| number(py, *id)))
}

fn number(py: Python<'_>, id: u32) -> Bound<'_, PyInt> {
    let (row, column) = (id as usize / ROW, id as usize % ROW);
    match NUMBERS.get(row) {
        Some(numbers) => {
            let numbers = numbers.get_or_init(py, || {
                Box::new(from_fn(|at| PyInt::new(py, row * ROW + at).unbind()))
            });
            numbers[column].bind(py).clone()
        }
        None => PyInt::new(py, id),
    }
}

/// `ids` as a list or an array.
pub(crate) fn sequence(py: Python<'_>, ids: Vec<u32>, as_list: bool) -> PyResult<Bound<'_, PyAny>> {
    if as_list {
        Ok(list(py, &ids)?.into_any())
    } else {
        Ok(array(py, ids).into_any())
    }
}

/// `ids` as an array of uint32: few are copied, many are not.
pub(crate) fn array(py: Python<'_>, ids: Vec<u32>) -> Bound<'_, PyArray1<u32>> {
    if ids.len() <= COPIED {
        PyArray1::from_slice(py, &ids)
    } else {
        PyArray1::from_vec(py, ids)
    }
}

/// The ids in an array of uint32, in any other array or sequence of whole numbers, or in any iterable of them.
///
/// # Errors
///
/// `ConfigError`: one of them is no id. `TypeError`: one of them is no whole number.
pub(crate) fn from_python(ids: &Bound<'_, PyAny>, tokenizer: &Tokenizer) -> PyResult<Vec<u32>> {
    if let Ok(list) = ids.cast_exact::<PyList>() {
        if list.len() >= MANY
            && let Some(ids) = packed(list)
        {
            return Ok(ids);
        }
        return list.iter().map(|id| from_number(&id, tokenizer)).collect();
    }
    if let Ok(Ok(ids)) = ids.cast::<PyArray1<u32>>().map(PyArrayMethods::to_vec) {
        return Ok(ids);
    }
    if let Ok(array) = ids.cast::<PyUntypedArray>() {
        return from_python(&array.call_method0("tolist")?, tokenizer);
    }
    ids.try_iter()?
        .map(|id| from_number(&id?, tokenizer))
        .collect()
}

/// The numbers of a list through the `array` of Python, which reads one in half the time that three calls from here take
/// (9 against 16 ns); nothing if one of them is no number below 2³²: then the slow way says which.
pub(crate) fn packed(list: &Bound<'_, PyList>) -> Option<Vec<u32>> {
    let array = list.py().import(intern!(list.py(), "array")).ok()?;
    let array = array
        .call_method1(intern!(list.py(), "array"), ("I", list))
        .ok()?;
    let bytes = array.call_method0(intern!(list.py(), "tobytes")).ok()?;
    let (ids, rest) = bytes.cast::<PyBytes>().ok()?.as_bytes().as_chunks::<4>();
    let all = ids.len() == list.len() && rest.is_empty();
    all.then(|| ids.iter().map(|id| u32::from_ne_bytes(*id)).collect())
}

/// One id.
///
/// # Errors
///
/// As [`from_python`].
pub(crate) fn from_number(id: &Bound<'_, PyAny>, tokenizer: &Tokenizer) -> PyResult<u32> {
    match id.extract::<u32>() {
        Ok(id) => Ok(id),
        Err(error) if error.is_instance_of::<pyo3::exceptions::PyOverflowError>(id.py()) => {
            let message = format!(
                "no token has the id {id}, the vocabulary has ids below {}",
                tokenizer.limit()
            );
            Err(config_error(id.py(), message))
        }
        Err(error) => Err(error),
    }
}
