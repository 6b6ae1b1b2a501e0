//! BM25: texts under keys, and those that share the rarest words with a query.
//!
//! The score of a text is, over the different words of the query in their order, the sum of
//!
//! ```text
//! times in query * ln(1 + (n - df + 0.5) / (df + 0.5)) * (tf * (k1 + 1) / (tf + k1 * (1 - b + b * length / average)))
//! ```
//!
//! as Robertson and Zaragoza have it ("The Probabilistic Relevance Framework", 2009), with the logarithm of Lucene, which is
//! never below 0. Lengths are exact and nothing is pruned, so that the best `k` are the best `k`.

mod inner;
mod saved;
mod search;
mod words;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use self::inner::Inner;
use self::search::Scratch;
pub use self::words::words;
use crate::Error;

/// How an index scores, and what it takes as the same word.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    k1: f64,
    b: f64,
    fold: bool,
}

impl Settings {
    /// `k1` says how much a word counts that comes again, `b` how much a long text is held against it.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`]: one is out of its range.
    pub fn new(k1: f64, b: f64, fold: bool) -> Result<Self, Error> {
        if !(0.0..=1000.0).contains(&k1) {
            return Err(Error::argument("k1 must be from 0 to 1000"));
        }
        if !(0.0..=1.0).contains(&b) {
            return Err(Error::argument("b must be from 0 to 1"));
        }
        Ok(Self { k1, b, fold })
    }

    /// How much a word counts that comes again.
    pub fn k1(&self) -> f64 {
        self.k1
    }

    /// How much a long text is held against it.
    pub fn b(&self) -> f64 {
        self.b
    }

    /// Whether case, accents and compatible forms make no difference.
    pub fn fold(&self) -> bool {
        self.fold
    }
}

/// Texts under keys. Any number of threads search while none writes.
#[derive(Debug)]
pub struct Bm25 {
    settings: Settings,
    inner: RwLock<Inner>,
    scratch: Mutex<Vec<Scratch>>,
}

impl Bm25 {
    /// An empty index.
    pub fn new(settings: Settings) -> Self {
        Self::of(settings, Inner::default())
    }

    fn of(settings: Settings, inner: Inner) -> Self {
        Self {
            settings,
            inner: RwLock::new(inner),
            scratch: Mutex::default(),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it scores.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is a text under `key`.
    pub fn contains(&self, key: u64) -> bool {
        self.read().contains(key)
    }

    /// Adds texts: all of them or, where there is an error, none.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`]: a key is there, or is given twice; or the index is full.
    pub fn add<T: AsRef<str>>(&self, keys: &[u64], texts: &[T]) -> Result<(), Error> {
        let mut inner = self.write();
        inner.check_new(keys, texts.len())?;
        inner.add(keys, texts, self.settings.fold);
        Ok(())
    }

    /// Adds texts in place of those under the same keys; of a key given twice the later text counts.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`]: the index is full.
    pub fn upsert<T: AsRef<str>>(&self, keys: &[u64], texts: &[T]) -> Result<(), Error> {
        let mut inner = self.write();
        inner.check_room(keys, texts.len())?;
        for (key, text) in keys.iter().zip(texts) {
            inner.delete(*key);
            inner.add(&[*key], &[text], self.settings.fold);
        }
        inner.compact();
        Ok(())
    }

    /// Removes texts, and gives how many there were.
    pub fn delete(&self, keys: &[u64]) -> usize {
        let mut inner = self.write();
        let found = keys.iter().filter(|key| inner.delete(**key)).count();
        inner.compact();
        found
    }

    /// The `k` texts with the highest scores above 0, the best first, of equals the smaller key.
    pub fn search(&self, query: &str, k: usize) -> Vec<(u64, f64)> {
        let pool = || self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = pool().pop().unwrap_or_default();
        let found = self.read().search(query, k, self.settings, &mut scratch);
        pool().push(scratch);
        found
    }

    /// Writes it to a file, in place of the one that is there when all of it is on disk.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        saved::save(&self.read(), self.settings, path)
    }

    /// Reads a file that [`Bm25::save`] wrote.
    ///
    /// # Errors
    ///
    /// [`Error::Index`]: it is something else, or damaged. [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let (settings, inner) = saved::open(path)?;
        Ok(Self::of(settings, inner))
    }
}
