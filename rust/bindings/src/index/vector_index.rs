//! `VectorIndex`.

use std::path::PathBuf;
use std::time::Duration;

use inferail_ann::storage::{Fsync, Options};
use inferail_ann::{Entry, Metric, Precision, Settings, VectorIndex};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyType};

use super::arguments::{Vectors, keys, moments, now, payloads, thresholds};
use crate::error::{ann_error, config_error};
use crate::gil::{run, run_sized};

/// The key and the score of nothing, where rows of results have to be equally long.
const NOTHING: (u64, f32) = (u64::MAX, f32::NEG_INFINITY);

/// Keys and scores, `[n]` each or `[rows, k]`.
#[derive(IntoPyObject)]
pub(super) enum Results<'py> {
    One((Bound<'py, PyArray1<u64>>, Bound<'py, PyArray1<f32>>)),
    Many((Bound<'py, PyArray2<u64>>, Bound<'py, PyArray2<f32>>)),
}

/// Vectors under 64-bit keys.
#[derive(Debug)]
#[pyclass(frozen, name = "VectorIndex", module = "inferail.core")]
pub(crate) struct PyVectorIndex {
    index: VectorIndex,
}

#[pymethods]
impl PyVectorIndex {
    #[new]
    #[pyo3(signature = (dim, *, metric = "cosine", storage = "float32"))]
    fn new(py: Python<'_>, dim: i64, metric: &str, storage: &str) -> PyResult<Self> {
        let settings = settings(py, dim, metric, storage)?;
        Ok(Self {
            index: VectorIndex::new(settings),
        })
    }

    #[classmethod]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 takes it so")]
    #[pyo3(signature = (path, dim, *, metric = "cosine", storage = "float32", fsync = None))]
    fn open(
        _class: &Bound<'_, PyType>,
        py: Python<'_>,
        path: PathBuf,
        dim: i64,
        metric: &str,
        storage: &str,
        fsync: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let settings = settings(py, dim, metric, storage)?;
        let options = Options {
            fsync: self::fsync(py, fsync)?,
            ..Options::default()
        };
        let index = run(py, || VectorIndex::open(&path, settings, options));
        let index = index.map_err(|error| ann_error(py, &error))?;
        Ok(Self { index })
    }

