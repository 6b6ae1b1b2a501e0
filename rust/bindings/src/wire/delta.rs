//! `Delta`.

use inferail_wire::{Delta, Kind, Reason, Usage};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};
use pyo3::{IntoPyObjectExt, intern};

use crate::error::config_error;
use crate::wire::accumulator::text_of;

/// One piece of a streamed response, the same for every provider.
///
/// Which fields are set depends on `kind`; the rest are `None`. The text of a delta never shows in `repr()`.
#[pyclass(frozen, name = "Delta", module = "inferail._core")]
pub(crate) struct PyDelta {
    kind: Kind,
    // A `Py` field with `get` is a slot, which the interpreter reads without a call: with getters a loop that
    // reads kind and text took 0.08 µs more for each delta (1,400-byte reads, 2026-11-26).
    /// What the delta says.
    #[pyo3(get, name = "kind")]
    kind_name: Py<PyString>,
    /// Text, signature, arguments, citation or message, by kind.
    #[pyo3(get)]
    text: Py<PyAny>,
    /// Which choice (or candidate) the delta belongs to.
    #[pyo3(get)]
    index: u32,
    /// Which content block or tool call of that choice.
    #[pyo3(get)]
    block: u32,
    /// What a piece of text does not have, apart: most deltas are one.
    rest: Option<Box<Rest>>,
}

/// What is set in few deltas.
struct Rest {
    id: Option<Py<PyString>>,
    name: Option<Py<PyString>>,
    reason: Option<Py<PyString>>,
    raw_reason: Option<Py<PyString>>,
    /// The object of Python is made when it is asked for: Gemini counts in every event, and making one costs more
    /// than reading the event.
    usage: Option<Usage>,
    usage_object: PyOnceLock<Py<PyAny>>,
    status: Option<i32>,
}

static NO_REST: Rest = Rest {
    id: None,
    name: None,
    reason: None,
    raw_reason: None,
    usage: None,
    usage_object: PyOnceLock::new(),
    status: None,
};

impl Rest {
    fn from_wire(py: Python<'_>, delta: &Delta<'_>) -> Option<Box<Self>> {
        let strings = [delta.id, delta.name, delta.raw_reason];
        let others = (delta.reason, delta.usage, delta.status);
        if strings.iter().all(Option::is_none) && matches!(others, (None, None, None)) {
            return None;
        }
        let [id, name, raw_reason] =
            strings.map(|string| string.map(|string| PyString::new(py, string).unbind()));
        Some(Box::new(Self {
            id,
            name,
            reason: delta
                .reason
                .map(|reason| reason_name(py, reason).clone().unbind()),
            raw_reason,
            usage: delta.usage.copied(),
            usage_object: PyOnceLock::new(),
            status: delta.status.map(i32::from),
        }))
    }

    fn is_empty(&self, py: Python<'_>) -> bool {
        let strings = [&self.id, &self.name, &self.reason, &self.raw_reason];
        strings.iter().all(|string| string.is_none())
            && self.usage.is_none()
            && self.usage_object.get(py).is_none()
            && self.status.is_none()
    }

    fn boxed(self, py: Python<'_>) -> Option<Box<Self>> {
        (!self.is_empty(py)).then(|| Box::new(self))
    }

    fn usage<'a>(&'a self, py: Python<'a>) -> PyResult<Option<&'a Py<PyAny>>> {
        match &self.usage {
            Some(usage) => self
                .usage_object
                .get_or_try_init(py, || usage_object(py, usage))
                .map(Some),
            None => Ok(self.usage_object.get(py)),
        }
    }
}

impl PyDelta {
    /// The Python form of `delta`.
    pub(crate) fn from_wire(py: Python<'_>, delta: &Delta<'_>) -> Self {
        Self {
            kind: delta.kind,
            kind_name: kind_name(py, delta.kind).clone().unbind(),
            text: match delta.text {
                Some(text) => PyString::new(py, text).into_any().unbind(),
                None => py.None(),
            },
            index: delta.index,
            block: delta.block,
            rest: Rest::from_wire(py, delta),
        }
    }

