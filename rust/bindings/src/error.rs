//! Errors of the crates as the exceptions of `inferail.errors`, which defines the classes.

use std::path::Path;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};

/// `ConfigError(message)`.
pub(crate) fn config_error(py: Python<'_>, message: String) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    match CLASS.import(py, "inferail.errors", "ConfigError") {
        Ok(class) => PyErr::from_type(class.clone(), (message,)),
        Err(error) => error,
    }
}

/// `ConfigError(message)` with what another party said, which is never printed.
pub(crate) fn config_error_with(py: Python<'_>, message: String, detail: String) -> PyErr {
    let error = config_error(py, message);
    match error.value(py).setattr("detail", detail) {
        Ok(()) => error,
        Err(other) => other,
    }
}

/// The option `name` as a number of bytes.
///
/// # Errors
///
/// `ConfigError`: it is below 1.
pub(crate) fn byte_limit(py: Python<'_>, name: &str, value: i64) -> PyResult<usize> {
    let limit = usize::try_from(value).ok().filter(|limit| *limit > 0);
    limit.ok_or_else(|| {
        let message = format!("{name} must be a number of bytes, 1 or more, not {value}");
        config_error(py, message)
    })
}

/// The framing error `error`, with what was parsed before it as `StreamError.partial`.
pub(crate) fn sse_error<'py, T: IntoPyObject<'py>>(
    py: Python<'py>,
    error: inferail_sse::Error,
    partial: T,
) -> PyErr {
    let message = match error {
        error @ inferail_sse::Error::EventTooLarge { .. } => error.to_string(),
        other => other.to_string(),
    };
    stream_error(py, message, partial).unwrap_or_else(|error| error)
}

fn stream_error<'py, T: IntoPyObject<'py>>(
    py: Python<'py>,
    message: String,
    partial: T,
) -> PyResult<PyErr> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let class = CLASS.import(py, "inferail.errors", "StreamError")?;
    let options = PyDict::new(py);
    options.set_item("partial", partial)?;
    Ok(PyErr::from_value(class.call((message,), Some(&options))?))
}

/// `OutputValidationError` of a text that cannot become JSON.
pub(crate) fn json_error(py: Python<'_>, error: inferail_wire::json::PartialError) -> PyErr {
    make_json_error(py, &error.to_string()).unwrap_or_else(|error| error)
}

fn make_json_error(py: Python<'_>, problem: &str) -> PyResult<PyErr> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let class = CLASS.import(py, "inferail.errors", "OutputValidationError")?;
    let options = PyDict::new(py);
    options.set_item("errors", [("", problem)])?;
    let message = format!("the text is not JSON: {problem}");
    Ok(PyErr::from_value(class.call((message,), Some(&options))?))
}

/// The failure of an exchange: the exception of its kind, with our own sentence.
pub(crate) fn http_error(py: Python<'_>, error: &inferail_http::Error) -> PyErr {
    make_http_error(py, error).unwrap_or_else(|error| error)
}

fn make_http_error(py: Python<'_>, error: &inferail_http::Error) -> PyResult<PyErr> {
    use inferail_http::Error;
    let errors = py.import("inferail.errors")?;
    let (class, phase) = match error {
        Error::Request(_) | Error::Settings(_) => ("ConfigError", None),
        Error::Connect { .. } => ("ConnectError", None),
        Error::ConnectTimeout { .. } => ("DeadlineError", Some("connect")),
        _ => ("TransportError", None),
    };
    let options = PyDict::new(py);
    if let Some(phase) = phase {
        options.set_item("phase", phase)?;
    }
    let class = errors.getattr(class)?;
    let made = class.call((error.to_string(),), Some(&options))?;
    Ok(PyErr::from_value(made))
}

/// Why a tokenizer cannot be made, or a text cannot be encoded.
pub(crate) fn tokenizer_error(py: Python<'_>, error: &inferail_tokenizer::Error) -> PyErr {
    use inferail_tokenizer::Error;
    let message = error.to_string();
    match error {
        Error::Format { offset, .. } => format_error(py, message, *offset),
        Error::Unsupported { .. } | Error::Incomplete { .. } | Error::Template { .. } => {
            format_error(py, message, None)
        }
        _ => config_error(py, message),
    }
}

/// The same error; a `FormatError` with the path of the file.
pub(crate) fn with_path(py: Python<'_>, error: PyErr, path: &Path) -> PyErr {
    // A TypeError, where the attribute cannot be set, says no more than the error itself.
    let value = error.value(py);
    if value.hasattr("path").is_ok_and(|has| has) {
        drop(value.setattr("path", path.display().to_string()));
    }
    error
}

/// `FormatError(message)`, with where in a file it is.
pub(crate) fn format_error(py: Python<'_>, message: String, offset: Option<u64>) -> PyErr {
    make_format_error(py, message, offset).unwrap_or_else(|error| error)
}

fn make_format_error(py: Python<'_>, message: String, offset: Option<u64>) -> PyResult<PyErr> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let class = CLASS.import(py, "inferail.errors", "FormatError")?;
    let options = PyDict::new(py);
    options.set_item("offset", offset)?;
    Ok(PyErr::from_value(class.call((message,), Some(&options))?))
}

