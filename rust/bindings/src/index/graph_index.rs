//! `GraphIndex`.

use std::path::PathBuf;

use inferail_ann::{GraphIndex, GraphOptions, default_effort};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

use super::arguments::{Vectors, keys};
use super::vector_index::{Results, metric_name, results, settings, storage_name};
use crate::error::{ann_error, config_error};
use crate::gil::{run, run_sized};

/// Bytes of other work that take as long as a look at one entry.
const LOOK_BYTES: usize = 96;

/// Entries that are looked at for one of the effort.
const LOOKS: usize = 16;

/// Vectors under 64-bit keys, found along links.
#[derive(Debug)]
#[pyclass(frozen, name = "GraphIndex", module = "inferail.core")]
pub(crate) struct PyGraphIndex {
    index: GraphIndex,
}

#[pymethods]
impl PyGraphIndex {
    #[new]
    #[pyo3(signature = (dim, *, metric = "cosine", storage = "float32", links = 32, build_effort = 128, seed = 0))]
    fn new(
        py: Python<'_>,
        dim: i64,
        metric: &str,
        storage: &str,
        links: i64,
        build_effort: i64,
        seed: i64,
    ) -> PyResult<Self> {
        let settings = settings(py, dim, metric, storage)?;
        let options = GraphOptions::new(size(links), size(build_effort), seed.cast_unsigned())
            .map_err(|error| ann_error(py, &error))?;
        Ok(Self {
            index: GraphIndex::new(settings, options),
        })
    }

    #[classmethod]
    fn open(_class: &Bound<'_, PyType>, py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let index = run(py, move || GraphIndex::open(&path));
        let index = index.map_err(|error| ann_error(py, &error))?;
        Ok(Self { index })
    }

    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        run(py, move || self.index.save(&path)).map_err(|error| ann_error(py, &error))
    }

    fn add(
        &self,
        py: Python<'_>,
        keys: &Bound<'_, PyAny>,
        vectors: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let keys = self::keys(keys)?;
        let vectors = Vectors::new("vectors", vectors)?;
        let rows = rows_of(py, &keys, &vectors)?;
        run(py, || self.index.add(&keys, &rows)).map_err(|error| ann_error(py, &error))
    }

    fn upsert(
        &self,
        py: Python<'_>,
        keys: &Bound<'_, PyAny>,
        vectors: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let keys = self::keys(keys)?;
        let vectors = Vectors::new("vectors", vectors)?;
        let rows = rows_of(py, &keys, &vectors)?;
        run(py, || self.index.upsert(&keys, &rows)).map_err(|error| ann_error(py, &error))
    }

    fn delete(&self, py: Python<'_>, keys: &Bound<'_, PyAny>) -> PyResult<usize> {
        let keys = self::keys(keys)?;
        run(py, || self.index.delete(&keys)).map_err(|error| ann_error(py, &error))
    }

    #[pyo3(signature = (query, k, *, effort = None))]
    fn search<'py>(
        &self,
        py: Python<'py>,
        query: &Bound<'py, PyAny>,
        k: i64,
        effort: Option<i64>,
    ) -> PyResult<Results<'py>> {
        let vectors = Vectors::new("query", query)?;
        let rows = vectors.rows()?;
        let (k, effort) = (size(k), effort.map(size));
        let looks = effort
            .unwrap_or_else(|| default_effort(k))
            .saturating_mul(LOOKS);
        let bytes = looks.min(self.index.len()).saturating_mul(rows.len());
        let found: Result<Vec<_>, _> = run_sized(py, bytes.saturating_mul(LOOK_BYTES), || {
            let search = |query: &&[f32]| self.index.search(query, k, effort);
            rows.iter().map(search).collect::<Result<Vec<_>, _>>()
        });
        let found = found.map_err(|error| ann_error(py, &error))?;
        results(py, found, k, vectors.many)
    }

    #[pyo3(signature = (sample = 100, k = 10, effort = None, *, queries = None))]
    fn recall(
        &self,
        py: Python<'_>,
        sample: i64,
        k: i64,
        effort: Option<i64>,
        queries: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<f64> {
        let (sample, k, effort) = (size(sample), size(k), effort.map(size));
        let queries = queries.map(|queries| Vectors::new("queries", queries));
        let recall = match queries.transpose()? {
            Some(queries) => {
                let rows = queries.rows()?;
                run(py, || self.index.recall_of(&rows, k, effort))
            }
            None => run(py, || self.index.recall(sample, k, effort)),
        };
        recall.map_err(|error| ann_error(py, &error))
    }

    #[pyo3(signature = (recall = 0.99, k = 10, *, queries = None))]
    fn tune(
        &self,
        py: Python<'_>,
        recall: f64,
        k: i64,
        queries: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<usize> {
        let k = size(k);
        let queries = queries.map(|queries| Vectors::new("queries", queries));
        let queries = queries.transpose()?;
        let rows = queries.as_ref().map(Vectors::rows).transpose()?;
        run(py, || self.index.tune(recall, k, rows.as_deref()))
            .map_err(|error| ann_error(py, &error))
    }

    fn contains(&self, py: Python<'_>, key: u64) -> PyResult<bool> {
        run(py, || self.index.contains(key)).map_err(|error| ann_error(py, &error))
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = run(py, || self.index.stats()).map_err(|error| ann_error(py, &error))?;
        let told = PyDict::new(py);
        told.set_item("entries", stats.entries)?;
        told.set_item("bytes", stats.bytes)?;
        told.set_item("links", stats.links)?;
        told.set_item("free", stats.free)?;
        Ok(told)
    }

    #[getter]
    fn dim(&self) -> usize {
        self.index.settings().dim()
    }

    #[getter]
    fn metric(&self) -> &'static str {
        metric_name(self.index.settings().metric())
    }

    #[getter]
    fn storage(&self) -> &'static str {
        storage_name(self.index.settings().precision())
    }

    #[getter]
    fn links(&self) -> usize {
        self.index.options().links()
    }

    #[getter]
    fn build_effort(&self) -> usize {
        self.index.options().build_effort()
    }

    fn __len__(&self) -> usize {
        self.index.len()
    }

    fn __repr__(&self) -> String {
        let settings = self.index.settings();
        format!(
            "GraphIndex(dim={}, metric={:?}, storage={:?}, links={}, build_effort={}) with {} entries",
            settings.dim(),
            metric_name(settings.metric()),
            storage_name(settings.precision()),
            self.index.options().links(),
            self.index.options().build_effort(),
            self.index.len()
        )
    }
}

/// A count; what is none is 0, which nothing takes.
fn size(given: i64) -> usize {
    usize::try_from(given).unwrap_or(0)
}

fn rows_of<'a>(py: Python<'_>, keys: &[u64], vectors: &'a Vectors<'_>) -> PyResult<Vec<&'a [f32]>> {
    let rows = vectors.rows()?;
    if rows.len() != keys.len() {
        let problem = format!("{} keys and {} vectors", keys.len(), rows.len());
        return Err(config_error(py, problem));
    }
    Ok(rows)
}
