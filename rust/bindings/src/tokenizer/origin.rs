//! Where a tokenizer came from, which is how it is pickled.

use std::hash::{DefaultHasher, Hasher};
use std::path::PathBuf;

use inferail_tokenizer::{Tokenizer, load};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyType};

use crate::error::{config_error, tokenizer_error};
use crate::gil::run;

/// A file, or what is in one.
#[derive(Debug, FromPyObject)]
pub(crate) enum Source {
    Bytes(Vec<u8>),
    Path(PathBuf),
}

impl Source {
    pub(crate) fn read(self) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Path(path) => std::fs::read(path),
        }
    }
}

/// Which ids added tokens get where a file leaves ids out.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AddedIds(load::Ids);

impl<'py> FromPyObject<'_, 'py> for AddedIds {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match object.extract::<&str>() {
            Ok("file") => Ok(Self(load::Ids::File)),
            Ok("hf") => Ok(Self(load::Ids::HuggingFace)),
            _ => {
                let problem = "ids are those of the \"file\", or those that \"hf\" gives";
                Err(config_error(object.py(), problem.to_owned()))
            }
        }
    }
}

impl AddedIds {
    fn name(self) -> &'static str {
        match self.0 {
            load::Ids::File => "file",
            load::Ids::HuggingFace => "hf",
        }
    }
}

/// The tokenizer that `file` describes.
pub(crate) fn load(py: Python<'_>, file: &[u8], ids: AddedIds) -> PyResult<Tokenizer> {
    let options = load::Options { ids: ids.0 };
    let made = run(py, || Tokenizer::new(load::any(file, options)?));
    made.map_err(|error| tokenizer_error(py, &error))
}

/// What makes the same tokenizer again.
#[derive(Debug)]
pub(crate) enum Origin {
    /// Ranks, which the vocabulary still has, and this pattern.
    Ranks { pattern: String },
    /// The package; the pattern where the format has one.
    Named { pattern: Option<String> },
    /// What is in a file.
    Bytes { data: Py<PyBytes>, ids: AddedIds },
    /// A file, which is read again when a tokenizer is pickled: a vocabulary of 30 MB is not kept for a case so rare.
    File {
        path: PathBuf,
        fingerprint: u64,
        ids: AddedIds,
    },
}

/// A function and its arguments.
pub(crate) type Reduced<'py> = (Bound<'py, PyAny>, (Bound<'py, PyAny>,));

impl Origin {
    pub(crate) fn file(path: PathBuf, file: &[u8], ids: AddedIds) -> Self {
        Self::File {
            path,
            fingerprint: fingerprint(file),
            ids,
        }
    }

    pub(crate) fn pattern(&self) -> Option<&str> {
        match self {
            Self::Ranks { pattern } => Some(pattern),
            Self::Named { pattern } => pattern.as_deref(),
            Self::Bytes { .. } | Self::File { .. } => None,
        }
    }

    /// The class method, with `options`, and the argument that make it again.
    pub(crate) fn reduce<'py>(
        &self,
        class: &Bound<'py, PyType>,
        tokenizer: &Tokenizer,
        name: Option<&str>,
        options: &Bound<'py, PyDict>,
    ) -> PyResult<Reduced<'py>> {
        let py = class.py();
        if !matches!(self, Self::Named { .. }) {
            options.set_item("name", name)?;
        }
        let (method, argument) = match self {
            Self::Named { .. } => ("named", name.into_pyobject(py)?),
            Self::Ranks { pattern } => {
                options.set_item("pattern", pattern)?;
                options.set_item("special_tokens", special_tokens(py, tokenizer)?)?;
                let ranks = load::tiktoken::write(tokenizer.vocabulary());
                ("from_tiktoken", PyBytes::new(py, &ranks).into_any())
            }
            Self::Bytes { data, ids } => {
                options.set_item("ids", ids.name())?;
                ("from_bytes", data.bind(py).clone().into_any())
            }
            Self::File {
                path,
                fingerprint: known,
                ids,
            } => {
                options.set_item("ids", ids.name())?;
                let file = std::fs::read(path)?;
                if fingerprint(&file) != *known {
                    let path = path.display();
                    let problem =
                        format!("{path} has changed since the tokenizer was made from it");
                    return Err(config_error(py, problem));
                }
                ("from_bytes", PyBytes::new(py, &file).into_any())
            }
        };
        let partial = py.import("functools")?.getattr("partial")?;
        let make = partial.call((class.getattr(method)?,), Some(options))?;
        Ok((make, (argument,)))
    }
}

fn fingerprint(file: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(file);
    hasher.finish()
}

/// The special tokens and their ids.
pub(crate) fn special_tokens<'py>(
    py: Python<'py>,
    tokenizer: &Tokenizer,
) -> PyResult<Bound<'py, PyDict>> {
    let tokens = PyDict::new(py);
    for token in tokenizer.added_tokens() {
        if token.special {
            tokens.set_item(&token.content, token.id)?;
        }
    }
    Ok(tokens)
}
