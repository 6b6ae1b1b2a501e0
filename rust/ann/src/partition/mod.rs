//! The entries of one namespace: one writer, readers that never wait.

pub(crate) mod chunk;
mod places;
pub(crate) mod rows;
pub(crate) mod saved;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use arc_swap::ArcSwap;
use hashbrown::HashMap;
use inferail_simd::vectors::Level;

use crate::basis::{Basis, Bounds};
use crate::{Error, Metric, Settings};
use chunk::{Chunk, ENTRIES, New};
use places::Places;
use rows::RowRef;

/// Most entries of a partition: places are 32 bits.
const MOST: usize = u32::MAX as usize - ENTRIES;

/// From how many entries on a basis is learned, and from how many of them.
const LEARN: [(usize, usize); 3] = [(128, 128), (512, 512), (2048, 2048)];

/// What readers see: never changed but for the atomics of its chunks.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) basis: Arc<Basis>,
    pub(crate) chunks: Vec<Arc<Chunk>>,
}

/// The entries of one namespace.
#[derive(Debug)]
pub(crate) struct Partition {
    state: ArcSwap<State>,
    /// Where each key is.
    keys: RwLock<HashMap<u64, u32>>,
    places: Mutex<Places>,
}

impl Partition {
    pub(crate) fn new(basis: Arc<Basis>) -> Self {
        let chunks = Vec::new();
        Self {
            state: ArcSwap::from_pointee(State { basis, chunks }),
            keys: RwLock::default(),
            places: Mutex::default(),
        }
    }

    pub(crate) fn of_parts(state: State, keys: HashMap<u64, u32>, places: Places) -> Self {
        Self {
            state: ArcSwap::from_pointee(state),
            keys: RwLock::new(keys),
            places: Mutex::new(places),
        }
    }

    /// What there is now.
    pub(crate) fn state(&self) -> arc_swap::Guard<Arc<State>> {
        self.state.load()
    }

    /// Entries that have not been removed, also those that have expired.
    pub(crate) fn len(&self) -> usize {
        self.keys().len()
    }

    pub(crate) fn contains(&self, key: u64) -> bool {
        self.keys().contains_key(&key)
    }

    /// Writes entries; of a key that is there, the entry is replaced.
    ///
    /// Readers see all of them or none.
    pub(crate) fn write(
        &self,
        settings: &Settings,
        level: Level,
        new: Vec<New>,
    ) -> Result<(), Error> {
        let mut places = self.places();
        if places.taken() + new.len() > MOST {
            return Err(Error::Full { limit: MOST });
        }
        let state = self.state.load_full();
        let basis = Arc::clone(&state.basis);
        let mut chunks = Vec::with_capacity(state.chunks.len() + 1);
        chunks.extend_from_slice(&state.chunks);
        let mut written = Vec::with_capacity(new.len());
        let mut replaced = Vec::new();
        for new in new {
            let before = self.keys().get(&new.key).copied();
            let place = places.take(new.key, new.expires);
            written.push((new.key, place));
            if let Some(before) = before {
                let (chunk, offset) = split(before);
                Arc::make_mut(&mut chunks[chunk]).hide(offset);
                replaced.push(before);
            }
            let (chunk, offset) = split(place);
            if chunk == chunks.len() {
                chunks.push(Arc::new(Chunk::new()));
            }
            let chunk = Arc::make_mut(&mut chunks[chunk]);
            let lead = basis.lead(level, &new.stored.vector);
            let norm = new.stored.vector.norm;
            chunk.write(offset, new, &lead);
            if settings.metric() == Metric::L2 {
                chunk.write_bias(offset, norm);
            }
        }
        self.state.store(Arc::new(State { basis, chunks }));
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.extend(written);
        for place in replaced {
            if let Some(row) = row_of(&state, place) {
                row.drop_payload();
            }
            places.give_back(place);
        }
        if places.is_stale() {
            places.clean(|key, place| keys.get(&key) == Some(&place));
        }
        Ok(())
    }

    /// A basis for the vectors that there are now, if the one in use was learned from few; the codes of all are made anew.
    pub(crate) fn relearn(
        &self,
        settings: &Settings,
        level: Level,
    ) -> Result<Option<Arc<Basis>>, Error> {
        let places = self.places();
        let state = self.state.load_full();
        let mut wanted = LEARN.iter().rev();
        let wanted = wanted.find(|(entries, _)| places.taken() >= *entries);
        let Some((_, sample)) = wanted.filter(|(_, sample)| *sample > state.basis.sample()) else {
            return Ok(None);
        };
        let step = (places.taken() / sample).max(1);
        let chunks = state.chunks.iter();
        let live = chunks.flat_map(|chunk| chunk.places().map(move |place| (chunk, place)));
        let rows = live.step_by(step).take(*sample);
        let vectors = rows.filter_map(|(chunk, place)| {
            let row = chunk.row(place)?;
            Some(row.vector(level, chunk.facts(place).scale))
        });
        let vectors: Vec<_> = vectors.collect::<Result<_, _>>()?;
        let basis = Arc::new(Basis::learn(level, settings.width(), &vectors));
        self.use_basis(level, &state, &basis)?;
        Ok(Some(basis))
    }

