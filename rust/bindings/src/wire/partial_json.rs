//! `PartialJSON`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use inferail_wire::json::{Builder, Container, PartialParser, Scalar, Unfinished};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyDict, PyFloat, PyInt, PyList, PyString};

use crate::error::{byte_limit, config_error, json_error};
use crate::gil::run_in_text_pieces;
use crate::wire::accumulator::text_of;

/// Reads one JSON text while it is written.
#[pyclass(frozen, name = "PartialJSON", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PyPartialJson {
    mode: Mode,
    inner: Mutex<Reading>,
}

/// What of an unfinished text `value` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Off,
    Complete,
    TrailingStrings,
}

impl Mode {
    const ALL: [(&'static str, Self); 3] = [
        ("off", Self::Off),
        ("complete", Self::Complete),
        ("trailing-strings", Self::TrailingStrings),
    ];
}

#[derive(Debug)]
struct Reading {
    parser: PartialParser,
    tree: Tree,
}

#[pymethods]
impl PyPartialJson {
    #[new]
    #[pyo3(signature = (mode="trailing-strings", *, max_bytes=67_108_864))]
    fn new(py: Python<'_>, mode: &str, max_bytes: i64) -> PyResult<Self> {
        let Some((_, mode)) = Mode::ALL.into_iter().find(|(name, _)| *name == mode) else {
            let known = Mode::ALL.map(|(name, _)| name).join(", ");
            return Err(config_error(
                py,
                format!("unknown mode {mode:?}; known are {known}"),
            ));
        };
        Ok(Self {
            mode,
            inner: Mutex::new(Reading {
                parser: PartialParser::with_max_bytes(byte_limit(py, "max_bytes", max_bytes)?),
                tree: Tree::default(),
            }),
        })
    }

    /// Reads the next piece of the text.
    #[pyo3(signature = (text, /))]
    fn feed(&self, py: Python<'_>, text: &Bound<'_, PyString>) -> PyResult<()> {
        let text = text_of(text)?;
        let mut inner = self.lock(py);
        let Reading { parser, tree } = &mut *inner;
        let mut tree = Growing { py, tree };
        tree.check()?;
        let read = run_in_text_pieces(py, &text, |piece| parser.feed(piece, &mut tree));
        tree.check()?;
        read.map_err(|error| json_error(py, error))
    }

    /// What has arrived so far; None where nothing has.
    #[getter]
    fn value(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let mut inner = self.lock(py);
        let Reading { parser, tree } = &mut *inner;
        if self.mode == Mode::Off && !parser.is_complete() {
            return Ok(None);
        }
        let mut tree = Growing { py, tree };
        match parser.unfinished() {
            Some(Unfinished::Number(digits)) => tree.show(number(py, digits)?)?,
            Some(Unfinished::String(text)) if self.mode == Mode::TrailingStrings => {
                tree.show(PyString::new(py, text).into_any())?;
            }
            _ => tree.hide()?,
        }
        Ok(tree.tree.root.as_ref().map(|root| root.clone_ref(py)))
    }

