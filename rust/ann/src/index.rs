//! The index: a partition for every namespace.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use arc_swap::ArcSwap;
use hashbrown::{HashMap, HashSet};
use inferail_simd::vectors::Level;

use crate::basis::Basis;
use crate::disk::{self, Disk};
use crate::partition::Partition;
use crate::partition::chunk::{NEVER, New};
use crate::search::{Best, Nearest, Query};
use crate::storage::{Change, Options, Report};
use crate::vector::{Stored, Vector};
use crate::{Error, Metric, Settings};

/// What is added to an index.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Unique in its namespace.
    pub key: u64,
    /// `[dim]`
    pub vector: &'a [f32],
    /// Bytes that are kept with it.
    pub payload: Option<&'a [u8]>,
    /// Score that [`VectorIndex::nearest`] asks of this entry besides its own threshold; for L2 the largest distance.
    pub threshold: Option<f32>,
    /// When it ends, in milliseconds since 1970.
    pub expires: Option<u64>,
}

/// Sizes of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Entries, with those that have expired and were not removed yet.
    pub entries: usize,
    /// Namespaces that have an entry.
    pub namespaces: usize,
    /// Bytes in memory, without payloads.
    pub bytes: usize,
    /// Bytes of the log of its folder.
    pub log_bytes: u64,
}

/// Vectors under 64-bit keys, in namespaces that do not see each other.
///
/// Any number of threads may search while one writes: a search sees each write wholly or not at all, and never waits.
/// Writers wait for each other.
#[derive(Debug)]
pub struct VectorIndex {
    settings: Settings,
    level: Level,
    /// For the next new namespace.
    basis: ArcSwap<Basis>,
    partitions: RwLock<HashMap<Box<str>, Arc<Partition>>>,
    /// Held by whoever writes.
    writer: Mutex<Option<Disk>>,
    closed: AtomicBool,
}

impl VectorIndex {
    /// An empty index.
    pub fn new(settings: Settings) -> Self {
        Self::with_level(settings, Level::best())
    }

    /// An empty index that runs on an instruction set.
    pub fn with_level(settings: Settings, level: Level) -> Self {
        Self {
            settings,
            level,
            basis: ArcSwap::from_pointee(Basis::learn(level, settings.width(), &[])),
            partitions: RwLock::default(),
            writer: Mutex::default(),
            closed: AtomicBool::new(false),
        }
    }

    /// The index in the folder at `path`, which is made if it is missing.
    ///
    /// Whatever was acknowledged is there again, in milliseconds: vectors of a snapshot are read when they are needed.
    ///
    /// # Errors
    ///
    /// As [`crate::storage::Directory::open`], and [`Error::Snapshot`] of blocks that are not those of an index.
    pub fn open(path: &Path, settings: Settings, options: Options) -> Result<Self, Error> {
        let mut index = Self::new(settings);
        disk::open(&mut index, path, options)?;
        Ok(index)
    }

