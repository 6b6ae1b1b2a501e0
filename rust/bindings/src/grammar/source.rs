//! What grammars are made from.

use inferail_sampler::grammar::{SchemaOptions, Tag, Tags, Whitespace};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyString};

use crate::error::config_error;

/// The JSON text of a schema: text is taken as it is, a mapping or a boolean written, and of any other type pydantic is
/// asked what its schema is.
pub(super) fn schema_text(schema: &Bound<'_, PyAny>) -> PyResult<String> {
    let py = schema.py();
    if let Ok(text) = schema.cast::<PyString>() {
        return Ok(text.to_str()?.to_owned());
    }
    let is_schema = schema.is_instance_of::<PyDict>() || schema.is_instance_of::<PyBool>();
    let described = if is_schema {
        schema.clone()
    } else if schema.hasattr("model_json_schema")? {
        schema.call_method0("model_json_schema")?
    } else if schema.hasattr("json_schema")? {
        schema.call_method0("json_schema")?
    } else {
        let adapter = py.import("pydantic")?.getattr("TypeAdapter")?;
        adapter.call1((schema,))?.call_method0("json_schema")?
    };
    let options = PyDict::new(py);
    options.set_item("allow_nan", false)?;
    options.set_item("ensure_ascii", false)?;
    let written = py
        .import("json")?
        .call_method("dumps", (described,), Some(&options))?;
    written.extract()
}

/// How a schema is read.
pub(super) fn options(
    py: Python<'_>,
    whitespace: &str,
    ignore: Vec<String>,
) -> PyResult<SchemaOptions> {
    let whitespace = match whitespace {
        "compact" => Whitespace::Compact,
        "flexible" => Whitespace::Flexible,
        other => {
            let message = format!("whitespace is \"compact\" or \"flexible\", not {other:?}");
            return Err(config_error(py, message));
        }
    };
    Ok(SchemaOptions {
        whitespace,
        ignored: ignore,
    })
}

/// Tags, each `(begin, schema, end)`.
pub(super) fn tags(
    tags: &Bound<'_, PyAny>,
    triggers: Option<Vec<String>>,
    options: SchemaOptions,
) -> PyResult<Tags> {
    let mut listed = Vec::new();
    for tag in tags.try_iter()? {
        let (begin, schema, end): (String, Bound<'_, PyAny>, String) = tag?.extract()?;
        listed.push(Tag {
            begin,
            schema: schema_text(&schema)?,
            end,
        });
    }
    Ok(Tags {
        tags: listed,
        triggers: triggers.unwrap_or_default(),
        options,
        ..Tags::default()
    })
}
