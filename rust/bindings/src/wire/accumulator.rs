//! `Accumulator`.

use std::borrow::Cow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use inferail_wire::{Accumulator, Content, Kind, Part};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use crate::error::config_error;
use crate::wire::delta::{PyDelta, reason_name, usage_object};
use crate::wire::stream_decoder::PyStreamDecoder;

/// Puts an answer together from its deltas, in time linear in its length.
#[pyclass(frozen, subclass, name = "Accumulator", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PyAccumulator {
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// Deltas that Python hands over.
    Added(Box<Mutex<Added>>),
    /// Those of a decoder, which adds them itself.
    Decoded(Py<PyStreamDecoder>),
}

#[derive(Debug)]
struct Added {
    inner: Accumulator,
    /// Of the last usage delta, as it is: it may have a cost, which the crate does not know.
    usage: Option<Py<PyAny>>,
}

impl PyAccumulator {
    /// What `decoder` has put together, now and later.
    pub(crate) fn of_decoder(decoder: Py<PyStreamDecoder>) -> Self {
        Self {
            source: Source::Decoded(decoder),
        }
    }

    fn look<T>(&self, py: Python<'_>, look: impl FnOnce(&Accumulator) -> T) -> T {
        match &self.source {
            Source::Added(added) => look(&lock(py, added).inner),
            Source::Decoded(decoder) => decoder
                .get()
                .look(py, |decoder| look(decoder.accumulated())),
        }
    }
}

#[pymethods]
impl PyAccumulator {
    #[new]
    #[pyo3(signature = (decoder=None, /, *, index=0))]
    fn new(decoder: Option<Py<PyStreamDecoder>>, index: u32) -> Self {
        decoder.map_or_else(
            || Self {
                source: Source::Added(Box::new(Mutex::new(Added {
                    inner: Accumulator::new(index),
                    usage: None,
                }))),
            },
            Self::of_decoder,
        )
    }

    /// Takes the next deltas.
    #[pyo3(signature = (deltas, /))]
    fn add(&self, deltas: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = deltas.py();
        let Source::Added(added) = &self.source else {
            return Err(config_error(
                py,
                "this accumulator belongs to a StreamDecoder, which adds to it".to_owned(),
            ));
        };
        for delta in deltas.try_iter()? {
            let delta = delta?;
            let delta = delta.cast::<PyDelta>()?.get();
            let mut added = lock(py, added);
            if delta.kind() == Kind::Usage {
                added.usage = delta.usage(py)?.map(|usage| usage.clone_ref(py));
            }
            delta.look(py, |delta| added.inner.add(delta))?;
        }
        Ok(())
    }

    /// The parts so far: kind, text, id, name and signature of each.
    #[getter]
    fn parts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.look(py, |inner| {
            let parts: PyResult<Vec<_>> =
                inner.parts().iter().map(|part| entry(py, part)).collect();
            PyList::new(py, parts?)
        })
    }

    /// Tokens so far.
    #[getter]
    fn usage(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        if let Source::Added(added) = &self.source {
            return Ok(lock(py, added)
                .usage
                .as_ref()
                .map(|usage| usage.clone_ref(py)));
        }
        let usage = self.look(py, Accumulator::usage);
        usage.map(|usage| usage_object(py, &usage)).transpose()
    }

    /// Why the choice ended, once it has.
    #[getter]
    fn finish_reason<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyString>> {
        let reason = self.look(py, Accumulator::reason)?;
        Some(reason_name(py, reason).clone())
    }

    /// The same in the provider's word.
    #[getter]
    fn raw_finish_reason<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyString>> {
        self.look(py, |inner| string(py, inner.raw_reason()))
    }

    /// The response's id.
    #[getter]
    fn id<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyString>> {
        self.look(py, |inner| string(py, inner.id()))
    }

    /// The model that answers, as the provider names it.
    #[getter]
    fn model<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyString>> {
        self.look(py, |inner| string(py, inner.model()))
    }

    /// Citations so far, as JSON text.
    #[getter]
    fn citations<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        self.look(py, |inner| PyTuple::new(py, inner.citations()))
    }

    /// UTF-8 bytes of everything the model wrote so far.
    #[getter]
    fn output_bytes(&self, py: Python<'_>) -> usize {
        self.look(py, Accumulator::output_bytes)
    }
}

fn lock<'a>(py: Python<'_>, added: &'a Mutex<Added>) -> MutexGuard<'a, Added> {
    added
        .lock_py_attached(py)
        .unwrap_or_else(PoisonError::into_inner)
}

fn string<'py>(py: Python<'py>, text: Option<&str>) -> Option<Bound<'py, PyString>> {
    text.map(|text| PyString::new(py, text))
}

/// What `parts` says of a part.
fn entry<'py>(py: Python<'py>, part: &Part) -> PyResult<Bound<'py, PyTuple>> {
    let (id, name) = match &part.content {
        Content::ToolCall { id, name } => (id.as_str(), name.as_str()),
        _ => ("", ""),
    };
    let kind = PyString::intern(py, part.content.as_str());
    (kind, &part.text, id, name, &part.signature).into_pyobject(py)
}

/// The text of a string; Python alone can hold half a surrogate pair, which becomes U+FFFD.
pub(crate) fn text_of<'a>(text: &'a Bound<'_, PyString>) -> PyResult<Cow<'a, str>> {
    if let Ok(text) = text.to_str() {
        return Ok(Cow::Borrowed(text));
    }
    let py = text.py();
    let arguments = (intern!(py, "utf-16-le"), intern!(py, "surrogatepass"));
    let encoded = text.call_method1(intern!(py, "encode"), arguments)?;
    let units = encoded.cast::<PyBytes>()?.as_bytes().chunks_exact(2);
    let units = units.map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
    let decoded = char::decode_utf16(units);
    Ok(decoded
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect())
}