    fn rest(&self) -> &Rest {
        self.rest.as_deref().unwrap_or(&NO_REST)
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Shows `look` the delta as the crates know it; without its usage, which is an object of Python here.
    pub(crate) fn look<T>(
        &self,
        py: Python<'_>,
        look: impl FnOnce(&Delta<'_>) -> T,
    ) -> PyResult<T> {
        let rest = self.rest();
        let strings = [&rest.id, &rest.name, &rest.raw_reason];
        let strings = strings.map(|string| string.as_ref().map(|string| string.bind(py)));
        let [id, name, raw_reason] = strings.map(|string| string.map(text_of).transpose());
        let (id, name, raw_reason) = (id?, name?, raw_reason?);
        let text = self.text.bind(py).cast::<PyString>().ok();
        let text = text.map(text_of).transpose()?;
        let reason = rest.reason.as_ref().map(|reason| {
            let known = reason.bind(py).to_str().ok().and_then(Reason::from_name);
            known.unwrap_or(Reason::Unknown)
        });
        Ok(look(&Delta {
            text: text.as_deref(),
            id: id.as_deref(),
            name: name.as_deref(),
            reason,
            raw_reason: raw_reason.as_deref(),
            ..Delta::at(self.kind, self.index, self.block)
        }))
    }

    fn options<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let options = PyDict::new(py);
        let rest = self.rest();
        options.set_item(intern!(py, "index"), self.index)?;
        options.set_item(intern!(py, "block"), self.block)?;
        options.set_item(intern!(py, "text"), &self.text)?;
        options.set_item(intern!(py, "id"), &rest.id)?;
        options.set_item(intern!(py, "name"), &rest.name)?;
        options.set_item(intern!(py, "reason"), &rest.reason)?;
        options.set_item(intern!(py, "raw_reason"), &rest.raw_reason)?;
        options.set_item(intern!(py, "usage"), rest.usage(py)?)?;
        options.set_item(intern!(py, "status"), rest.status)?;
        Ok(options)
    }

    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let rest = self.rest();
        let strings = [&rest.id, &rest.name, &rest.reason, &rest.raw_reason];
        let start = (self.kind.as_str(), self.index, self.block, rest.status);
        (
            start,
            &self.text,
            PyTuple::new(py, strings)?,
            rest.usage(py)?,
        )
            .into_pyobject(py)
    }
}

#[pymethods]
impl PyDelta {
    #[new]
    #[pyo3(signature = (kind, *, index=0, block=0, text=None, id=None, name=None, reason=None, raw_reason=None, usage=None, status=None))]
    #[expect(
        clippy::too_many_arguments,
        reason = "keyword arguments of the Python class"
    )]
    fn new(
        py: Python<'_>,
        kind: &str,
        index: u32,
        block: u32,
        text: Option<Py<PyString>>,
        id: Option<Py<PyString>>,
        name: Option<Py<PyString>>,
        reason: Option<Bound<'_, PyString>>,
        raw_reason: Option<Py<PyString>>,
        usage: Option<Py<PyAny>>,
        status: Option<i32>,
    ) -> PyResult<Self> {
        let Some(kind) = Kind::from_name(kind) else {
            let known = Kind::ALL.map(Kind::as_str).join(", ");
            return Err(config_error(
                py,
                format!("unknown delta kind {kind:?}; known are {known}"),
            ));
        };
        let reason = reason.map(|reason| interned(&reason).unbind());
        let usage_object = PyOnceLock::new();
        if let Some(usage) = usage {
            let _ = usage_object.set(py, usage);
        }
        Ok(Self {
            kind,
            kind_name: kind_name(py, kind).clone().unbind(),
            text: text.into_py_any(py)?,
            index,
            block,
            rest: Rest {
                id,
                name,
                reason,
                raw_reason,
                usage: None,
                usage_object,
                status,
            }
            .boxed(py),
        })
    }

    /// The id of a response or a tool call.
    #[getter]
    fn id(&self) -> Option<&Py<PyString>> {
        self.rest().id.as_ref()
    }

    /// The name of a model, a tool or an error.
    #[getter]
    fn name(&self) -> Option<&Py<PyString>> {
        self.rest().name.as_ref()
    }

    /// Why the choice ended, in the common vocabulary.
    #[getter]
    fn reason(&self) -> Option<&Py<PyString>> {
        self.rest().reason.as_ref()
    }

    /// Why the choice ended, in the provider's word.
    #[getter]
    fn raw_reason(&self) -> Option<&Py<PyString>> {
        self.rest().raw_reason.as_ref()
    }

    /// Tokens so far.
    #[getter]
    pub(crate) fn usage<'a>(&'a self, py: Python<'a>) -> PyResult<Option<&'a Py<PyAny>>> {
        self.rest().usage(py)
    }

    /// The HTTP status that says the same as an error.
    #[getter]
    fn status(&self) -> Option<i32> {
        self.rest().status
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let Self {
            kind, index, block, ..
        } = self;
        let text = self.text.bind(py);
        let length = if text.is_none() {
            String::new()
        } else {
            format!(", len(text)={}", text.len()?)
        };
        Ok(format!(
            "<Delta kind={:?} index={index} block={block}{length}>",
            kind.as_str()
        ))
    }

    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        match other.cast::<Self>() {
            Ok(other) => self
                .fields(py)?
                .eq(other.get().fields(py)?)?
                .into_py_any(py),
            Err(_) => Ok(py.NotImplemented()),
        }
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        self.fields(py)?.hash()
    }

    fn __getnewargs_ex__<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<((&'static str,), Bound<'py, PyDict>)> {
        Ok(((self.kind.as_str(),), self.options(py)?))
    }
}

