//! The cache that a `KVCache` and its sequences share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use inferail_kv::hash::Namer;
use inferail_kv::{Cache, Opening, Policy, SequenceId};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;

use super::arguments::Tokens;
use crate::error::{config_error, kv_error};
use crate::gil::{run, run_sized};

/// A cache behind its lock. Calls take microseconds and Python lets one thread at a time run, so one lock does: a request of
/// 1,536 cached tokens takes 5.7 µs with one thread, and 7.7 with two that take turns (wall time of all by their number, 2
/// busy cores, medians of 100, 2026-11-27).
#[derive(Debug)]
pub(super) struct Shared {
    cache: Mutex<Option<Cache>>,
    /// Makes seeds without the lock.
    pub(super) namer: Namer,
    /// Sequences that were collected while the lock was somebody's.
    forgotten: Mutex<Vec<SequenceId>>,
    has_forgotten: AtomicBool,
    began: Instant,
    /// Whether blocks have a time to live.
    has_time: bool,
    /// Whether a call may move pages, which takes longer than anything else.
    has_pages: bool,
}

impl Shared {
    pub(super) fn new(cache: Cache, has_pages: bool) -> Self {
        Self {
            namer: *cache.manager().namer(),
            has_time: cache.manager().settings().policy == Policy::Priority,
            forgotten: Mutex::new(Vec::new()),
            has_forgotten: AtomicBool::new(false),
            cache: Mutex::new(Some(cache)),
            began: Instant::now(),
            has_pages,
        }
    }

    /// The cache for this thread alone.
    pub(super) fn lock(&self, py: Python<'_>) -> PyResult<Locked<'_>> {
        let guard = self.cache.lock_py_attached(py);
        let mut guard = guard.unwrap_or_else(PoisonError::into_inner);
        let Some(cache) = guard.as_mut() else {
            return Err(closed(py));
        };
        if self.has_forgotten.load(Ordering::Relaxed) {
            self.release_forgotten(cache);
        }
        Ok(Locked { guard })
    }

    /// Does something that may take its time with the cache; the GIL is released if it is likely to.
    pub(super) fn work<T: Send>(
        &self,
        py: Python<'_>,
        bytes: usize,
        work: impl FnOnce(&mut Cache) -> Result<T, inferail_kv::Error> + Send,
    ) -> PyResult<T> {
        let mut locked = self.lock(py)?;
        let cache = locked.cache(py)?;
        let done = if self.has_pages {
            run(py, || work(cache))
        } else {
            run_sized(py, bytes, || work(cache))
        };
        done.map_err(|error| kv_error(py, &error))
    }

    pub(super) fn open(
        &self,
        py: Python<'_>,
        tokens: &Tokens<'_>,
        opening: &Opening,
    ) -> PyResult<SequenceId> {
        let tokens = tokens.as_slice()?;
        let now = self.now();
        self.work(py, size_of_val(tokens), |cache| {
            if let Some(now) = now {
                cache.manager_mut().set_now(now);
            }
            cache.open(tokens, opening)
        })
    }

    /// The time in milliseconds, where a policy asks for it.
    pub(super) fn now(&self) -> Option<u64> {
        self.has_time
            .then(|| self.began.elapsed().as_millis() as u64)
    }

    /// Ends a sequence that nobody can reach any more.
    ///
    /// The garbage collector may find it while this very thread has the lock, or while another has it and waits for the
    /// GIL: this waits for nobody.
    pub(super) fn forget(&self, id: SequenceId) {
        let forgotten = self.forgotten.lock();
        forgotten.unwrap_or_else(PoisonError::into_inner).push(id);
        self.has_forgotten.store(true, Ordering::Relaxed);
        if let Ok(mut cache) = self.cache.try_lock()
            && let Some(cache) = cache.as_mut()
        {
            self.release_forgotten(cache);
        }
    }

    fn release_forgotten(&self, cache: &mut Cache) {
        let forgotten = self.forgotten.lock();
        let mut forgotten = forgotten.unwrap_or_else(PoisonError::into_inner);
        self.has_forgotten.store(false, Ordering::Relaxed);
        for id in forgotten.drain(..) {
            // It may have been released already, by a plan.
            drop(cache.release(id));
        }
    }

    /// Frees everything. False if it was closed already.
    pub(super) fn close(&self, py: Python<'_>) -> bool {
        let guard = self.cache.lock_py_attached(py);
        guard
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .is_some()
    }
}

/// A cache that is open, and this thread's.
#[derive(Debug)]
pub(super) struct Locked<'a> {
    guard: MutexGuard<'a, Option<Cache>>,
}

impl Locked<'_> {
    pub(super) fn cache(&mut self, py: Python<'_>) -> PyResult<&mut Cache> {
        self.guard.as_mut().ok_or_else(|| closed(py))
    }
}

fn closed(py: Python<'_>) -> PyErr {
    config_error(py, "the cache is closed: make another".to_owned())
}
