//! `Encoder`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use inferail_engine::encoder::{Encoded, Encoder, Options, Precision};
use numpy::{PyArray1, PyArray2, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyString, PyType};

use super::texts::Texts;
use crate::error::{config_error, engine_error, tokenizer_error};
use crate::gil::{run, run_sized};
use crate::tokenizer::text::to_text;

/// Vectors, tokens of each text, and which texts were cut.
type Detailed<'py> = (
    Bound<'py, PyArray2<f32>>,
    Bound<'py, PyArray1<u32>>,
    Vec<usize>,
);

/// Texts to vectors with a model of the BERT family.
#[pyclass(frozen, name = "Encoder", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PyEncoder {
    inner: Encoder,
    threads: NonZeroUsize,
    path: PathBuf,
}

#[pymethods]
impl PyEncoder {
    /// The model in a folder.
    #[classmethod]
    #[pyo3(signature = (path, *, dtype = "auto", threads = 1))]
    fn from_directory(
        class: &Bound<'_, PyType>,
        path: PathBuf,
        dtype: &str,
        threads: i64,
    ) -> PyResult<Self> {
        let py = class.py();
        let precision = match dtype {
            "auto" => Precision::Auto,
            "float32" => Precision::Float32,
            "bfloat16" => Precision::Bfloat16,
            "int8" => Precision::Int8,
            other => {
                let problem =
                    format!("dtype must be 'auto', 'float32', 'bfloat16' or 'int8', not '{other}'");
                return Err(config_error(py, problem));
            }
        };
        let count = usize::try_from(threads).ok().and_then(NonZeroUsize::new);
        let Some(threads) = count.filter(|count| count.get() <= 1024) else {
            let problem = format!("threads must be a number from 1 to 1024, not {threads}");
            return Err(config_error(py, problem));
        };
        let options = Options {
            precision,
            ..Options::default()
        };
        let inner = run(py, || Encoder::open(&path, options));
        let inner = inner.map_err(|error| engine_error(py, error))?;
        Ok(Self {
            inner,
            threads,
            path,
        })
    }

    /// A vector for each text.
    fn encode<'py>(&self, texts: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let encoded = self.encoded(texts)?;
        self.vectors(texts.py(), encoded.vectors)
    }

    /// The same, with the tokens that were read of each text and which texts were cut.
    fn encode_detailed<'py>(&self, texts: &Bound<'py, PyAny>) -> PyResult<Detailed<'py>> {
        let py = texts.py();
        let encoded = self.encoded(texts)?;
        let tokens = encoded.tokens.iter().map(|tokens| *tokens as u32);
        let tokens = PyArray1::from_iter(py, tokens);
        let vectors = self.vectors(py, encoded.vectors)?;
        Ok((vectors, tokens, encoded.truncated))
    }

    /// How many tokens a text has, special ones included, also if they are more than are read.
    fn count_tokens(&self, text: &Bound<'_, PyString>) -> PyResult<usize> {
        let py = text.py();
        let text = to_text(text)?;
        let counted = run_sized(py, text.len(), || self.inner.tokens().count(&text));
        counted.map_err(|error| tokenizer_error(py, &error))
    }

    /// Numbers of a vector.
    #[getter]
    fn dim(&self) -> usize {
        self.inner.dim()
    }

    /// The most tokens that are read of a text, special ones included.
    #[getter]
    fn max_tokens(&self) -> usize {
        self.inner.tokens().most()
    }

    /// How weights are kept: `float32`, `bfloat16` or `int8`.
    #[getter]
    fn dtype(&self) -> &'static str {
        self.inner.precision().name()
    }

    /// How many threads a call may use.
    #[getter]
    fn threads(&self) -> usize {
        self.threads.get()
    }

    /// The instruction set that is used.
    #[getter]
    fn instructions(&self) -> &'static str {
        self.inner.level().name()
    }

    fn __repr__(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        format!(
            "Encoder({:?}, dim={}, dtype='{}')",
            name.display().to_string(),
            self.dim(),
            self.dtype()
        )
    }
}

impl PyEncoder {
    fn encoded(&self, texts: &Bound<'_, PyAny>) -> PyResult<Encoded> {
        let py = texts.py();
        let texts = Texts::new(texts)?;
        let texts = texts.texts()?;
        let encoded = run(py, || self.inner.encode(&texts, self.threads));
        encoded.map_err(|error| engine_error(py, error))
    }

    fn vectors<'py>(
        &self,
        py: Python<'py>,
        vectors: Vec<f32>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let rows = vectors.len() / self.dim();
        PyArray1::from_vec(py, vectors).reshape([rows, self.dim()])
    }
}
