//! `Chunker` and `Chunk`.

use std::sync::Arc;

use inferail_text::chunk::{Chunk, Chunker, Measure};
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use crate::error::{chunk_error, config_error};
use crate::gil::{run, run_sized};
use crate::tokenizer::text::to_text;
use crate::tokenizer::tokenizer::PyTokenizer;

/// A part of a text.
#[pyclass(frozen, name = "Chunk", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PyChunk {
    #[pyo3(get)]
    text: Py<PyString>,
    #[pyo3(get)]
    begin: usize,
    #[pyo3(get)]
    end: usize,
    #[pyo3(get)]
    byte_begin: usize,
    #[pyo3(get)]
    byte_end: usize,
    #[pyo3(get)]
    size: usize,
    #[pyo3(get)]
    headings: Py<PyTuple>,
}

#[pymethods]
impl PyChunk {
    fn __repr__(&self) -> String {
        format!(
            "Chunk(begin={}, end={}, size={})",
            self.begin, self.end, self.size
        )
    }
}

/// Cuts texts for search.
#[pyclass(frozen, name = "Chunker", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PyChunker {
    inner: Chunker,
    tokenizer: Option<Py<PyTokenizer>>,
}

#[pymethods]
impl PyChunker {
    #[new]
    #[pyo3(signature = (size, *, overlap = 0, tokenizer = None, markdown = true))]
    fn new(
        py: Python<'_>,
        size: i64,
        overlap: i64,
        tokenizer: Option<Py<PyTokenizer>>,
        markdown: bool,
    ) -> PyResult<Self> {
        let Ok(overlap) = usize::try_from(overlap) else {
            return Err(config_error(py, "overlap must be 0 or more".to_owned()));
        };
        let measure = tokenizer.as_ref().map_or(Measure::Characters, |tokenizer| {
            Measure::Tokens(Arc::clone(&tokenizer.get().inner))
        });
        let size = usize::try_from(size).unwrap_or(0);
        let inner = Chunker::new(measure, size, overlap, markdown);
        let inner = inner.map_err(|error| chunk_error(py, &error))?;
        Ok(Self { inner, tokenizer })
    }

    /// The chunks of `text`.
    #[pyo3(signature = (text, /))]
    fn chunks(&self, text: &Bound<'_, PyString>) -> PyResult<Vec<PyChunk>> {
        let py = text.py();
        let text = to_text(text)?;
        let made = run_sized(py, text.len(), || self.inner.chunks(&text));
        let made = made.map_err(|error| chunk_error(py, &error))?;
        made.into_iter()
            .map(|chunk| to_python(py, &text, chunk))
            .collect()
    }

    /// The chunks of each text.
    #[pyo3(signature = (texts, /))]
    #[expect(clippy::needless_pass_by_value, reason = "Python's argument")]
    fn chunks_batch(
        &self,
        py: Python<'_>,
        texts: Vec<Bound<'_, PyString>>,
    ) -> PyResult<Vec<Vec<PyChunk>>> {
        let texts: Vec<_> = texts.iter().map(to_text).collect::<PyResult<_>>()?;
        let made = run(py, || {
            let chunks = texts.iter().map(|text| self.inner.chunks(text));
            chunks.collect::<Result<Vec<_>, _>>()
        });
        let made = made.map_err(|error| chunk_error(py, &error))?;
        let of_each = made.into_iter().zip(&texts).map(|(chunks, text)| {
            let chunks = chunks.into_iter();
            chunks.map(|chunk| to_python(py, text, chunk)).collect()
        });
        of_each.collect()
    }

    #[getter]
    fn size(&self) -> usize {
        self.inner.size()
    }

    #[getter]
    fn overlap(&self) -> usize {
        self.inner.overlap()
    }

    #[getter]
    fn markdown(&self) -> bool {
        self.inner.markdown()
    }

    #[getter]
    fn tokenizer(&self, py: Python<'_>) -> Option<Py<PyTokenizer>> {
        self.tokenizer
            .as_ref()
            .map(|tokenizer| tokenizer.clone_ref(py))
    }

    fn __repr__(&self) -> String {
        let unit = match self.inner.measure() {
            Measure::Characters => "characters",
            Measure::Tokens(_) => "tokens",
        };
        format!(
            "Chunker({}, overlap={}, markdown={}) of {unit}",
            self.inner.size(),
            self.inner.overlap(),
            if self.inner.markdown() {
                "True"
            } else {
                "False"
            }
        )
    }
}

fn to_python(py: Python<'_>, text: &str, chunk: Chunk) -> PyResult<PyChunk> {
    let headings = chunk.headings.into_iter().map(|title| &text[title]);
    Ok(PyChunk {
        text: PyString::new(py, &text[chunk.bytes.clone()]).unbind(),
        begin: chunk.characters.start,
        end: chunk.characters.end,
        byte_begin: chunk.bytes.start,
        byte_end: chunk.bytes.end,
        size: chunk.size,
        headings: PyTuple::new(py, headings.collect::<Vec<_>>())?.unbind(),
    })
}
