//! `Sequence`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use inferail_kv::SequenceId;
use numpy::PyArray1;
use pyo3::prelude::*;

use super::arguments::Tokens;
use super::shared::Shared;
use crate::error::{config_error, kv_error};

/// The blocks of one prompt and what follows it.
#[derive(Debug)]
#[pyclass(frozen, name = "Sequence", module = "inferail.core")]
pub(crate) struct PySequence {
    shared: Arc<Shared>,
    pub(super) id: SequenceId,
    is_released: AtomicBool,
}

impl PySequence {
    pub(super) fn new(shared: Arc<Shared>, id: SequenceId) -> Self {
        Self {
            shared,
            id,
            is_released: AtomicBool::new(false),
        }
    }

    /// Whether it is one of this cache's.
    pub(super) fn is_of(&self, shared: &Arc<Shared>) -> bool {
        Arc::ptr_eq(&self.shared, shared)
    }

    /// It was released by a plan.
    pub(super) fn set_released(&self) {
        self.is_released.store(true, Ordering::Relaxed);
    }

    fn ask<T>(
        &self,
        py: Python<'_>,
        question: impl FnOnce(&inferail_kv::Manager) -> Result<T, inferail_kv::Error>,
    ) -> PyResult<T> {
        let mut locked = self.shared.lock(py)?;
        question(locked.cache(py)?.manager()).map_err(|error| kv_error(py, &error))
    }
}

impl Drop for PySequence {
    fn drop(&mut self) {
        if !*self.is_released.get_mut() {
            self.shared.forget(self.id);
        }
    }
}

#[pymethods]
impl PySequence {
    /// Tokens whose K and V were there when it was opened.
    #[getter]
    fn cached_tokens(&self, py: Python<'_>) -> PyResult<usize> {
        self.ask(py, |manager| manager.cached(self.id))
    }

    /// Tokens whose K and V are in the pages.
    #[getter]
    fn committed_tokens(&self, py: Python<'_>) -> PyResult<usize> {
        self.ask(py, |manager| manager.written(self.id))
    }

    /// The blocks of the first group.
    #[getter]
    fn block_table<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<i32>>> {
        self.block_table_of(py, 0)
    }

    /// The blocks of a group.
    #[pyo3(signature = (group, /))]
    fn block_table_of<'py>(
        &self,
        py: Python<'py>,
        group: usize,
    ) -> PyResult<Bound<'py, PyArray1<i32>>> {
        let mut locked = self.shared.lock(py)?;
        let manager = locked.cache(py)?.manager();
        if group >= manager.num_groups() {
            let problem = format!("group {group} of {}", manager.num_groups());
            return Err(config_error(py, problem));
        }
        let table = manager.table(self.id, group);
        let table = table.map_err(|error| kv_error(py, &error))?;
        Ok(PyArray1::from_slice(py, bytemuck::cast_slice(table)))
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        self.ask(py, |manager| manager.length(self.id))
    }

    /// More tokens at its end.
    #[pyo3(signature = (ids, /))]
    fn append(&self, ids: &Bound<'_, PyAny>) -> PyResult<()> {
        let tokens = Tokens::new(ids)?;
        let tokens = tokens.as_slice()?;
        let id = self.id;
        self.shared.work(ids.py(), size_of_val(tokens), |cache| {
            cache.append(id, tokens)
        })
    }

    /// K and V of the first tokens are in the pages.
    #[pyo3(signature = (num_tokens, /))]
    fn commit(&self, py: Python<'_>, num_tokens: i64) -> PyResult<()> {
        let Ok(total) = usize::try_from(num_tokens) else {
            let problem = format!("commit takes a number of tokens, 0 or more, not {num_tokens}");
            return Err(config_error(py, problem));
        };
        let mut locked = self.shared.lock(py)?;
        let done = locked.cache(py)?.manager_mut().commit(self.id, total);
        done.map_err(|error| kv_error(py, &error))
    }

    /// Forgets a draft that was rejected.
    #[pyo3(signature = (num_tokens, /))]
    fn truncate(&self, py: Python<'_>, num_tokens: i64) -> PyResult<()> {
        let Ok(total) = usize::try_from(num_tokens) else {
            let problem = format!("truncate takes a number of tokens, 0 or more, not {num_tokens}");
            return Err(config_error(py, problem));
        };
        let mut locked = self.shared.lock(py)?;
        let done = locked.cache(py)?.manager_mut().truncate(self.id, total);
        done.map_err(|error| kv_error(py, &error))
    }

    /// Others that share every block.
    #[pyo3(signature = (n = 1, /))]
    fn fork(&self, py: Python<'_>, n: i64) -> PyResult<Vec<Self>> {
        let Ok(n) = usize::try_from(n) else {
            let problem = format!("fork takes how many, 0 or more, not {n}");
            return Err(config_error(py, problem));
        };
        let mut locked = self.shared.lock(py)?;
        let manager = locked.cache(py)?.manager_mut();
        let ids: Result<Vec<_>, _> = (0..n).map(|_| manager.fork(self.id)).collect();
        let ids = ids.map_err(|error| kv_error(py, &error))?;
        let made = ids.into_iter();
        Ok(made.map(|id| Self::new(self.shared.clone(), id)).collect())
    }

    /// Ends it.
    fn release(&self, py: Python<'_>) -> PyResult<()> {
        let mut locked = self.shared.lock(py)?;
        let done = locked.cache(py)?.release(self.id);
        done.map_err(|error| kv_error(py, &error))?;
        self.set_released();
        Ok(())
    }

    fn __enter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyAny>) -> PyResult<()> {
        if self.is_released.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.release(py)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        match self.ask(py, |manager| {
            Ok((manager.length(self.id)?, manager.cached(self.id)?))
        }) {
            Ok((length, cached)) => format!("<Sequence of {length} tokens, {cached} cached>"),
            Err(_) => "<Sequence, released>".to_owned(),
        }
    }
}