/// Why nothing can be sampled: `SamplingError` of a row, `ConfigError` of an argument.
pub(crate) fn sampler_error(py: Python<'_>, error: &inferail_sampler::Error) -> PyErr {
    use inferail_sampler::Error;
    let message = error.to_string();
    match error {
        Error::Row { row, .. } => sampling_error(py, message, *row).unwrap_or_else(|error| error),
        _ => config_error(py, message),
    }
}

/// `SamplingError(message, row=row)`.
pub(crate) fn sampling_error(py: Python<'_>, message: String, row: usize) -> PyResult<PyErr> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let class = CLASS.import(py, "inferail.errors", "SamplingError")?;
    let options = PyDict::new(py);
    options.set_item("row", row)?;
    Ok(PyErr::from_value(class.call((message,), Some(&options))?))
}

/// Why an index cannot do what it was asked: `ConfigError` of an argument, `FormatError` of a file, `OSError` of the
/// system.
pub(crate) fn ann_error(py: Python<'_>, error: &inferail_ann::Error) -> PyErr {
    use inferail_ann::Error;
    let message = error.to_string();
    match error {
        Error::Damaged { path, offset, .. } => {
            with_path(py, format_error(py, message, Some(*offset)), path)
        }
        Error::Version { path, .. } | Error::Gap { path, .. } => {
            with_path(py, format_error(py, message, None), path)
        }
        Error::Snapshot { .. } | Error::Change { .. } => format_error(py, message, None),
        Error::Io { source, .. } => match source.raw_os_error() {
            Some(number) => pyo3::exceptions::PyOSError::new_err((number, message)),
            None => pyo3::exceptions::PyOSError::new_err(message),
        },
        _ => config_error(py, message),
    }
}

/// Why a model of tasks cannot be read.
pub(crate) fn text_error(py: Python<'_>, error: &inferail_text::Error, path: &Path) -> PyErr {
    use inferail_text::Error;
    let offset = match error {
        Error::Format { offset, .. } => Some(*offset),
        _ => None,
    };
    with_path(py, format_error(py, error.to_string(), offset), path)
}

/// Why a text cannot be cut, or an index of words cannot do what it was asked: `ConfigError` of an argument, `FormatError`
/// of a file, `OSError` of the system.
pub(crate) fn chunk_error(py: Python<'_>, error: &inferail_text::Error) -> PyErr {
    use inferail_text::Error;
    let message = error.to_string();
    match error {
        Error::Index { path, offset, .. } => {
            with_path(py, format_error(py, message, Some(*offset)), path)
        }
        Error::Io { source, .. } => std::io::Error::new(source.kind(), message).into(),
        Error::Tokenizer(error) => tokenizer_error(py, error),
        _ => config_error(py, message),
    }
}

/// Why a policy cannot be made.
pub(crate) fn policy_error(py: Python<'_>, error: &inferail_policy::Error) -> PyErr {
    config_error(py, error.to_string())
}

/// Why a model cannot be loaded, or a text cannot be encoded.
pub(crate) fn engine_error(py: Python<'_>, error: inferail_engine::Error) -> PyErr {
    use inferail_engine::Error;
    let message = error.to_string();
    match error {
        Error::Format { path, offset, .. } => {
            named(py, format_error(py, message, offset), path.as_deref())
        }
        Error::Unsupported { path, .. } => {
            named(py, format_error(py, message, None), path.as_deref())
        }
        Error::Tokenizer { path, source } => with_path(py, tokenizer_error(py, &source), &path),
        // The sentence has the file's name; the kind makes it a FileNotFoundError, or what it is.
        Error::Read { source, .. } => std::io::Error::new(source.kind(), message).into(),
        Error::NotFinite { .. } => engine_failure(py, message).unwrap_or_else(|error| error),
        _ => config_error(py, message),
    }
}

fn named(py: Python<'_>, error: PyErr, path: Option<&Path>) -> PyErr {
    match path {
        Some(path) => with_path(py, error, path),
        None => error,
    }
}

fn engine_failure(py: Python<'_>, message: String) -> PyResult<PyErr> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let class = CLASS.import(py, "inferail.errors", "EngineError")?;
    Ok(PyErr::from_value(class.call1((message,))?))
}

/// Why a cache cannot do what it was asked: `OutOfBlocksError`, `DeviceError`, `EngineError` of damage, `ConfigError` of the
/// rest.
pub(crate) fn kv_error(py: Python<'_>, error: &inferail_kv::Error) -> PyErr {
    use inferail_kv::Error;
    let message = error.to_string();
    match error {
        Error::OutOfBlocks { .. } => out_of_blocks_error(py, message).unwrap_or_else(|error| error),
        Error::Damaged { .. } => engine_failure(py, message).unwrap_or_else(|error| error),
        Error::Device(_) => device_error(py, message).unwrap_or_else(|error| error),
        Error::Io { source, .. } => std::io::Error::new(source.kind(), message).into(),
        _ => config_error(py, message),
    }
}

fn device_error(py: Python<'_>, message: String) -> PyResult<PyErr> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let class = CLASS.import(py, "inferail.errors", "DeviceError")?;
    Ok(PyErr::from_value(class.call1((message,))?))
}

fn out_of_blocks_error(py: Python<'_>, message: String) -> PyResult<PyErr> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let class = CLASS.import(py, "inferail.errors", "OutOfBlocksError")?;
    Ok(PyErr::from_value(class.call1((message,))?))
}
