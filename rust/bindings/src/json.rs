//! JSON text as Python objects, and back: what is usual. What is not is left to Python's own `json`.

use inferail_wire::json::{MAX_DEPTH, Type, Walker};
use inferail_wire::quote;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

/// The value of the JSON text `data`, in UTF-8.
#[pyfunction]
#[pyo3(signature = (data, /))]
pub(crate) fn load_json<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let source = std::str::from_utf8(data).map_err(not_json)?;
    let mut walker = Walker::new(source);
    let value = load(py, &mut walker)?;
    walker.finish().map_err(not_json)?;
    Ok(value)
}

/// `value` as compact JSON text; `None` where something in it is not plainly JSON.
#[pyfunction]
#[pyo3(signature = (value, /))]
pub(crate) fn dump_json<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let mut out = Vec::with_capacity(512);
    let is_plain = dump(value, &mut out, 0)?;
    Ok(is_plain.then(|| PyBytes::new(value.py(), &out)))
}

fn not_json(error: impl std::error::Error) -> PyErr {
    PyValueError::new_err(error.to_string())
}

fn load<'py>(py: Python<'py>, walker: &mut Walker<'_>) -> PyResult<Bound<'py, PyAny>> {
    let source = walker.source();
    match walker.peek().map_err(not_json)? {
        Type::Object => {
            walker.enter_object().map_err(not_json)?;
            let members = PyDict::new(py);
            while let Some(key) = walker.key().map_err(not_json)? {
                members.set_item(PyString::new(py, &key.decode(source)), load(py, walker)?)?;
            }
            Ok(members.into_any())
        }
        Type::Array => {
            walker.enter_array().map_err(not_json)?;
            let items = PyList::empty(py);
            while walker.item().map_err(not_json)? {
                items.append(load(py, walker)?)?;
            }
            Ok(items.into_any())
        }
        Type::String => {
            let text = walker.string().map_err(not_json)?;
            let text = text.map(|span| span.decode(source)).unwrap_or_default();
            Ok(PyString::new(py, &text).into_any())
        }
        Type::Number => number(py, walker.raw().map_err(not_json)?.raw(source)),
        Type::Boolean => {
            let is_true = walker.is_true().map_err(not_json)?;
            Ok(PyBool::new(py, is_true).to_owned().into_any())
        }
        Type::Null => {
            walker.skip().map_err(not_json)?;
            Ok(py.None().into_bound(py))
        }
    }
}

/// A number of JSON's grammar. One of more digits than `i64` holds is Python's to read.
fn number<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyAny>> {
    if let Ok(integer) = text.parse::<i64>() {
        return Ok(integer.into_pyobject(py)?.into_any());
    }
    if !text.contains(['.', 'e', 'E']) {
        return Err(PyValueError::new_err("a whole number of many digits"));
    }
    let value: f64 = text.parse().map_err(not_json)?;
    Ok(PyFloat::new(py, value).into_any())
}

/// Appends `value` to `out`; says whether it could.
fn dump(value: &Bound<'_, PyAny>, out: &mut Vec<u8>, depth: usize) -> PyResult<bool> {
    if depth > MAX_DEPTH {
        return Ok(false);
    }
    if let Ok(text) = value.cast_exact::<PyString>() {
        return Ok(dump_text(text, out));
    }
    if let Ok(members) = value.cast_exact::<PyDict>() {
        return dump_members(members, out, depth);
    }
    if let Ok(items) = value.cast_exact::<PyList>() {
        return dump_items(items.iter(), out, depth);
    }
    if let Ok(items) = value.cast_exact::<PyTuple>() {
        return dump_items(items.iter(), out, depth);
    }
    if value.is_none() {
        out.extend_from_slice(b"null");
    } else if let Ok(flag) = value.cast_exact::<PyBool>() {
        out.extend_from_slice(if flag.is_true() { b"true" } else { b"false" });
    } else if value.is_exact_instance_of::<PyInt>() {
        let Ok(integer) = value.extract::<i64>() else {
            return Ok(false);
        };
        out.extend_from_slice(integer.to_string().as_bytes());
    } else if let Ok(number) = value.cast_exact::<PyFloat>() {
        if !number.value().is_finite() {
            return Ok(false);
        }
        out.extend_from_slice(number.repr()?.to_str()?.as_bytes()); // as Python writes it
    } else {
        return Ok(false);
    }
    Ok(true)
}

fn dump_text(text: &Bound<'_, PyString>, out: &mut Vec<u8>) -> bool {
    // Half a surrogate pair cannot be sent.
    text.to_str().map(|text| quote(text, out)).is_ok()
}

fn dump_members(members: &Bound<'_, PyDict>, out: &mut Vec<u8>, depth: usize) -> PyResult<bool> {
    out.push(b'{');
    for (number, (key, value)) in members.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        let is_plain = key
            .cast_exact::<PyString>()
            .is_ok_and(|key| dump_text(key, out));
        out.push(b':');
        if !is_plain || !dump(&value, out, depth + 1)? {
            return Ok(false);
        }
    }
    out.push(b'}');
    Ok(true)
}

fn dump_items<'py>(
    items: impl Iterator<Item = Bound<'py, PyAny>>,
    out: &mut Vec<u8>,
    depth: usize,
) -> PyResult<bool> {
    out.push(b'[');
    for (number, item) in items.enumerate() {
        if number > 0 {
            out.push(b',');
        }
        if !dump(&item, out, depth + 1)? {
            return Ok(false);
        }
    }
    out.push(b']');
    Ok(true)
}
