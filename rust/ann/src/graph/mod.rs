//! The index of large collections: a graph that is walked by codes, and scores by the vectors' own numbers.

mod connect;
mod measure;
mod random;
mod rough;
mod rows;
mod saved;
mod vertices;
mod walk;

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hashbrown::HashSet;
use inferail_simd::vectors::Level;

use self::connect::{Plan, Wiring, replace_scout};
use self::vertices::{Target, Vertices};
use self::walk::{MAX_PLACES, with_scratch};
use crate::search::Best;
use crate::vector::{Codes, Stored, Vector};
use crate::{Error, Settings};

/// How a graph is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GraphOptions {
    links: usize,
    build_effort: usize,
    seed: u64,
}

impl GraphOptions {
    /// 32 links, a build effort of 128, seed 0.
    pub const DEFAULT: Self = Self {
        links: 32,
        build_effort: 128,
        seed: 0,
    };

    /// Vertices with `links` links, chosen among `build_effort` vertices that a walk finds; equal seeds and insertions
    /// make equal graphs.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`]: `links` is not 4 to 512, or `build_effort` not 8 to 65536.
    pub fn new(links: usize, build_effort: usize, seed: u64) -> Result<Self, Error> {
        if !(4..=512).contains(&links) {
            return Err(parameter("links", "4 to 512", links));
        }
        if !(8..=65_536).contains(&build_effort) {
            return Err(parameter("build_effort", "8 to 65536", build_effort));
        }
        Ok(Self {
            links,
            build_effort,
            seed,
        })
    }

    /// Links of a vertex.
    pub fn links(&self) -> usize {
        self.links
    }

    /// Vertices that a new one's links are chosen among.
    pub fn build_effort(&self) -> usize {
        self.build_effort
    }

    /// What the choice of the scouts begins with.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Most links of a vertex: they are chosen anew when there are more, which takes a while.
    fn capacity(&self) -> usize {
        (self.links + self.links / 4 + 1).next_multiple_of(8) - 1
    }
}

impl Default for GraphOptions {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Sizes of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct GraphStats {
    /// Entries.
    pub entries: usize,
    /// Bytes in memory.
    pub bytes: usize,
    /// Links of a vertex, on average.
    pub links: f64,
    /// Places that deleted entries have left for new ones.
    pub free: usize,
}

/// Vectors under 64-bit keys, the nearest of which are found without looking at most of them.
///
/// A search may miss some: [`GraphIndex::recall`] says how many. Scores are exact. Any number of threads may search at
/// once; a change holds them up while it writes its links, for microseconds.
#[derive(Debug)]
pub struct GraphIndex {
    settings: Settings,
    options: GraphOptions,
    level: Level,
    vertices: RwLock<Vertices>,
    /// Held by whoever writes; made by the first change.
    wiring: Mutex<Option<Wiring>>,
}

impl GraphIndex {
    /// An empty index.
    pub fn new(settings: Settings, options: GraphOptions) -> Self {
        Self::with_level(settings, options, Level::best())
    }

    /// An empty index that runs on an instruction set.
    pub fn with_level(settings: Settings, options: GraphOptions, level: Level) -> Self {
        let vertices = Vertices::new(settings, level, options.capacity());
        Self {
            settings,
            options,
            level,
            vertices: RwLock::new(vertices),
            wiring: Mutex::default(),
        }
    }

    /// What it was made for.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How it is built.
    pub fn options(&self) -> &GraphOptions {
        &self.options
    }

    /// Adds entries: all of them, or none where there is an error. Searches see them one by one.
    ///
    /// # Errors
    ///
    /// [`Error::KeyExists`] of a key that is there; [`Error::KeyTwice`], [`Error::Count`], [`Error::Dimension`],
    /// [`Error::NotFinite`] of what is wrong with an entry; [`Error::Full`] beyond 2³¹ entries.
    pub fn add(&self, keys: &[u64], vectors: &[&[f32]]) -> Result<(), Error> {
        self.write_all(keys, vectors, false)
    }