/// The interned name of a kind.
fn kind_name(py: Python<'_>, kind: Kind) -> &Bound<'_, PyString> {
    static NAMES: [PyOnceLock<Py<PyString>>; Kind::ALL.len()] =
        [const { PyOnceLock::new() }; Kind::ALL.len()];
    let make = || PyString::intern(py, kind.as_str()).unbind();
    NAMES[kind as usize].get_or_init(py, make).bind(py)
}

/// The interned name of a reason.
pub(crate) fn reason_name(py: Python<'_>, reason: Reason) -> &Bound<'_, PyString> {
    static NAMES: [PyOnceLock<Py<PyString>>; Reason::ALL.len()] =
        [const { PyOnceLock::new() }; Reason::ALL.len()];
    let make = || PyString::intern(py, reason.as_str()).unbind();
    NAMES[reason as usize].get_or_init(py, make).bind(py)
}

/// The interned name of a known reason, or the string itself.
fn interned<'py>(reason: &Bound<'py, PyString>) -> Bound<'py, PyString> {
    let known = reason.to_str().ok().and_then(Reason::from_name);
    known.map_or_else(
        || reason.clone(),
        |known| reason_name(reason.py(), known).clone(),
    )
}

/// `usage` as an `inferail.types.usage.Usage`.
pub(crate) fn usage_object(py: Python<'_>, usage: &Usage) -> PyResult<Py<PyAny>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let class = CLASS.import(py, "inferail.types.usage", "Usage")?;
    let counts = [
        (intern!(py, "input_tokens"), usage.input_tokens),
        (intern!(py, "output_tokens"), usage.output_tokens),
        (intern!(py, "cache_read_tokens"), usage.cache_read_tokens),
        (intern!(py, "cache_write_tokens"), usage.cache_write_tokens),
        (intern!(py, "reasoning_tokens"), usage.reasoning_tokens),
        (intern!(py, "input_audio_tokens"), usage.input_audio_tokens),
        (
            intern!(py, "output_audio_tokens"),
            usage.output_audio_tokens,
        ),
        (
            intern!(py, "cache_write_1h_tokens"),
            usage.cache_write_1h_tokens,
        ),
    ];
    // What the provider did not say keeps the default of the class.
    let fields = PyDict::new(py);
    for (name, count) in counts {
        if let Some(count) = count {
            fields.set_item(name, count)?;
        }
    }
    if let Some(tier) = usage.service_tier {
        fields.set_item(intern!(py, "service_tier"), tier.name())?;
    }
    if let Some(cost) = usage.cost_picodollars {
        fields.set_item(intern!(py, "cost_usd"), cost as f64 / 1e12)?;
    }
    Ok(class.call((), Some(&fields))?.unbind())
}