    /// Whether the text so far is one whole JSON text.
    #[getter]
    fn complete(&self, py: Python<'_>) -> bool {
        self.lock(py).parser.is_complete()
    }
}

impl PyPartialJson {
    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, Reading> {
        self.inner
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The value so far, as objects of Python that grow where they are.
#[derive(Debug, Default)]
struct Tree {
    root: Option<Py<PyAny>>,
    open: Vec<Open>,
    /// The place of the next value shows an unfinished one.
    shown: Option<Shown>,
    failure: Option<PyErr>,
}

/// A container that goes on.
#[derive(Debug)]
enum Open {
    List(Py<PyList>),
    Dict(Py<PyDict>, Option<Py<PyString>>),
}

/// An unfinished value that is shown.
#[derive(Debug)]
struct Shown {
    /// What its key had before: an object may repeat a key.
    earlier: Option<Py<PyAny>>,
}

struct Growing<'t, 'py> {
    py: Python<'py>,
    tree: &'t mut Tree,
}

impl Growing<'_, '_> {
    /// Raises what went wrong in Python.
    fn check(&self) -> PyResult<()> {
        match &self.tree.failure {
            Some(failure) => Err(failure.clone_ref(self.py)),
            None => Ok(()),
        }
    }

    fn note(&mut self, outcome: PyResult<()>) {
        if let Err(failure) = outcome {
            self.tree.failure.get_or_insert(failure);
        }
    }

    /// Puts a value where the next one belongs.
    fn put(&mut self, value: Bound<'_, PyAny>) -> PyResult<()> {
        match self.tree.open.last() {
            None => self.tree.root = Some(value.unbind()),
            Some(Open::List(list)) => {
                let list = list.bind(self.py);
                match &self.tree.shown {
                    Some(_) => list.set_item(list.len().saturating_sub(1), value)?,
                    None => list.append(value)?,
                }
            }
            Some(Open::Dict(dict, key)) => dict.bind(self.py).set_item(key, value)?,
        }
        Ok(())
    }

    /// Shows an unfinished value where it will be.
    fn show(&mut self, value: Bound<'_, PyAny>) -> PyResult<()> {
        let earlier = match self.tree.open.last() {
            Some(Open::Dict(dict, key)) if self.tree.shown.is_none() => {
                dict.bind(self.py).get_item(key)?.map(Bound::unbind)
            }
            _ => None,
        };
        self.put(value)?;
        self.tree.shown.get_or_insert(Shown { earlier });
        Ok(())
    }

    /// Takes an unfinished value back.
    fn hide(&mut self) -> PyResult<()> {
        let Some(Shown { earlier }) = self.tree.shown.take() else {
            return Ok(());
        };
        match (self.tree.open.last(), earlier) {
            (None, _) => self.tree.root = None,
            (Some(Open::List(list)), _) => {
                let list = list.bind(self.py);
                list.del_item(list.len().saturating_sub(1))?;
            }
            (Some(Open::Dict(dict, key)), Some(earlier)) => {
                dict.bind(self.py).set_item(key, earlier)?;
            }
            (Some(Open::Dict(dict, key)), None) => dict.bind(self.py).del_item(key)?,
        }
        Ok(())
    }

    /// Puts a complete value.
    fn add(&mut self, value: PyResult<Bound<'_, PyAny>>) {
        let outcome = value.and_then(|value| self.put(value));
        self.tree.shown = None;
        self.note(outcome);
    }
}

impl Builder for Growing<'_, '_> {
    fn begin(&mut self, container: Container) {
        let open = match container {
            Container::Array => {
                let list = PyList::empty(self.py);
                self.add(Ok(list.clone().into_any()));
                Open::List(list.unbind())
            }
            Container::Object => {
                let dict = PyDict::new(self.py);
                self.add(Ok(dict.clone().into_any()));
                Open::Dict(dict.unbind(), None)
            }
        };
        self.tree.open.push(open);
    }

    fn end(&mut self) {
        self.tree.open.pop();
    }

    fn key(&mut self, text: &str) {
        if let Some(Open::Dict(_, key)) = self.tree.open.last_mut() {
            *key = Some(PyString::new(self.py, text).unbind());
        }
    }

    fn scalar(&mut self, scalar: Scalar<'_>) {
        let py = self.py;
        self.add(match scalar {
            Scalar::Null => Ok(py.None().into_bound(py)),
            Scalar::Boolean(value) => Ok(value
                .into_pyobject(py)
                .map_or_else(|never| match never {}, |value| value.to_owned().into_any())),
            Scalar::Number(digits) => number(py, digits),
            Scalar::String(text) => Ok(PyString::new(py, text).into_any()),
        });
    }
}

/// An int or a float, as `json.loads` would make of it.
fn number<'py>(py: Python<'py>, digits: &str) -> PyResult<Bound<'py, PyAny>> {
    if let Ok(small) = digits.parse::<i64>() {
        return Ok(small.into_pyobject(py)?.into_any());
    }
    if digits.contains(['.', 'e', 'E']) {
        return Ok(PyFloat::new(py, digits.parse()?).into_any());
    }
    py.get_type::<PyInt>().call1((digits,))
}
