//! `Redactor` and `RedactorStream`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use inferail_text::redact::{Found, FoundInJson, Kind, Kinds, Stream, find, find_in_json};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use crate::error::config_error;
use crate::gil::{run_short, run_sized};

/// A finding in bytes: its kind, where it begins and ends, and whether it is a number of JSON.
type FoundInBytes = (&'static str, usize, usize, bool);

/// Finds what must not be written down.
#[pyclass(frozen, name = "Redactor", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PyRedactor {
    kinds: Kinds,
    names: Vec<&'static str>,
}

/// The string as UTF-8, halves of surrogate pairs as three bytes.
fn encode<'py>(text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyBytes>> {
    let bytes = text.call_method1("encode", ("utf-8", "surrogatepass"))?;
    Ok(bytes.cast_into()?)
}

fn decode<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(PyString::new(py, text).into_any()),
        Err(_) => PyBytes::new(py, bytes).call_method1("decode", ("utf-8", "surrogatepass")),
    }
}

/// Works on the UTF-8 of a string, which is copied only where it has halves of surrogate pairs.
fn on_bytes<T: Send>(
    text: &Bound<'_, PyString>,
    work: impl FnOnce(&[u8]) -> T + Send,
) -> PyResult<T> {
    let py = text.py();
    if let Ok(text) = text.to_str() {
        return Ok(run_sized(py, text.len(), || work(text.as_bytes())));
    }
    let bytes = encode(text)?;
    let bytes = bytes.as_bytes();
    Ok(run_sized(py, bytes.len(), || work(bytes)))
}

/// Places in bytes as places in characters.
fn in_characters(text: &[u8], found: Vec<Found>) -> Vec<(&'static str, usize, usize)> {
    let count = |part: &[u8]| part.iter().filter(|&&byte| byte & 0xc0 != 0x80).count();
    let (mut at, mut characters) = (0, 0);
    let mut places = Vec::with_capacity(found.len());
    for one in found {
        let start = characters + count(&text[at..one.start]);
        characters = start + count(&text[one.start..one.end]);
        at = one.end;
        places.push((one.kind.name(), start, characters));
    }
    places
}

#[pymethods]
impl PyRedactor {
    /// Takes names of kinds; None is all of them.
    #[new]
    #[pyo3(signature = (kinds = None))]
    fn new(py: Python<'_>, kinds: Option<Vec<String>>) -> PyResult<Self> {
        let Some(kinds) = kinds else {
            let names = Kind::ALL.into_iter().map(Kind::name).collect();
            return Ok(Self {
                kinds: Kinds::ALL,
                names,
            });
        };
        let unknown = |name: &str| {
            let known = Kind::ALL.map(Kind::name).join(", ");
            config_error(
                py,
                format!("there is no kind {name:?}; the kinds are {known}"),
            )
        };
        let kinds = kinds
            .iter()
            .map(|name| Kind::named(name).ok_or_else(|| unknown(name)));
        let kinds = kinds.collect::<PyResult<Vec<Kind>>>()?;
        Ok(Self {
            kinds: kinds.iter().copied().collect(),
            names: kinds.into_iter().map(Kind::name).collect(),
        })
    }

    /// The names of what it looks for.
    #[getter]
    fn kinds<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.names)
    }

    /// Kind, begin and end of each finding, in characters.
    #[pyo3(signature = (text, /))]
    fn find(&self, text: &Bound<'_, PyString>) -> PyResult<Vec<(&'static str, usize, usize)>> {
        on_bytes(text, |bytes| in_characters(bytes, find(bytes, self.kinds)))
    }

    /// Findings in bytes, and whether these are JSON.
    #[pyo3(signature = (body, /))]
    fn find_bytes(&self, body: &Bound<'_, PyBytes>) -> (Vec<FoundInBytes>, bool) {
        let bytes = body.as_bytes();
        run_sized(body.py(), bytes.len(), || {
            if let Some(found) = find_in_json(bytes, self.kinds) {
                let place = |one: FoundInJson| {
                    let FoundInJson { found, is_number } = one;
                    (found.kind.name(), found.start, found.end, is_number)
                };
                return (found.into_iter().map(place).collect(), true);
            }
            let place = |one: Found| (one.kind.name(), one.start, one.end, false);
            let found = find(bytes, self.kinds).into_iter();
            (found.map(place).collect(), false)
        })
    }

    /// A text that comes in pieces.
    fn stream(&self) -> PyRedactorStream {
        PyRedactorStream {
            inner: Mutex::new(Stream::new(self.kinds)),
        }
    }
}

/// One text that comes in pieces.
#[pyclass(frozen, name = "RedactorStream", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PyRedactorStream {
    inner: Mutex<Stream>,
}

impl PyRedactorStream {
    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, Stream> {
        let inner = self.inner.lock_py_attached(py);
        inner.unwrap_or_else(PoisonError::into_inner)
    }
}

fn to_list<'py>(
    py: Python<'py>,
    pieces: &[(Option<Kind>, Vec<u8>)],
) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for (kind, piece) in pieces {
        list.append((kind.map(Kind::name), decode(py, piece)?))?;
    }
    Ok(list)
}

#[pymethods]
impl PyRedactorStream {
    /// What is certain by now: kind (None for plain text) and text of each part.
    #[pyo3(signature = (text, /))]
    fn feed<'py>(&self, text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyList>> {
        let py = text.py();
        let bytes = encode(text)?;
        let mut pieces = Vec::new();
        let mut stream = self.lock(py);
        run_short(py, || {
            stream.feed(bytes.as_bytes(), |kind, piece| {
                pieces.push((kind, piece.to_vec()));
            });
        });
        to_list(py, &pieces)
    }

    /// The rest.
    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let mut pieces = Vec::new();
        let mut stream = self.lock(py);
        run_short(py, || {
            stream.finish(|kind, piece| pieces.push((kind, piece.to_vec())));
        });
        to_list(py, &pieces)
    }

    /// Bytes that are held back.
    #[getter]
    fn held(&self, py: Python<'_>) -> usize {
        self.lock(py).held()
    }
}
