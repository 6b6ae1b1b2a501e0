//! What a `KVCache` with pages can do besides.

use std::sync::PoisonError;

use numpy::PyArray3;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::cache::PyKVCache;
use super::pages::{Pages, Rows};
use super::pool::Pool;
use super::sequence::PySequence;
use super::settings::whole;
use crate::error::{config_error, kv_error};
use crate::gil::run;

impl PyKVCache {
    /// The memory of the pages.
    pub(super) fn pool(&self, py: Python<'_>) -> PyResult<Pool> {
        Ok(self.pages(py)?.pool)
    }

    fn pages(&self, py: Python<'_>) -> PyResult<Pages> {
        self.shared.lock(py)?;
        let pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.clone().ok_or_else(|| {
            let problem = "this cache has no pages: make it with layers=, kv_heads= and head_dim=";
            config_error(py, problem.to_owned())
        })
    }

    fn table(&self, sequence: &Bound<'_, PySequence>) -> PyResult<(Vec<u32>, usize)> {
        if !sequence.get().is_of(&self.shared) {
            let problem = "the sequence is of another cache".to_owned();
            return Err(config_error(sequence.py(), problem));
        }
        sequence.get().table(sequence.py())
    }
}

#[pymethods]
impl PyKVCache {
    /// Writes keys and values to the slots of a layer.
    #[pyo3(signature = (layer, slots, keys, values, /))]
    fn write(
        &self,
        py: Python<'_>,
        layer: usize,
        slots: &Bound<'_, PyAny>,
        keys: &Bound<'_, PyAny>,
        values: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        self.pages(py)?.write(py, layer, slots, keys, values)
    }

    /// Keys and values of a sequence's first tokens.
    #[pyo3(signature = (layer, sequence, num_tokens = None, /))]
    fn read<'py>(
        &self,
        py: Python<'py>,
        layer: usize,
        sequence: &Bound<'py, PySequence>,
        num_tokens: Option<usize>,
    ) -> PyResult<Rows<'py>> {
        let pages = self.pages(py)?;
        let (table, length) = self.table(sequence)?;
        pages.read(py, layer, &table, num_tokens.unwrap_or(length))
    }

    /// What the last tokens of sequences get from the tokens that they see.
    #[expect(
        clippy::too_many_arguments,
        clippy::needless_pass_by_value,
        reason = "options, each by its name, as PyO3 takes them"
    )]
    #[pyo3(signature = (layer, queries, sequences, /, *, num_queries = None, scale = None, soft_cap = None,
                        window = None, threads = 1))]
    fn attend<'py>(
        &self,
        py: Python<'py>,
        layer: usize,
        queries: &Bound<'py, PyAny>,
        sequences: Vec<Bound<'py, PySequence>>,
        num_queries: Option<Vec<usize>>,
        scale: Option<f32>,
        soft_cap: Option<f32>,
        window: Option<usize>,
        threads: i64,
    ) -> PyResult<Bound<'py, PyArray3<f32>>> {
        let pages = self.pages(py)?;
        let of = num_queries.unwrap_or_else(|| vec![1; sequences.len()]);
        if of.len() != sequences.len() {
            let problem = format!(
                "num_queries has {} items for {} sequences",
                of.len(),
                sequences.len()
            );
            return Err(config_error(py, problem));
        }
        let mut batch = Vec::with_capacity(sequences.len());
        for (sequence, queries) in sequences.iter().zip(of) {
            let (table, length) = self.table(sequence)?;
            batch.push((table, length, queries));
        }
        let threads = whole(py, "threads", threads)?;
        let attention = pages.attention(scale, soft_cap, window, threads);
        pages.attend(py, layer, queries, &batch, attention)
    }

    /// Writes what is in memory below the pages to disk.
    fn save(&self, py: Python<'_>) -> PyResult<()> {
        let pages = self.pages(py)?;
        let Some(tiers) = pages.tiers else {
            let problem = "there is no tier to save: make the cache with disk=".to_owned();
            return Err(config_error(py, problem));
        };
        self.shared.work(py, 0, inferail_kv::Cache::offer_all)?;
        run(py, || tiers.save()).map_err(|error| kv_error(py, &error))
    }

    /// What the tiers below hold.
    fn tier_stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let pages = self.pages(py)?;
        let made = PyDict::new(py);
        let Some(tiers) = pages.tiers else {
            return Ok(made);
        };
        let stats = tiers.stats();
        for (name, tier) in [("host", stats.host), ("disk", stats.disk)] {
            if let Some(tier) = tier {
                let one = PyDict::new(py);
                one.set_item("blocks", tier.blocks)?;
                one.set_item("bytes", tier.bytes)?;
                one.set_item("capacity", tier.capacity)?;
                one.set_item("hits", tier.hits)?;
                one.set_item("misses", tier.misses)?;
                one.set_item("corrupt", tier.corrupt)?;
                made.set_item(name, one)?;
            }
        }
        Ok(made)
    }
}
