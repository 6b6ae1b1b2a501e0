//! `Grammar`.

use inferail_sampler::grammar::Grammar;
use pyo3::prelude::*;
use pyo3::types::PyType;

use super::error::grammar_error;
use super::matcher::PyMatcher;
use super::vocabulary::to_vocabulary;
use super::{source, source::schema_text};
use crate::gil::run;

/// What an output has to look like.
#[pyclass(frozen, name = "Grammar", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PyGrammar {
    inner: Grammar,
}

#[pymethods]
impl PyGrammar {
    /// The JSON texts that are valid against a schema.
    #[classmethod]
    #[pyo3(
        signature = (schema, vocabulary, *, whitespace="compact", ignore=Vec::new()),
        text_signature = "(schema, vocabulary, *, whitespace='compact', ignore=())"
    )]
    fn from_schema(
        class: &Bound<'_, PyType>,
        schema: &Bound<'_, PyAny>,
        vocabulary: &Bound<'_, PyAny>,
        whitespace: &str,
        ignore: Vec<String>,
    ) -> PyResult<Self> {
        let py = class.py();
        let vocabulary = to_vocabulary(vocabulary)?;
        let text = schema_text(schema)?;
        let options = source::options(py, whitespace, ignore)?;
        Self::made(py, || Grammar::from_schema(&vocabulary, &text, &options))
    }

    /// The texts that a regular expression matches.
    #[classmethod]
    fn from_regex(
        class: &Bound<'_, PyType>,
        pattern: &str,
        vocabulary: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let vocabulary = to_vocabulary(vocabulary)?;
        Self::made(class.py(), || Grammar::from_regex(&vocabulary, pattern))
    }

    /// The texts of a Lark grammar.
    #[classmethod]
    fn from_lark(
        class: &Bound<'_, PyType>,
        grammar: &str,
        vocabulary: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let vocabulary = to_vocabulary(vocabulary)?;
        Self::made(class.py(), || Grammar::from_lark(&vocabulary, grammar))
    }

    /// Text with calls of tools in it.
    #[classmethod]
    #[pyo3(
        signature = (tags, vocabulary, *, triggers=None, required=false, repeated=true, free_text=true, whitespace="compact", ignore=Vec::new()),
        text_signature = "(tags, vocabulary, *, triggers=None, required=False, repeated=True, free_text=True, whitespace='compact', ignore=())"
    )]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn from_tags(
        class: &Bound<'_, PyType>,
        tags: &Bound<'_, PyAny>,
        vocabulary: &Bound<'_, PyAny>,
        triggers: Option<Vec<String>>,
        required: bool,
        repeated: bool,
        free_text: bool,
        whitespace: &str,
        ignore: Vec<String>,
    ) -> PyResult<Self> {
        let py = class.py();
        let vocabulary = to_vocabulary(vocabulary)?;
        let options = source::options(py, whitespace, ignore)?;
        let mut tags = source::tags(tags, triggers, options)?;
        (tags.required, tags.repeated, tags.free_text) = (required, repeated, free_text);
        Self::made(py, || Grammar::from_tags(&vocabulary, &tags))
    }

    /// A sequence at its beginning.
    fn matcher(&self) -> PyMatcher {
        PyMatcher::new(self.inner.matcher())
    }

    /// How many words of 32 bits a mask has.
    #[getter]
    fn mask_words(&self) -> usize {
        self.inner.vocabulary().mask_words()
    }
}

impl PyGrammar {
    fn made(
        py: Python<'_>,
        make: impl FnOnce() -> Result<Grammar, inferail_sampler::grammar::Error> + Send,
    ) -> PyResult<Self> {
        let inner = run(py, make).map_err(|error| grammar_error(py, &error))?;
        Ok(Self { inner })
    }
}