    /// Adds entries, or replaces those that have their keys: all of them, or none where there is an error.
    ///
    /// # Errors
    ///
    /// As [`Self::add`], but for a key that is there.
    pub fn upsert(&self, keys: &[u64], vectors: &[&[f32]]) -> Result<(), Error> {
        self.write_all(keys, vectors, true)
    }

    /// Removes entries; how many of the keys had one.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] of the file that it was opened from.
    pub fn delete(&self, keys: &[u64]) -> Result<usize, Error> {
        let mut wiring = self.lock();
        let wiring = self.wired(&mut wiring)?;
        let mut removed = 0;
        for key in keys {
            removed += usize::from(self.remove(wiring, *key)?);
        }
        Ok(removed)
    }

    /// The `k` entries nearest to `vector`, or as many as there are: those that a walk of `effort` finds, or of
    /// [`default_effort`] where there is none. The best first, of equals the smaller key; the scores are exact.
    ///
    /// Where the collection is small for the effort, every entry is looked at and nothing is missed.
    ///
    /// # Errors
    ///
    /// [`Error::Dimension`], [`Error::NotFinite`], [`Error::Parameter`] of a `k` or an effort of 0; [`Error::Damaged`]
    /// of the file that it was opened from.
    pub fn search(
        &self,
        vector: &[f32],
        k: usize,
        effort: Option<usize>,
    ) -> Result<Vec<(u64, f32)>, Error> {
        let found = self.inner_search(vector, k, effort)?;
        let outer = |(score, key)| (key, self.settings.outer_score(score));
        Ok(found.into_iter().map(outer).collect())
    }

    fn inner_search(
        &self,
        vector: &[f32],
        k: usize,
        effort: Option<usize>,
    ) -> Result<Vec<(f32, u64)>, Error> {
        if k == 0 {
            return Err(parameter("k", "1 or more", k));
        }
        if effort == Some(0) {
            return Err(parameter("effort", "1 or more", 0));
        }
        let query = Vector::new(self.level, &self.settings, vector, 0)?;
        let vertices = self.read();
        let effort = effort.unwrap_or_else(|| default_effort(k)).max(k);
        let mut best = Best::of(k);
        if vertices.count / SCANNED > effort {
            self.walk(&vertices, &query, effort, k, &mut best)?;
        } else {
            scan(&vertices, &query, &mut best)?;
        }
        let mut found = best.found();
        if found.len() < k.min(vertices.count) {
            let mut best = Best::of(k);
            scan(&vertices, &query, &mut best)?;
            found = best.found();
        }
        Ok(found)
    }

    /// Whether there is an entry.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] of the file that it was opened from.
    pub fn contains(&self, key: u64) -> Result<bool, Error> {
        let mut wiring = self.lock();
        Ok(self.wired(&mut wiring)?.places.contains_key(&key))
    }

    /// Entries.
    pub fn len(&self) -> usize {
        self.read().count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How large it is.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] of the file that it was opened from.
    pub fn stats(&self) -> Result<GraphStats, Error> {
        let wiring = self.lock();
        let vertices = self.read();
        let view = vertices.view()?;
        let links: usize = vertices
            .live_places()
            .map(|place| view.links(place).len())
            .sum();
        Ok(GraphStats {
            entries: vertices.count,
            bytes: vertices.bytes() + wiring.as_ref().map_or(0, Wiring::bytes),
            links: links as f64 / (vertices.count as f64).max(1.0),
            free: vertices.places() - vertices.count,
        })
    }

    fn write_all(&self, keys: &[u64], vectors: &[&[f32]], replace: bool) -> Result<(), Error> {
        if keys.len() != vectors.len() {
            return Err(Error::Count {
                name: "vectors",
                expected: keys.len(),
                found: vectors.len(),
            });
        }
        let mut known = HashSet::with_capacity(keys.len());
        if let Some(key) = keys.iter().find(|key| !known.insert(**key)) {
            return Err(Error::KeyTwice { key: *key });
        }
        for (row, vector) in vectors.iter().enumerate() {
            Vector::new(self.level, &self.settings, vector, row)?;
        }
        let mut wiring = self.lock();
        let wiring = self.wired(&mut wiring)?;
        let known = keys.iter().find(|key| wiring.places.contains_key(*key));
        if let Some(key) = known.filter(|_| !replace) {
            return Err(Error::KeyExists { key: *key });
        }
        if wiring.places.len() + keys.len() > MAX_PLACES {
            return Err(Error::Full { limit: MAX_PLACES });
        }
        for (row, (key, vector)) in keys.iter().zip(vectors).enumerate() {
            let vector = Vector::new(self.level, &self.settings, vector, row)?;
            let stored = Stored::new(self.level, &self.settings, vector);
            self.remove(wiring, *key)?;
            self.insert(wiring, *key, &stored)?;
        }
        Ok(())
    }

