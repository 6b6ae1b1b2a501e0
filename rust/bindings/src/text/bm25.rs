//! `BM25`.

use std::path::PathBuf;

use inferail_text::bm25::{Bm25, Settings, words};
use pyo3::prelude::*;
use pyo3::types::{PyString, PyType};

use crate::error::{chunk_error, config_error};
use crate::gil::{run, run_sized};
use crate::index::arguments::keys;
use crate::tokenizer::batch::strings;
use crate::tokenizer::text::to_text;

/// Bytes of other work that take as long as a look at one text.
const LOOK_BYTES: usize = 2;

/// Texts under 64-bit keys, found by their words.
#[pyclass(frozen, name = "BM25", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PyBm25 {
    inner: Bm25,
}

#[pymethods]
impl PyBm25 {
    #[new]
    #[pyo3(signature = (*, k1 = 1.2, b = 0.75, fold = true))]
    fn new(py: Python<'_>, k1: f64, b: f64, fold: bool) -> PyResult<Self> {
        let settings = Settings::new(k1, b, fold).map_err(|error| chunk_error(py, &error))?;
        Ok(Self {
            inner: Bm25::new(settings),
        })
    }

    #[classmethod]
    #[expect(clippy::needless_pass_by_value, reason = "Python's argument")]
    fn open(_class: &Bound<'_, PyType>, py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let inner = run(py, || Bm25::open(&path)).map_err(|error| chunk_error(py, &error))?;
        Ok(Self { inner })
    }

    #[expect(clippy::needless_pass_by_value, reason = "Python's argument")]
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        run(py, || self.inner.save(&path)).map_err(|error| chunk_error(py, &error))
    }

    fn add(
        &self,
        py: Python<'_>,
        keys: &Bound<'_, PyAny>,
        texts: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let keys = self::keys(keys)?;
        let texts = strings(texts)?;
        let texts: Vec<_> = texts.iter().map(to_text).collect::<PyResult<_>>()?;
        run(py, || self.inner.add(&keys, &texts)).map_err(|error| chunk_error(py, &error))
    }

    fn upsert(
        &self,
        py: Python<'_>,
        keys: &Bound<'_, PyAny>,
        texts: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let keys = self::keys(keys)?;
        let texts = strings(texts)?;
        let texts: Vec<_> = texts.iter().map(to_text).collect::<PyResult<_>>()?;
        run(py, || self.inner.upsert(&keys, &texts)).map_err(|error| chunk_error(py, &error))
    }

    fn delete(&self, py: Python<'_>, keys: &Bound<'_, PyAny>) -> PyResult<usize> {
        let keys = self::keys(keys)?;
        Ok(run(py, || self.inner.delete(&keys)))
    }

    fn search(
        &self,
        py: Python<'_>,
        query: &Bound<'_, PyString>,
        k: i64,
    ) -> PyResult<Vec<(u64, f64)>> {
        let Some(k) = usize::try_from(k).ok().filter(|k| *k > 0) else {
            return Err(config_error(py, "k must be 1 or more".to_owned()));
        };
        let query = to_text(query)?;
        let bytes = self.inner.len().saturating_mul(LOOK_BYTES);
        Ok(run_sized(py, bytes + query.len(), || {
            self.inner.search(&query, k)
        }))
    }

    #[staticmethod]
    #[pyo3(signature = (text, /, *, fold = true))]
    fn words(text: &Bound<'_, PyString>, fold: bool) -> PyResult<Vec<String>> {
        let mut found = Vec::new();
        words(&to_text(text)?, fold, |word| found.push(word.to_owned()));
        Ok(found)
    }

    fn contains(&self, py: Python<'_>, key: u64) -> bool {
        run(py, || self.inner.contains(key))
    }

    #[getter]
    fn k1(&self) -> f64 {
        self.inner.settings().k1()
    }

    #[getter]
    fn b(&self) -> f64 {
        self.inner.settings().b()
    }

    #[getter]
    fn fold(&self) -> bool {
        self.inner.settings().fold()
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        run(py, || self.inner.len())
    }

    fn __repr__(&self) -> String {
        let settings = self.inner.settings();
        format!(
            "BM25(k1={}, b={}) with {} texts",
            settings.k1(),
            settings.b(),
            self.inner.len()
        )
    }
}