    #[pyo3(signature = (keys, vectors, *, namespace = "", payloads = None, thresholds = None, expires = None, now = None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn add(
        &self,
        py: Python<'_>,
        keys: &Bound<'_, PyAny>,
        vectors: &Bound<'_, PyAny>,
        namespace: &str,
        payloads: Option<&Bound<'_, PyAny>>,
        thresholds: Option<&Bound<'_, PyAny>>,
        expires: Option<&Bound<'_, PyAny>>,
        now: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let given = Given::new(keys, vectors, payloads, thresholds, expires, now)?;
        let entries = given.entries(py)?;
        run_sized(py, given.bytes(), || {
            self.index.add(namespace, &entries, given.now)
        })
        .map_err(|error| ann_error(py, &error))
    }

    #[pyo3(signature = (keys, vectors, *, namespace = "", payloads = None, thresholds = None, expires = None, now = None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn upsert(
        &self,
        py: Python<'_>,
        keys: &Bound<'_, PyAny>,
        vectors: &Bound<'_, PyAny>,
        namespace: &str,
        payloads: Option<&Bound<'_, PyAny>>,
        thresholds: Option<&Bound<'_, PyAny>>,
        expires: Option<&Bound<'_, PyAny>>,
        now: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let given = Given::new(keys, vectors, payloads, thresholds, expires, now)?;
        let entries = given.entries(py)?;
        run_sized(py, given.bytes(), || {
            self.index.upsert(namespace, &entries, given.now)
        })
        .map_err(|error| ann_error(py, &error))
    }

    #[pyo3(signature = (keys, *, namespace = ""))]
    fn delete(&self, py: Python<'_>, keys: &Bound<'_, PyAny>, namespace: &str) -> PyResult<usize> {
        let keys = self::keys(keys)?;
        let bytes = keys.len() * size_of::<u64>();
        run_sized(py, bytes, || self.index.delete(namespace, &keys))
            .map_err(|error| ann_error(py, &error))
    }

    fn clear(&self, py: Python<'_>, namespace: &str) -> PyResult<usize> {
        run(py, || self.index.clear(namespace)).map_err(|error| ann_error(py, &error))
    }

    #[pyo3(signature = (query, threshold, *, namespace = "", now = None))]
    fn nearest(
        &self,
        py: Python<'_>,
        query: &Bound<'_, PyAny>,
        threshold: f32,
        namespace: &str,
        now: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<(u64, f32)>> {
        let vectors = Vectors::new("query", query)?;
        let Some(query) = vectors.only()? else {
            let problem = "nearest takes one vector, [dim]: for several, call it once for each";
            return Err(config_error(py, problem.to_owned()));
        };
        let now = self::now(now)?;
        // A search of 64k entries takes as long as 64 KiB of other work.
        let entries = self.index.len_of(namespace);
        run_sized(py, entries, || {
            self.index.nearest(namespace, query, threshold, now)
        })
        .map_err(|error| ann_error(py, &error))
    }

    #[pyo3(signature = (query, k, *, namespace = "", now = None))]
    fn search<'py>(
        &self,
        py: Python<'py>,
        query: &Bound<'py, PyAny>,
        k: i64,
        namespace: &str,
        now: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Results<'py>> {
        let vectors = Vectors::new("query", query)?;
        let rows = vectors.rows()?;
        let now = self::now(now)?;
        let k = usize::try_from(k).unwrap_or(0);
        let entries = self.index.len_of(namespace);
        let search = |query: &[f32]| self.index.search(namespace, query, k, now);
        let work = entries.saturating_mul(rows.len()).saturating_mul(4);
        let found: Result<Vec<_>, _> = run_sized(py, work, || {
            rows.iter().map(|query| search(query)).collect()
        });
        let found = found.map_err(|error| ann_error(py, &error))?;
        results(py, found, k, vectors.many)
    }

    #[pyo3(signature = (key, *, namespace = "", now = None))]
    fn payload<'py>(
        &self,
        py: Python<'py>,
        key: u64,
        namespace: &str,
        now: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let payload = self.index.payload(namespace, key, self::now(now)?);
        let payload = payload.map_err(|error| ann_error(py, &error))?;
        Ok(payload.map(|payload| PyBytes::new(py, &payload)))
    }

    #[pyo3(signature = (key, *, namespace = ""))]
    fn contains(&self, key: u64, namespace: &str) -> bool {
        self.index.contains(namespace, key)
    }

    #[pyo3(signature = (key, threshold, *, namespace = ""))]
    fn set_threshold(
        &self,
        py: Python<'_>,
        key: u64,
        threshold: Option<f32>,
        namespace: &str,
    ) -> PyResult<bool> {
        let set = self.index.set_threshold(namespace, key, threshold);
        set.map_err(|error| ann_error(py, &error))
    }

    #[pyo3(signature = (now = None))]
    fn expire(&self, py: Python<'_>, now: Option<&Bound<'_, PyAny>>) -> PyResult<usize> {
        let now = self::now(now)?;
        Ok(run(py, || self.index.expire(now)))
    }

    fn namespaces(&self) -> Vec<String> {
        self.index.namespaces()
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = self.index.stats();
        let told = PyDict::new(py);
        told.set_item("entries", stats.entries)?;
        told.set_item("namespaces", stats.namespaces)?;
        told.set_item("bytes", stats.bytes)?;
        told.set_item("log_bytes", stats.log_bytes)?;
        Ok(told)
    }

    #[pyo3(signature = (now = None))]
    fn snapshot(&self, py: Python<'_>, now: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let now = self::now(now)?;
        run(py, || self.index.snapshot(now)).map_err(|error| ann_error(py, &error))
    }

    fn sync(&self, py: Python<'_>) -> PyResult<()> {
        run(py, || self.index.sync()).map_err(|error| ann_error(py, &error))
    }

    fn verify(&self, py: Python<'_>) -> Vec<String> {
        let damage = run(py, || self.index.verify());
        damage.iter().map(ToString::to_string).collect()
    }

    fn opened<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let Some(report) = self.index.report() else {
            return Ok(None);
        };
        let told = PyDict::new(py);
        told.set_item("began_log", report.began_log)?;
        told.set_item("cut_offset", report.cut.map(|cut| cut.offset))?;
        told.set_item("cut_bytes", report.cut.map_or(0, |cut| cut.bytes))?;
        told.set_item("finished_snapshot", report.finished_snapshot)?;
        let removed = report.removed.iter().map(|path| path.display().to_string());
        told.set_item("removed", removed.collect::<Vec<_>>())?;
        Ok(Some(told))
    }

    fn close(&self, py: Python<'_>) {
        run(py, || self.index.close());
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

    fn __len__(&self) -> usize {
        self.index.len()
    }

    fn __repr__(&self) -> String {
        let settings = self.index.settings();
        format!(
            "VectorIndex(dim={}, metric={:?}, storage={:?}) with {} entries",
            settings.dim(),
            metric_name(settings.metric()),
            storage_name(settings.precision()),
            self.index.len()
        )
    }
}

