//! Many texts in one call, the GIL released once for all of them.

use std::borrow::Cow;
use std::num::NonZeroUsize;

use inferail_tokenizer::{Error, Specials, Tokenizer, map_batch};
use numpy::{PyArray1, PyArray2, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};

use super::specials::Rules;
use super::text::to_text;
use super::{ids, tokenizer::Side};
use crate::error::tokenizer_error;
use crate::gil::run_sized;

/// What `work` makes of each text.
pub(crate) fn each<T: Send>(
    texts: &Bound<'_, PyAny>,
    tokenizer: &Tokenizer,
    rules: &Rules,
    threads: Option<NonZeroUsize>,
    work: impl Fn(&str, Specials<'_>) -> Result<T, Error> + Sync,
) -> PyResult<Vec<T>> {
    let py = texts.py();
    let strings: Vec<Bound<'_, PyString>> = strings(texts)?;
    let texts: Vec<Cow<'_, str>> = strings.iter().map(to_text).collect::<PyResult<_>>()?;
    let bytes = texts.iter().map(|text| text.len()).sum();
    let done = run_sized(py, bytes, || {
        let work =
            |text: &Cow<'_, str>| rules.apply(tokenizer, text, |specials| work(text, specials));
        let done = map_batch(&texts, threads, |text| text.len(), work);
        done.into_iter().collect::<Result<Vec<T>, Error>>()
    });
    done.map_err(|error| tokenizer_error(py, &error))
}

/// The strings of a list that is no string itself.
pub(crate) fn strings<'py>(texts: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyString>>> {
    if texts.is_instance_of::<PyString>() {
        let problem = "a batch is several texts, not one";
        return Err(pyo3::exceptions::PyTypeError::new_err(problem));
    }
    let texts = texts.try_iter()?;
    texts.map(|text| Ok(text?.cast_into()?)).collect()
}

/// A list of arrays, or of lists.
pub(crate) fn rows(
    py: Python<'_>,
    rows: Vec<Vec<u32>>,
    as_list: bool,
) -> PyResult<Bound<'_, PyList>> {
    let made = PyList::empty(py);
    for row in rows {
        if as_list {
            made.append(ids::list(py, &row)?)?;
        } else {
            made.append(ids::array(py, row))?;
        }
    }
    Ok(made)
}

/// All ids in a row, and where those of each text begin, and the end.
pub(crate) type Flat<'py> = (Bound<'py, PyArray1<u32>>, Bound<'py, PyArray1<u64>>);

pub(crate) fn flat<'py>(py: Python<'py>, rows: &[Vec<u32>]) -> Flat<'py> {
    let mut offsets = Vec::with_capacity(rows.len() + 1);
    offsets.push(0);
    let mut total = 0;
    for row in rows {
        total += row.len() as u64;
        offsets.push(total);
    }
    let ids = rows.concat();
    (ids::array(py, ids), PyArray1::from_vec(py, offsets))
}

/// A rectangle of ids, and which of them are not padding.
pub(crate) type Padded<'py> = (Bound<'py, PyArray2<u32>>, Bound<'py, PyArray2<bool>>);

pub(crate) fn padded<'py>(
    py: Python<'py>,
    rows: &[Vec<u32>],
    pad_id: u32,
    length: Option<usize>,
    side: Side,
) -> PyResult<Padded<'py>> {
    let longest = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = length.unwrap_or(0).max(longest);
    let mut ids = vec![pad_id; rows.len() * width];
    let mut mask = vec![false; rows.len() * width];
    for (number, row) in rows.iter().enumerate() {
        let begin = number * width
            + match side {
                Side::Right => 0,
                Side::Left => width - row.len(),
            };
        ids[begin..begin + row.len()].copy_from_slice(row);
        mask[begin..begin + row.len()].fill(true);
    }
    let shape = [rows.len(), width];
    let ids = ids::array(py, ids).reshape(shape)?;
    let mask = PyArray1::from_vec(py, mask).reshape(shape)?;
    Ok((ids, mask))
}