    /// What it was made for.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Adds entries: all of them, or none where there is an error.
    ///
    /// As many entries as are added, and one more, make room where they have expired by `now`.
    ///
    /// # Errors
    ///
    /// [`Error::KeyExists`] of a key that is there; [`Error::KeyTwice`], [`Error::Dimension`], [`Error::NotFinite`],
    /// [`Error::Parameter`] of what is wrong with an entry; of a folder, as [`crate::storage::Directory::append`].
    pub fn add(&self, namespace: &str, entries: &[Entry<'_>], now: u64) -> Result<(), Error> {
        let new = self.prepare(entries)?;
        let mut writer = self.lock_to_write()?;
        self.make_room(namespace, new.len(), now);
        if let Some(partition) = self.partition(namespace)
            && let Some(entry) = new.iter().find(|entry| partition.contains(entry.key))
        {
            return Err(Error::KeyExists { key: entry.key });
        }
        self.write(&mut writer, namespace, entries, new, now)
    }

    /// Adds entries, or replaces those that have their keys: all of them, or none where there is an error.
    ///
    /// # Errors
    ///
    /// As [`Self::add`], but for a key that is there.
    pub fn upsert(&self, namespace: &str, entries: &[Entry<'_>], now: u64) -> Result<(), Error> {
        let new = self.prepare(entries)?;
        let mut writer = self.lock_to_write()?;
        self.make_room(namespace, new.len(), now);
        self.write(&mut writer, namespace, entries, new, now)
    }

    /// Removes entries; how many of the keys had one.
    ///
    /// # Errors
    ///
    /// Of a folder, as [`crate::storage::Directory::append`]; nothing is removed then.
    pub fn delete(&self, namespace: &str, keys: &[u64]) -> Result<usize, Error> {
        let mut writer = self.lock_to_write()?;
        let Some(partition) = self.partition(namespace) else {
            return Ok(0);
        };
        if let Some(disk) = writer.as_mut() {
            let there = keys.iter().filter(|key| partition.contains(**key));
            let deletes = there.map(|key| Change::Delete {
                namespace,
                key: *key,
            });
            disk.append(&deletes.collect::<Vec<_>>())?;
        }
        let removed = keys.iter().filter(|key| partition.remove(**key)).count();
        self.forget_if_empty(namespace, &partition);
        Ok(removed)
    }

    /// Removes a whole namespace; how many entries it had.
    ///
    /// # Errors
    ///
    /// As [`Self::delete`].
    pub fn clear(&self, namespace: &str) -> Result<usize, Error> {
        let mut writer = self.lock_to_write()?;
        let Some(partition) = self.partition(namespace) else {
            return Ok(0);
        };
        if let Some(disk) = writer.as_mut() {
            disk.append(&[Change::Clear { namespace }])?;
        }
        self.partitions_mut().remove(namespace);
        Ok(partition.len())
    }

    /// Removes what has expired by `now`; how many entries.
    pub fn expire(&self, now: u64) -> usize {
        let _writer = self.lock();
        let mut removed = 0;
        for (namespace, partition) in self.partitions() {
            removed += partition.expire(now, usize::MAX);
            self.forget_if_empty(&namespace, &partition);
        }
        removed
    }

    /// The entry nearest to `vector`, if it reaches both `threshold` and its own; exact.
    ///
    /// Of entries with the same score it is the one with the smallest key. The score is that of the kept numbers in
    /// float32; for L2 it is the distance, and `threshold` the largest one.
    ///
    /// # Errors
    ///
    /// [`Error::Dimension`], [`Error::NotFinite`], and [`Error::Parameter`] of a threshold that is not a number; [`Error::Damaged`]
    /// of a snapshot.
    pub fn nearest(
        &self,
        namespace: &str,
        vector: &[f32],
        threshold: f32,
        now: u64,
    ) -> Result<Option<(u64, f32)>, Error> {
        let threshold = self.threshold(threshold)?;
        let query = self.query(vector, 0)?;
        let Some(partition) = self.partition(namespace) else {
            return Ok(None);
        };
        let mut nearest = Nearest::above(threshold);
        query.run(&partition.state(), now, &mut nearest)?;
        let found = nearest.found();
        Ok(found.map(|(key, score)| (key, self.settings.outer_score(score))))
    }

    /// The `k` entries nearest to `vector`, or as many as there are; exact. The best first, of equals the smaller key.
    ///
    /// # Errors
    ///
    /// As [`Self::nearest`], and [`Error::Parameter`] of a `k` of 0.
    pub fn search(
        &self,
        namespace: &str,
        vector: &[f32],
        k: usize,
        now: u64,
    ) -> Result<Vec<(u64, f32)>, Error> {
        if k == 0 {
            return Err(Error::Parameter {
                name: "k",
                expected: "1 or more",
                value: k.to_string(),
            });
        }
        let query = self.query(vector, 0)?;
        let Some(partition) = self.partition(namespace) else {
            return Ok(Vec::new());
        };
        let mut best = Best::of(k);
        query.run(&partition.state(), now, &mut best)?;
        let outer = |(score, key)| (key, self.settings.outer_score(score));
        Ok(best.found().into_iter().map(outer).collect())
    }

    /// The payload of an entry that has not expired by `now`; None also where it has none.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] of a snapshot.
    pub fn payload(&self, namespace: &str, key: u64, now: u64) -> Result<Option<Arc<[u8]>>, Error> {
        let partition = self.partition(namespace);
        partition.map_or(Ok(None), |partition| partition.payload(key, now))
    }

    /// Whether there is an entry, also one that has expired and was not removed yet.
    pub fn contains(&self, namespace: &str, key: u64) -> bool {
        self.partition(namespace)
            .is_some_and(|partition| partition.contains(key))
    }

    /// Sets what an entry asks for besides the search's threshold, or nothing; whether there is such an entry.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`]: it is not a number. Of a folder, as [`crate::storage::Directory::append`].
    pub fn set_threshold(
        &self,
        namespace: &str,
        key: u64,
        threshold: Option<f32>,
    ) -> Result<bool, Error> {
        let inner = self.own_threshold(threshold)?;
        let mut writer = self.lock_to_write()?;
        let Some(partition) = self
            .partition(namespace)
            .filter(|partition| partition.contains(key))
        else {
            return Ok(false);
        };
        if let Some(disk) = writer.as_mut() {
            let value = threshold.unwrap_or_else(|| self.settings.any_score());
            disk.append(&[Change::Threshold {
                namespace,
                key,
                value,
            }])?;
        }
        Ok(partition.set_threshold(key, inner))
    }

    /// Writes a snapshot into its folder, without what has expired by `now`, so that it opens faster and the log is
    /// empty. A log that has grown to the size of the last snapshot, and to 64 MiB, does it by itself. Without a folder
    /// it does nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], [`Error::Damaged`]; nothing is lost then.
    pub fn snapshot(&self, now: u64) -> Result<(), Error> {
        let mut writer = self.lock();
        writer
            .as_mut()
            .map_or(Ok(()), |disk| disk.snapshot(self, now))
    }

    /// Lets go of its folder: another may write it. What is there can be searched, and takes no more changes.
    pub fn close(&self) {
        let mut writer = self.lock();
        if writer.take().is_some() {
            self.closed.store(true, Ordering::Relaxed);
        }
    }

    /// Forces every change to the disk.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn sync(&self) -> Result<(), Error> {
        self.lock().as_mut().map_or(Ok(()), Disk::sync)
    }

    /// Reads the whole snapshot and gives every damage; nothing if all is sound, or if there is none.
    #[must_use]
    pub fn verify(&self) -> Vec<Error> {
        self.lock().as_ref().map_or_else(Vec::new, Disk::verify)
    }

    /// What had to be put in order when the folder was opened; None without one.
    pub fn report(&self) -> Option<Report> {
        self.lock().as_ref().map(|disk| disk.report().clone())
    }

    /// Entries, with those that have expired and were not removed yet.
    pub fn len(&self) -> usize {
        self.partitions()
            .iter()
            .map(|(_, partition)| partition.len())
            .sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Entries of a namespace.
    pub fn len_of(&self, namespace: &str) -> usize {
        self.partition(namespace)
            .map_or(0, |partition| partition.len())
    }

    /// The namespaces that have an entry, sorted.
    pub fn namespaces(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .partitions()
            .into_iter()
            .map(|(name, _)| name.into())
            .collect();
        names.sort_unstable();
        names
    }

    /// How large it is.
    pub fn stats(&self) -> Stats {
        let all = self.partitions();
        let row_bytes = self.settings.row_bytes();
        Stats {
            log_bytes: self.lock().as_ref().map_or(0, Disk::log_bytes),
            entries: all.iter().map(|(_, partition)| partition.len()).sum(),
            namespaces: all.len(),
            bytes: all
                .iter()
                .map(|(_, partition)| partition.bytes(row_bytes))
                .sum(),
        }
    }

    /// Checks entries and makes them ready, without a lock.
    fn prepare(&self, entries: &[Entry<'_>]) -> Result<Vec<New>, Error> {
        if entries.len() > 1 {
            let mut keys = HashSet::with_capacity(entries.len());
            if let Some(entry) = entries.iter().find(|entry| !keys.insert(entry.key)) {
                return Err(Error::KeyTwice { key: entry.key });
            }
        }
        let prepare = |(row, entry): (usize, &Entry<'_>)| {
            let vector = Vector::new(self.level, &self.settings, entry.vector, row)?;
            Ok(New {
                key: entry.key,
                expires: entry.expires.unwrap_or(NEVER),
                threshold: self.own_threshold(entry.threshold)?,
                payload: entry.payload.map(Arc::from),
                stored: Stored::new(self.level, &self.settings, vector),
            })
        };
        entries.iter().enumerate().map(prepare).collect()
    }

    fn write(
        &self,
        writer: &mut Option<Disk>,
        namespace: &str,
        entries: &[Entry<'_>],
        new: Vec<New>,
        now: u64,
    ) -> Result<(), Error> {
        if new.is_empty() {
            return Ok(());
        }
        if let Some(disk) = writer.as_mut() {
            disk.append(&disk::puts(namespace, entries))?;
        }
        let partition = self.partition(namespace).unwrap_or_else(|| {
            let partition = Arc::new(Partition::new(self.basis.load_full()));
            let mut partitions = self.partitions_mut();
            partitions.insert(namespace.into(), Arc::clone(&partition));
            partition
        });
        partition.write(&self.settings, self.level, new)?;
        if let Some(basis) = partition.relearn(&self.settings, self.level)? {
            self.basis.store(basis);
        }
        match writer.as_mut().filter(|disk| disk.is_due()) {
            Some(disk) => disk.snapshot(self, now),
            None => Ok(()),
        }
    }

    /// The partitions of a snapshot.
    pub(crate) fn take_over(&mut self, loaded: Vec<(Box<str>, Partition)>) {
        if let Some((_, partition)) = loaded.first() {
            self.basis.store(Arc::clone(&partition.state().basis));
        }
        let partitions = loaded
            .into_iter()
            .map(|(name, partition)| (name, Arc::new(partition)));
        self.partitions_mut().extend(partitions);
    }

    /// From now on every change is written down.
    pub(crate) fn keep_on(&mut self, disk: Disk) {
        *self.lock() = Some(disk);
    }

    /// Removes a few of the expired: as they come, so that no write pays for all of them.
    fn make_room(&self, namespace: &str, entries: usize, now: u64) {
        if let Some(partition) = self.partition(namespace) {
            partition.expire(now, entries + 1);
        }
    }

    fn query(&self, vector: &[f32], row: usize) -> Result<Query, Error> {
        let vector = Vector::new(self.level, &self.settings, vector, row)?;
        Ok(Query::new(self.level, &self.settings, vector))
    }

    /// The inner score of a search's threshold.
    fn threshold(&self, threshold: f32) -> Result<f32, Error> {
        let wrong = match self.settings.metric() {
            Metric::L2 => threshold.is_nan() || threshold < 0.0,
            Metric::Cosine | Metric::Dot => threshold.is_nan(),
        };
        if wrong {
            let expected = match self.settings.metric() {
                Metric::L2 => "a distance of 0 or more",
                Metric::Cosine | Metric::Dot => "a number",
            };
            return Err(Error::Parameter {
                name: "threshold",
                expected,
                value: threshold.to_string(),
            });
        }
        Ok(self.settings.inner_score(threshold))
    }

    fn own_threshold(&self, threshold: Option<f32>) -> Result<f32, Error> {
        threshold.map_or(Ok(f32::NEG_INFINITY), |threshold| self.threshold(threshold))
    }

    fn partition(&self, namespace: &str) -> Option<Arc<Partition>> {
        let partitions = self
            .partitions
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        partitions.get(namespace).cloned()
    }

    pub(crate) fn partitions(&self) -> Vec<(Box<str>, Arc<Partition>)> {
        let partitions = self
            .partitions
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        partitions
            .iter()
            .map(|(name, partition)| (name.clone(), Arc::clone(partition)))
            .collect()
    }

    fn forget_if_empty(&self, namespace: &str, partition: &Partition) {
        if partition.len() == 0 {
            self.partitions_mut().remove(namespace);
        }
    }

    fn partitions_mut(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<Box<str>, Arc<Partition>>> {
        self.partitions
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Disk>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn lock_to_write(&self) -> Result<std::sync::MutexGuard<'_, Option<Disk>>, Error> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(Error::Closed);
        }
        Ok(self.lock())
    }
}