    fn insert(&self, wiring: &mut Wiring, key: u64, stored: &Stored) -> Result<(), Error> {
        let place = wiring.take_place();
        self.write().put(place, key, stored);
        let plan = wiring.join(&self.read().view()?, place);
        wiring.places.insert(key, place);
        let mut vertices = self.write();
        link(&mut vertices, &plan);
        vertices.live[place as usize] = true;
        vertices.count += 1;
        wiring.choose_scout(&mut vertices, place);
        Ok(())
    }

    fn remove(&self, wiring: &mut Wiring, key: u64) -> Result<bool, Error> {
        let Some(place) = wiring.places.remove(&key) else {
            return Ok(false);
        };
        let plan = wiring.leave(&self.read().view()?, place);
        let mut vertices = self.write();
        replace_scout(&mut vertices, place)?;
        link(&mut vertices, &plan);
        vertices.live[place as usize] = false;
        vertices.count -= 1;
        wiring.free.push(place);
        Ok(true)
    }

    /// Looks at what is near, with some to spare, by its own numbers.
    fn walk(
        &self,
        vertices: &Vertices,
        query: &Vector,
        effort: usize,
        k: usize,
        best: &mut Best,
    ) -> Result<(), Error> {
        use crate::search::Collector;
        let view = vertices.view()?;
        let codes = Codes::new(self.level, &query.numbers);
        let target = Target::new(&codes.codes, codes.scale);
        with_scratch(|scratch| {
            let found = scratch.walk(&view, target, effort);
            let found = &found[..found.len().min(k + k / 2 + SPARE)];
            for candidate in found {
                vertices.prefetch_kept(candidate.place());
            }
            for candidate in found {
                let place = candidate.place();
                let score = vertices.score(query, place)?;
                let key = vertices.keys[place as usize];
                if score >= best.floor() {
                    best.offer(score, key);
                }
            }
            Ok(())
        })
    }

    /// What only a writer knows, and everything in memory, so that it can be written.
    fn wired<'a>(&self, wiring: &'a mut Option<Wiring>) -> Result<&'a mut Wiring, Error> {
        if wiring.is_none() {
            let mut vertices = self.write();
            vertices.take_into_memory()?;
            *wiring = Some(Wiring::of(&vertices, &self.options)?);
        }
        wiring.as_mut().ok_or(Error::Snapshot {
            problem: "it has no writer",
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Wiring>> {
        self.wiring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, Vertices> {
        self.vertices.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Vertices> {
        self.vertices
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Candidates that are scored besides twice those that are wanted: codes order them nearly right.
const SPARE: usize = 8;

/// Entries that are looked at in order in the time in which a walk follows the links of one.
const SCANNED: usize = 8;

/// The effort of a search that is given none.
pub fn default_effort(k: usize) -> usize {
    (2 * k).max(64)
}

/// Looks at every entry.
fn scan(vertices: &Vertices, query: &Vector, best: &mut Best) -> Result<(), Error> {
    use crate::search::Collector;
    for place in vertices.live_places() {
        let score = vertices.score(query, place)?;
        if score >= best.floor() {
            best.offer(score, vertices.keys[place as usize]);
        }
    }
    Ok(())
}

fn link(vertices: &mut Vertices, plan: &Plan) {
    for (place, links) in plan {
        vertices.link(*place, links);
    }
}

fn parameter(name: &'static str, expected: &'static str, value: usize) -> Error {
    Error::Parameter {
        name,
        expected,
        value: value.to_string(),
    }
}
