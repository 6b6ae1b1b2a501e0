//! `RecordRows`.

use inferail_wire::quote;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyList, PyString};

use crate::error::config_error;

/// More columns than bits of a mask cannot be told apart.
const MOST_COLUMNS: usize = 64;

/// Where the value of a column is found.
#[derive(Debug)]
enum Source {
    /// An attribute of the record.
    Own(Py<PyString>),
    /// An attribute of its usage.
    Usage(Py<PyString>),
    /// An attribute of its timing.
    Timing(Py<PyString>),
    /// When it began, as seconds since 1970.
    Moment,
    /// All labels, as JSON text.
    Labels,
    /// One label.
    Label(Py<PyString>),
}

/// Rows of a table out of records; what is the column's default anyway is left out.
#[derive(Debug)]
#[pyclass(frozen, name = "RecordRows", module = "inferail.core")]
pub(crate) struct PyRecordRows {
    columns: Vec<(Source, Py<PyAny>)>,
}

/// A group as Python gets it: mask, rows, values.
type Told = (u64, usize, Vec<Py<PyAny>>);

/// Rows that leave out the same columns.
struct Group {
    mask: u64,
    rows: usize,
    values: Vec<Py<PyAny>>,
}

#[pymethods]
impl PyRecordRows {
    #[new]
    #[pyo3(signature = (columns, /))]
    fn new(py: Python<'_>, columns: Vec<(String, Py<PyAny>)>) -> PyResult<Self> {
        if columns.len() > MOST_COLUMNS {
            let message = format!("at most {MOST_COLUMNS} columns, not {}", columns.len());
            return Err(config_error(py, message));
        }
        let columns = columns
            .into_iter()
            .map(|(path, default)| (source(py, &path), default))
            .collect();
        Ok(Self { columns })
    }

    /// The rows in groups: which columns have values (bit n is column n), how many rows, and the values one row after another.
    #[pyo3(signature = (records, /))]
    fn group<'py>(&self, py: Python<'py>, records: &Bound<'py, PyList>) -> PyResult<Vec<Told>> {
        let mut groups: Vec<Group> = Vec::new();
        let mut row = Vec::with_capacity(self.columns.len());
        for record in records {
            let mask = self.read(py, &record, &mut row)?;
            // Few groups: answers, streams, refusals. The newest are looked at first.
            if let Some(known) = groups.iter_mut().rev().find(|known| known.mask == mask) {
                known.rows += 1;
                known.values.append(&mut row);
            } else {
                groups.push(Group {
                    mask,
                    rows: 1,
                    values: std::mem::take(&mut row),
                });
            }
        }
        Ok(groups
            .into_iter()
            .map(|group| (group.mask, group.rows, group.values))
            .collect())
    }
}

impl PyRecordRows {
    /// Appends the values of one record that are not defaults, and says which they are.
    fn read(
        &self,
        py: Python<'_>,
        record: &Bound<'_, PyAny>,
        row: &mut Vec<Py<PyAny>>,
    ) -> PyResult<u64> {
        row.clear();
        let usage = record.getattr(pyo3::intern!(py, "usage"))?;
        let timing = record.getattr(pyo3::intern!(py, "timing"))?;
        let labels = record.getattr(pyo3::intern!(py, "labels"))?;
        let mut mask = 0;
        for (number, (source, default)) in self.columns.iter().enumerate() {
            let value = match source {
                Source::Own(name) => record.getattr(name)?,
                Source::Usage(name) => usage.getattr(name)?,
                Source::Timing(name) => timing.getattr(name)?,
                Source::Moment => record
                    .getattr(pyo3::intern!(py, "started_at"))?
                    .call_method0(pyo3::intern!(py, "timestamp"))?,
                Source::Labels => match label_text(&labels)? {
                    Some(text) => text,
                    None => continue,
                },
                Source::Label(name) => match label(&labels, name.bind(py))? {
                    Some(text) => text,
                    None => continue,
                },
            };
            // None, False, small numbers and short literals are each one object: comparing objects finds nearly all of
            // them, and a default that is written all the same is no mistake.
            if value.is(default) {
                continue;
            }
            mask |= 1 << number;
            row.push(plain(value)?);
        }
        Ok(mask)
    }
}

fn source(py: Python<'_>, path: &str) -> Source {
    let name = |name: &str| PyString::intern(py, name).unbind();
    match path.split_once('.') {
        Some(("usage", field)) => Source::Usage(name(field)),
        Some(("timing", field)) => Source::Timing(name(field)),
        Some(("labels", label)) => Source::Label(name(label)),
        _ if path == "started_at" => Source::Moment,
        _ if path == "labels" => Source::Labels,
        _ => Source::Own(name(path)),
    }
}

/// What a database takes as it is: True and False are numbers there, and adapting them takes it a third of a microsecond.
fn plain(value: Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    if let Ok(flag) = value.cast_exact::<PyBool>() {
        let number = i32::from(flag.is_true());
        return Ok(number.into_pyobject(value.py())?.into_any().unbind());
    }
    if let Ok(number) = value.cast_exact::<PyFloat>()
        && number.value().is_nan()
    {
        return Ok(value.py().None());
    }
    Ok(value.unbind())
}

fn label<'py>(
    labels: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    if let Ok(labels) = labels.cast::<PyDict>() {
        return labels.get_item(name);
    }
    let found = labels.call_method1(pyo3::intern!(labels.py(), "get"), (name,))?;
    Ok((!found.is_none()).then_some(found))
}

/// The labels as JSON; none for no labels.
fn label_text<'py>(labels: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = labels.py();
    let labels = match labels.cast::<PyDict>() {
        Ok(labels) => labels.clone(),
        Err(_) => py
            .get_type::<PyDict>()
            .call1((labels,))?
            .cast_into::<PyDict>()?,
    };
    if labels.is_empty() {
        return Ok(None);
    }
    let mut out = Vec::with_capacity(64);
    for (name, text) in &labels {
        let opening = if out.is_empty() { b'{' } else { b',' };
        if !(quoted(opening, &name, &mut out) && quoted(b':', &text, &mut out)) {
            // Half a surrogate pair, or no text at all: Python's own writer knows what to do.
            let json = py.import(pyo3::intern!(py, "json"))?;
            return Ok(Some(json.call_method1("dumps", (labels,))?));
        }
    }
    out.push(b'}');
    Ok(Some(PyString::from_bytes(py, &out)?.into_any()))
}

/// Appends a sign and a text in quotes; false if it is no text.
fn quoted(sign: u8, text: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> bool {
    out.push(sign);
    let text = text.cast::<PyString>().ok();
    let text = text.and_then(|text| text.to_str().ok());
    text.map(|text| quote(text, out)).is_some()
}
