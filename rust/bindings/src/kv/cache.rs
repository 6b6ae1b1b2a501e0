//! `KVCache`.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use inferail_kv::hash::Namer;
use inferail_kv::manager::Event;
use inferail_kv::{Cache, Manager};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};

use super::arguments::{Options, Tokens};
use super::pages::{self, Below, Geometry, Pages};
use super::plan::{PyPlan, Step};
use super::pool::Place;
use super::sequence::PySequence;
use super::settings::{self, Groups, whole};
use super::shared::Shared;
use crate::error::{config_error, kv_error};

/// Blocks, who has them, and what they are found by.
#[derive(Debug)]
#[pyclass(frozen, name = "KVCache", module = "inferail.core")]
pub(crate) struct PyKVCache {
    pub(super) shared: Arc<Shared>,
    /// None of a cache without, and of one that was closed.
    pub(super) pages: Mutex<Option<Pages>>,
}

#[pymethods]
impl PyKVCache {
    #[new]
    #[expect(clippy::too_many_arguments, reason = "options, each by its name")]
    #[pyo3(signature = (*, blocks = None, block_size = 16, window = None, groups = None, layers = None, kv_heads = None,
                        head_dim = None, format = "bf16", device = "cpu", host_bytes = None, disk = None,
                        disk_bytes = None, eviction = "lru", vocabulary = None, partial = None, offloads = false,
                        events = false, secret = None))]
    fn new(
        py: Python<'_>,
        blocks: Option<i64>,
        block_size: i64,
        window: Option<i64>,
        groups: Option<Groups>,
        layers: Option<i64>,
        kv_heads: Option<i64>,
        head_dim: Option<i64>,
        format: &str,
        device: &str,
        host_bytes: Option<i64>,
        disk: Option<PathBuf>,
        disk_bytes: Option<i64>,
        eviction: &str,
        vocabulary: Option<i64>,
        partial: Option<bool>,
        offloads: bool,
        events: bool,
        secret: Option<&Bound<'_, PyBytes>>,
    ) -> PyResult<Self> {
        let mut settings = settings::settings(
            whole(py, "block_size", block_size)?,
            settings::groups(py, blocks, window, groups)?,
            settings::policy(py, eviction)?,
            settings::vocabulary(py, vocabulary)?,
        );
        let geometry = Geometry::given(py, layers, kv_heads, head_dim)?;
        settings.partial = partial.unwrap_or(geometry.is_some());
        settings.offload = offloads;
        settings.events = events;
        let secret = settings::secret(py, secret)?;
        let place = Place::given(py, device)?;
        let below = Below {
            host_bytes,
            disk,
            disk_bytes,
        };
        let (cache, pages) = if let Some(geometry) = geometry {
            let (cache, pages) =
                pages::make(py, settings, geometry, format, place, &below, secret)?;
            (cache, Some(pages))
        } else {
            below.refuse(py)?;
            if place != Place::Cpu {
                let problem =
                    "device= is for a cache with pages: pass layers=, kv_heads= and head_dim=";
                return Err(config_error(py, problem.to_owned()));
            }
            let made = match secret {
                Some(secret) => Manager::with_namer(settings, Namer::new(secret)),
                None => Manager::new(settings),
            };
            (
                Cache::new(made.map_err(|error| kv_error(py, &error))?),
                None,
            )
        };
        Ok(Self {
            shared: Arc::new(Shared::new(cache, pages.is_some())),
            pages: Mutex::new(pages),
        })
    }

    /// A sequence that begins with these tokens.
    #[expect(clippy::too_many_arguments, reason = "options, each by its name")]
    #[pyo3(signature = (ids, /, *, salt = None, adapter = None, media = None, priority = 0, ttl = None))]
    fn open<'py>(
        &self,
        py: Python<'py>,
        ids: &Bound<'py, PyAny>,
        salt: Option<Bound<'py, PyAny>>,
        adapter: Option<Bound<'py, PyAny>>,
        media: Option<Bound<'py, PyAny>>,
        priority: i64,
        ttl: Option<f64>,
    ) -> PyResult<PySequence> {
        let options = Options {
            salt,
            adapter,
            media,
            priority,
            ttl,
        };
        let opening = options.opening(py, &self.shared.namer)?;
        let tokens = Tokens::new(ids)?;
        let id = self.shared.open(py, &tokens, &opening)?;
        Ok(PySequence::new(self.shared.clone(), id))
    }

    /// One step of a scheduler.
    #[pyo3(signature = (*, release = None, commit = None, append = None, open = None, tables = None))]
    fn plan<'py>(
        &self,
        py: Python<'py>,
        release: Option<&Bound<'py, PyAny>>,
        commit: Option<&Bound<'py, PyAny>>,
        append: Option<&Bound<'py, PyAny>>,
        open: Option<&Bound<'py, PyAny>>,
        tables: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<PyPlan> {
        Step::read(&self.shared, release, commit, append, open, tables)?.run(py, &self.shared)
    }

    /// What was stored and removed since the last call.
    fn events<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let events = {
            let mut locked = self.shared.lock(py)?;
            locked.cache(py)?.manager_mut().take_events()
        };
        events.into_iter().map(|event| tuple(py, event)).collect()
    }

    /// How full it is, and what it has done.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = self.shared.lock(py)?.cache(py)?.manager().stats();
        let made = PyDict::new(py);
        made.set_item("blocks", stats.blocks)?;
        made.set_item("free", stats.free)?;
        made.set_item("idle", stats.idle)?;
        made.set_item("named", stats.named)?;
        made.set_item("sequences", stats.sequences)?;
        made.set_item("asked_tokens", stats.asked_tokens)?;
        made.set_item("cached_tokens", stats.cached_tokens)?;
        made.set_item("copied_tokens", stats.copied_tokens)?;
        made.set_item("loaded_tokens", stats.loaded_tokens)?;
        made.set_item("evictions", stats.evictions)?;
        made.set_item("duplicates", stats.duplicates)?;
        made.set_item("dropped_events", stats.dropped_events)?;
        Ok(made)
    }

    /// Evicts everything that nobody has.
    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        self.shared.lock(py)?.cache(py)?.manager_mut().evict_all();
        Ok(())
    }

    /// Looks at every block and list.
    fn check_integrity(&self, py: Python<'_>) -> PyResult<()> {
        let checked = self.shared.lock(py)?.cache(py)?.check_integrity();
        checked.map_err(|error| kv_error(py, &error))
    }

    /// Frees everything.
    fn close(&self, py: Python<'_>) {
        self.shared.close(py);
        self.pages
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    fn __enter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyAny>) {
        self.close(py);
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let Ok(mut locked) = self.shared.lock(py) else {
            return Ok("<KVCache, closed>".to_owned());
        };
        let manager = locked.cache(py)?.manager();
        let stats = manager.stats();
        Ok(format!(
            "<KVCache of {} blocks of {} tokens, {} in use by {} sequences>",
            stats.blocks,
            manager.settings().block_size,
            stats.blocks - stats.free - stats.idle,
            stats.sequences
        ))
    }
}

fn tuple(py: Python<'_>, event: Event) -> PyResult<Bound<'_, PyTuple>> {
    let name = |name: u128| PyBytes::new(py, &name.to_le_bytes());
    match event {
        Event::Stored {
            group,
            block,
            name: own,
            parent,
            tokens,
        } => {
            let ids = numpy::PyArray1::from_slice(py, &tokens);
            ("stored", group, block, name(own), name(parent), ids).into_pyobject(py)
        }
        Event::Removed {
            group,
            block,
            name: own,
        } => ("removed", group, block, name(own)).into_pyobject(py),
    }
}