/// What `add` and `upsert` are given.
struct Given<'py> {
    keys: Vec<u64>,
    vectors: Vectors<'py>,
    payloads: Vec<Option<Bound<'py, PyBytes>>>,
    thresholds: Vec<Option<f32>>,
    expires: Vec<Option<u64>>,
    now: u64,
}

impl<'py> Given<'py> {
    fn new(
        keys: &Bound<'py, PyAny>,
        vectors: &Bound<'py, PyAny>,
        payloads: Option<&Bound<'py, PyAny>>,
        thresholds: Option<&Bound<'py, PyAny>>,
        expires: Option<&Bound<'py, PyAny>>,
        now: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Self> {
        let keys = self::keys(keys)?;
        let count = keys.len();
        Ok(Self {
            keys,
            vectors: Vectors::new("vectors", vectors)?,
            payloads: self::payloads(payloads, count)?,
            thresholds: self::thresholds(thresholds, count)?,
            expires: moments(expires, count)?,
            now: self::now(now)?,
        })
    }

    fn entries(&self, py: Python<'_>) -> PyResult<Vec<Entry<'_>>> {
        let rows = self.vectors.rows()?;
        if rows.len() != self.keys.len() {
            let problem = format!("{} keys and {} vectors", self.keys.len(), rows.len());
            return Err(config_error(py, problem));
        }
        let entry = |(row, key): (usize, &u64)| Entry {
            key: *key,
            vector: rows[row],
            payload: self.payloads[row].as_ref().map(PyBytesMethods::as_bytes),
            threshold: self.thresholds[row],
            expires: self.expires[row],
        };
        Ok(self.keys.iter().enumerate().map(entry).collect())
    }

    /// A vector takes a few microseconds to add, as long as a few KiB of other work.
    fn bytes(&self) -> usize {
        self.keys.len() * 4096
    }
}

pub(super) fn results(
    py: Python<'_>,
    mut found: Vec<Vec<(u64, f32)>>,
    k: usize,
    many: bool,
) -> PyResult<Results<'_>> {
    let shape = [found.len(), k];
    if many {
        for row in &mut found {
            row.resize(k, NOTHING);
        }
    }
    let (keys, scores): (Vec<u64>, Vec<f32>) = found.into_iter().flatten().unzip();
    let (keys, scores) = (keys.into_pyarray(py), scores.into_pyarray(py));
    if many {
        return Ok(Results::Many((
            keys.reshape(shape)?,
            scores.reshape(shape)?,
        )));
    }
    Ok(Results::One((keys, scores)))
}

pub(super) fn settings(
    py: Python<'_>,
    dim: i64,
    metric: &str,
    storage: &str,
) -> PyResult<Settings> {
    let metric = match metric {
        "cosine" => Metric::Cosine,
        "dot" => Metric::Dot,
        "l2" => Metric::L2,
        _ => {
            let problem = format!("metric must be 'cosine', 'dot' or 'l2', not {metric:?}");
            return Err(config_error(py, problem));
        }
    };
    let precision = match storage {
        "float32" => Precision::Float32,
        "float16" => Precision::Float16,
        "int8" => Precision::Int8,
        _ => {
            let problem =
                format!("storage must be 'float32', 'float16' or 'int8', not {storage:?}");
            return Err(config_error(py, problem));
        }
    };
    let dim = usize::try_from(dim).unwrap_or(0);
    Settings::new(dim, metric, precision).map_err(|error| ann_error(py, &error))
}

fn fsync(py: Python<'_>, given: Option<&Bound<'_, PyAny>>) -> PyResult<Fsync> {
    let Some(given) = given else {
        return Ok(Fsync::Never);
    };
    match given.extract::<String>().as_deref() {
        Ok("always") => return Ok(Fsync::Always),
        Ok("never") => return Ok(Fsync::Never),
        _ => {}
    }
    let seconds = given.extract::<f64>().ok().filter(|seconds| *seconds > 0.0);
    let every = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    every.map(Fsync::Every).ok_or_else(|| {
        let problem = "fsync must be 'always', 'never' or a number of seconds above 0";
        config_error(py, problem.to_owned())
    })
}

pub(super) fn metric_name(metric: Metric) -> &'static str {
    match metric {
        Metric::Cosine => "cosine",
        Metric::Dot => "dot",
        Metric::L2 => "l2",
    }
}

pub(super) fn storage_name(precision: Precision) -> &'static str {
    match precision {
        Precision::Float32 => "float32",
        Precision::Float16 => "float16",
        Precision::Int8 => "int8",
    }
}