    fn use_basis(&self, level: Level, state: &State, basis: &Arc<Basis>) -> Result<(), Error> {
        let mut chunks = state.chunks.clone();
        for chunk in &mut chunks {
            let chunk = Arc::make_mut(chunk);
            chunk.bounds = Bounds::default();
            let places: Vec<usize> = chunk.places().collect();
            for place in places {
                let scale = chunk.facts(place).scale;
                let Some(vector) = chunk.row(place).map(|row| row.vector(level, scale)) else {
                    continue;
                };
                let vector = vector?;
                chunk.write_lead(place, &basis.lead(level, &vector), vector.norm);
            }
        }
        let basis = Arc::clone(basis);
        self.state.store(Arc::new(State { basis, chunks }));
        Ok(())
    }

    /// Moves the entries together, if they fill less than a quarter of the places.
    fn compact(&self, places: &mut Places, keys: &mut HashMap<u64, u32>) {
        if !places.are_sparse(ENTRIES) {
            return;
        }
        let state = self.state.load_full();
        // Of a damaged snapshot the entries stay where they are.
        let Ok((chunks, moved)) = gather(&state, 0) else {
            return;
        };
        keys.clear();
        for (number, chunk) in chunks.iter().enumerate() {
            let first = number * ENTRIES;
            let key = |place: usize| (chunk.facts(place).key, (first + place) as u32);
            keys.extend(chunk.places().map(key));
        }
        keys.shrink_to_fit();
        let basis = Arc::clone(&state.basis);
        let chunks = chunks.into_iter().map(Arc::new).collect();
        self.state.store(Arc::new(State { basis, chunks }));
        *places = moved;
    }

    /// Removes an entry; whether there was one.
    pub(crate) fn remove(&self, key: u64) -> bool {
        let mut places = self.places();
        self.remove_from(&mut places, key)
    }

    fn remove_from(&self, places: &mut Places, key: u64) -> bool {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let Some(place) = keys.remove(&key) else {
            return false;
        };
        let (chunk, offset) = split(place);
        self.state.load().chunks[chunk].remove(offset);
        places.give_back(place);
        self.compact(places, &mut keys);
        true
    }

    /// Removes what has expired by `now`, at most `most` entries; how many there were.
    pub(crate) fn expire(&self, now: u64, most: usize) -> usize {
        let mut places = self.places();
        let mut removed = 0;
        while removed < most
            && let Some((key, place)) = places.expired(now)
        {
            // The place may have been given to another entry since, or to a later one of the same key.
            let current = self.keys().get(&key).copied();
            if current == Some(place) && self.expires(place) <= now {
                removed += usize::from(self.remove_from(&mut places, key));
            }
        }
        removed
    }

    /// The payload of an entry that has not expired.
    pub(crate) fn payload(&self, key: u64, now: u64) -> Result<Option<Arc<[u8]>>, Error> {
        let found = self.find(key, |chunk, offset| {
            let is_fresh = chunk.facts(offset).expires > now;
            let row = chunk.row(offset).filter(|_| is_fresh);
            row.map_or(Ok(None), RowRef::payload)
        });
        found.unwrap_or(Ok(None))
    }

    /// Sets the inner score that an entry asks for; whether there is one.
    pub(crate) fn set_threshold(&self, key: u64, threshold: f32) -> bool {
        let _places = self.places();
        let set = |chunk: &Chunk, offset: usize| chunk.facts(offset).set_threshold(threshold);
        self.find(key, set).is_some()
    }

    /// What `look` makes of the entry of a key.
    fn find<T>(&self, key: u64, look: impl Fn(&Chunk, usize) -> T) -> Option<T> {
        loop {
            let place = self.keys().get(&key).copied()?;
            let (chunk, offset) = split(place);
            let state = self.state.load();
            // Between the two loads its place may have been given to another entry.
            if let Some(chunk) = state.chunks.get(chunk)
                && chunk.is_live(offset)
                && chunk.facts(offset).key == key
            {
                return Some(look(chunk, offset));
            }
        }
    }

    /// Bytes it takes, without its payloads.
    pub(crate) fn bytes(&self, row_bytes: usize) -> usize {
        let state = self.state.load();
        let chunks: usize = state
            .chunks
            .iter()
            .map(|chunk| chunk.bytes(row_bytes))
            .sum();
        chunks + self.keys().capacity() * size_of::<(u64, u32)>()
    }

    fn expires(&self, place: u32) -> u64 {
        let (chunk, offset) = split(place);
        self.state.load().chunks[chunk].facts(offset).expires
    }

    fn keys(&self) -> std::sync::RwLockReadGuard<'_, HashMap<u64, u32>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The entries that have not expired by `now`, side by side.
pub(crate) fn gather(state: &State, now: u64) -> Result<(Vec<Chunk>, Places), Error> {
    let mut chunks: Vec<Chunk> = Vec::new();
    let mut places = Places::default();
    for chunk in &state.chunks {
        for place in chunk.places() {
            let facts = chunk.facts(place);
            if facts.expires <= now {
                continue;
            }
            let (to, offset) = split(places.take(facts.key, facts.expires));
            if to == chunks.len() {
                chunks.push(Chunk::new());
            }
            chunks[to].adopt(offset, chunk, place)?;
        }
    }
    Ok((chunks, places))
}

fn row_of(state: &State, place: u32) -> Option<RowRef<'_>> {
    let (chunk, offset) = split(place);
    state.chunks.get(chunk)?.row(offset)
}

fn split(place: u32) -> (usize, usize) {
    let place = place as usize;
    (place / ENTRIES, place % ENTRIES)
}
