//! `Tokenizer`.

use std::path::PathBuf;

use inferail_tokenizer::{
    AddedToken, Definition, Error, ModelDefinition, NormalizerDefinition, PreTokenizerDefinition,
    Tokenizer, load,
};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyType};

use super::ids;
use super::specials::{Chosen, Rules};
use super::text::to_text;
use crate::error::tokenizer_error;
use crate::gil::{run, run_sized};

/// Text to token ids and back.
#[pyclass(frozen, name = "Tokenizer", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PyTokenizer {
    inner: Tokenizer,
}

/// A file, or what is in one.
#[derive(Debug, FromPyObject)]
enum Source {
    Bytes(Vec<u8>),
    Path(PathBuf),
}

impl Source {
    fn read(self) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Path(path) => std::fs::read(path),
        }
    }
}

#[pymethods]
impl PyTokenizer {
    /// The tokenizer of a `.tiktoken` file.
    #[classmethod]
    #[pyo3(signature = (ranks, *, pattern, special_tokens=None))]
    fn from_tiktoken(
        class: &Bound<'_, PyType>,
        ranks: Source,
        pattern: &str,
        special_tokens: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let py = class.py();
        let mut added = Vec::new();
        for (content, id) in special_tokens.into_iter().flatten() {
            added.push(AddedToken::special(
                id.extract()?,
                content.extract::<String>()?,
            ));
        }
        let file = run(py, || ranks.read())?;
        let made = run(py, || {
            Tokenizer::new(Definition {
                vocabulary: load::ranks(&file)?,
                model: ModelDefinition::Ranks,
                added,
                normalizer: NormalizerDefinition::None,
                pre_tokenizer: PreTokenizerDefinition::Pattern(pattern.to_owned()),
            })
        });
        let inner = made.map_err(|error| tokenizer_error(py, error))?;
        Ok(Self { inner })
    }

    /// The ids of `text`.
    #[pyo3(
        signature = (text, *, allowed_special=Chosen::None, disallowed_special=Chosen::All, as_list=false),
        text_signature = "($self, text, *, allowed_special=(), disallowed_special='all', as_list=False)"
    )]
    fn encode<'py>(
        &self,
        text: &Bound<'py, PyString>,
        allowed_special: Chosen,
        disallowed_special: Chosen,
        as_list: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let rules = Rules {
            allowed: allowed_special,
            disallowed: disallowed_special,
        };
        self.ids(text, &rules, as_list)
    }

    /// The ids of `text`, special tokens being text like any other.
    #[pyo3(signature = (text, *, as_list=false))]
    fn encode_ordinary<'py>(
        &self,
        text: &Bound<'py, PyString>,
        as_list: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.ids(text, &Rules::ORDINARY, as_list)
    }

    /// How many tokens `text` has.
    #[pyo3(
        signature = (text, *, allowed_special=Chosen::None, disallowed_special=Chosen::None),
        text_signature = "($self, text, *, allowed_special=(), disallowed_special=())"
    )]
    fn count(
        &self,
        text: &Bound<'_, PyString>,
        allowed_special: Chosen,
        disallowed_special: Chosen,
    ) -> PyResult<usize> {
        let rules = Rules {
            allowed: allowed_special,
            disallowed: disallowed_special,
        };
        self.with_text(text, &rules, |text, specials| {
            self.inner.count(text, specials)
        })
    }

    /// The text of `ids`.
    #[pyo3(signature = (ids, *, errors="replace"))]
    fn decode<'py>(&self, ids: &Bound<'py, PyAny>, errors: &str) -> PyResult<Bound<'py, PyString>> {
        let py = ids.py();
        let bytes = self.bytes(ids)?;
        match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(PyString::new(py, text)),
            Err(_) => {
                let decoded = PyBytes::new(py, &bytes).call_method1("decode", ("utf-8", errors))?;
                Ok(decoded.cast_into()?)
            }
        }
    }

    /// The bytes that `ids` stand for.
    #[pyo3(signature = (ids, /))]
    fn decode_bytes<'py>(&self, ids: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(ids.py(), &self.bytes(ids)?))
    }
}

impl PyTokenizer {
    fn ids<'py>(
        &self,
        text: &Bound<'py, PyString>,
        rules: &Rules,
        as_list: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = text.py();
        let ids = self.with_text(text, rules, |text, specials| {
            self.inner.encode(text, specials)
        })?;
        if as_list {
            Ok(ids::list(py, &ids)?.into_any())
        } else {
            Ok(ids::array(py, ids).into_any())
        }
    }

    fn with_text<T: Send>(
        &self,
        text: &Bound<'_, PyString>,
        rules: &Rules,
        work: impl FnOnce(&str, inferail_tokenizer::Specials<'_>) -> Result<T, Error> + Send,
    ) -> PyResult<T> {
        let py = text.py();
        let text = to_text(text)?;
        let done = run_sized(py, text.len(), || {
            rules.apply(&self.inner, &text, |specials| work(&text, specials))
        });
        done.map_err(|error| tokenizer_error(py, error))
    }

    fn bytes(&self, ids: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
        let py = ids.py();
        let ids = ids::from_python(ids, &self.inner)?;
        let bytes = run_sized(py, ids.len() * 4, || self.inner.decode_bytes(&ids));
        bytes.map_err(|error| tokenizer_error(py, error))
    }
}
