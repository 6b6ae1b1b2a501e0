//! Looking through a partition: leading codes first, then all codes, then the kept numbers.
//!
//! Each look is a bound that a vector of at least the wanted score passes, so nothing is missed.

use std::cell::OnceCell;
use std::sync::Arc;

use inferail_simd::vectors::{LANES, LeadQuery, Level};

use crate::basis::{Basis, Bounds, GROUPS, LeadSearch};
use crate::partition::State;
use crate::partition::chunk::{BLOCKS, Chunk};
use crate::vector::{Codes, Vector, score};
use crate::{Error, Metric, Settings};

/// A query: its vector, and what is derived from it when it is first needed.
#[derive(Debug)]
pub(crate) struct Query {
    level: Level,
    metric: Metric,
    vector: Vector,
    square: f32,
    codes: OnceCell<Codes>,
}

/// The leading parts of a query; the later ones are made when they are first needed.
struct LeadOf<'a> {
    basis: &'a Basis,
    first: LeadSearch,
    second: OnceCell<LeadSearch>,
    third: OnceCell<LeadSearch>,
}

/// Entries in so many blocks are not scanned by one more group, of the second and of the third: to project the query on its
/// directions costs as much as to look at them.
const FEW: [u32; 2] = [4, 16];

impl LeadOf<'_> {
    fn of<'a>(query: &Query, basis: &'a Basis) -> LeadOf<'a> {
        LeadOf {
            basis,
            first: basis.search(query.level, &query.vector, &[]),
            second: OnceCell::new(),
            third: OnceCell::new(),
        }
    }

    fn first(&self) -> [&LeadSearch; 1] {
        [&self.first]
    }

    fn second(&self, query: &Query) -> [&LeadSearch; 2] {
        let before = self.first();
        let search = || self.basis.search(query.level, &query.vector, &before);
        [before[0], self.second.get_or_init(search)]
    }

    fn third(&self, query: &Query) -> [&LeadSearch; GROUPS] {
        let before = self.second(query);
        let search = || self.basis.search(query.level, &query.vector, &before);
        [before[0], before[1], self.third.get_or_init(search)]
    }
}

/// Entries that are on their way while one is looked at.
const AHEAD: usize = 8;

/// Most promising entries that are looked at first, for each that is wanted.
const PROMISING: usize = 4;

/// Chunks that are scanned before the first of their entries is looked at: memory that is asked for early is there when
/// it is needed. More of them profit less from a floor that has risen.
const TOGETHER: usize = 16;

/// Blocks of the next chunk that are on their way while one is scanned; the rest of it the CPU foresees.
const FETCHED: usize = 4;

/// What a search is for.
pub(crate) trait Collector {
    /// Whether an entry's own threshold counts.
    const OWN_THRESHOLDS: bool;

    /// How many entries it is for, if they have no threshold: a first look at the most promising ones then gives a floor
    /// that most others do not reach.
    fn promising(&self) -> usize;

    /// The inner score below which nothing is of interest any more.
    fn floor(&self) -> f32;

    /// An entry of at least the floor.
    fn offer(&mut self, score: f32, key: u64);
}

/// The best entry.
#[derive(Debug)]
pub(crate) struct Nearest {
    floor: f32,
    found: Option<u64>,
}

/// The best `k` entries.
#[derive(Debug)]
pub(crate) struct Best {
    k: usize,
    /// Best first.
    found: Vec<(f32, u64)>,
}

impl Query {
    pub(crate) fn new(level: Level, settings: &Settings, vector: Vector) -> Self {
        Self {
            level,
            metric: settings.metric(),
            square: vector.norm * vector.norm,
            vector,
            codes: OnceCell::new(),
        }
    }

    /// The dot product, plus the bias, that an inner score needs at least.
    fn needed(&self, score: f32, bounds: &Bounds) -> f32 {
        match self.metric {
            Metric::Cosine | Metric::Dot => score - score.abs() * 1e-6,
            Metric::L2 => {
                let rounding = (self.square + bounds.norm * bounds.norm) * 1e-5;
                f32::midpoint(self.square, score) - rounding
            }
        }
    }

    /// Offers every entry that may be at or above the collector's floor.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] of a snapshot.
    pub(crate) fn run(
        &self,
        state: &State,
        now: u64,
        collector: &mut impl Collector,
    ) -> Result<(), Error> {
        let lead = LeadOf::of(self, &state.basis);
        let mut places = Vec::new();
        let promising = collector.promising();
        if promising > 0 {
            let each = (PROMISING * promising).div_ceil(state.chunks.len().max(1)) + 1;
            for chunk in &state.chunks {
                self.promise(chunk, &lead, each, &mut places);
                self.look_at_all(std::slice::from_ref(chunk), &places, now, collector)?;
                places.clear();
            }
        }
        for chunks in state.chunks.chunks(TOGETHER) {
            places.clear();
            self.scan(chunks, &lead, collector.floor(), &mut places);
            self.look_at_all(chunks, &places, now, collector)?;
        }
        Ok(())
    }

    /// The `most` entries of a chunk with the largest bounds.
    fn promise(&self, chunk: &Chunk, lead: &LeadOf<'_>, most: usize, places: &mut Vec<(u32, u32)>) {
        let queries = queries(lead.third(self), &chunk.bounds);
        let mut best: Vec<(f32, u32)> = Vec::with_capacity(most + 1);
        let mut least = f32::NEG_INFINITY;
        for block in 0..chunk.blocks() {
            let blocks = chunk.leads.each_ref().map(|lead| &lead[block]);
            let biases = self.biases(chunk).map(|biases| &biases[block]);
            let biases = biases.unwrap_or(&[0.0; LANES]);
            let bounds = self.level.lead_bounds(blocks, biases, &queries);
            for (lane, bound) in bounds.into_iter().enumerate() {
                if bound > least {
                    let position = best.partition_point(|(other, _)| *other > bound);
                    best.insert(position, (bound, (block * LANES + lane) as u32));
                    if best.len() > most {
                        best.pop();
                        least = best[most - 1].0;
                    }
                }
            }
        }
        let live = best
            .into_iter()
            .filter(|(_, place)| chunk.is_live(*place as usize));
        places.extend(live.map(|(_, place)| (0, place)));
    }

    /// The entries of some chunks that pass with their leading parts.
    fn scan(
        &self,
        chunks: &[Arc<Chunk>],
        lead: &LeadOf<'_>,
        floor: f32,
        places: &mut Vec<(u32, u32)>,
    ) {
        let mut masks = [[0; BLOCKS]; TOGETHER];
        let mut passed = 0;
        for (number, chunk) in chunks.iter().enumerate() {
            if let Some(next) = chunks.get(number + 1) {
                for block in 0..FETCHED {
                    next.fetch_lead(0, block);
                }
            }
            let masks = &mut masks[number];
            for (block, mask) in masks.iter_mut().enumerate().take(chunk.blocks()) {
                *mask = chunk.live(block);
            }
            passed += self.scan_chunk(chunk, lead.first(), floor, masks);
        }
        if passed > FEW[0] {
            passed = 0;
            for (chunk, masks) in chunks.iter().zip(&mut masks) {
                passed += self.scan_chunk(chunk, lead.second(self), floor, masks);
            }
        }
        if passed > FEW[1] {
            for (chunk, masks) in chunks.iter().zip(&mut masks) {
                self.scan_chunk(chunk, lead.third(self), floor, masks);
            }
        }
        for (number, masks) in masks.iter().enumerate().take(chunks.len()) {
            for_each_set(masks, |block, mut lanes| {
                while lanes != 0 {
                    let place = block as u32 * LANES as u32 + lanes.trailing_zeros();
                    places.push((number as u32, place));
                    lanes &= lanes - 1;
                }
            });
        }
    }

    /// Clears what does not pass with some groups, and starts loading the next group of the others; in how many blocks
    /// something does.
    fn scan_chunk<const N: usize>(
        &self,
        chunk: &Chunk,
        searches: [&LeadSearch; N],
        floor: f32,
        masks: &mut [u16; BLOCKS],
    ) -> u32 {
        let slack = searches.iter().enumerate();
        let slack: f32 = slack
            .map(|(group, search)| search.slack(&chunk.bounds, group))
            .sum();
        let threshold = self.wanted(floor, &chunk.bounds) - slack;
        let queries = queries(searches, &chunk.bounds);
        let scanned = &mut masks[..chunk.blocks()];
        let leads = std::array::from_fn(|group| chunk.leads[group].as_slice());
        self.level
            .scan_leads::<N>(leads, self.biases(chunk), &queries, threshold, scanned);
        let mut passed = 0;
        for_each_set(masks, |block, _| {
            passed += 1;
            if N < GROUPS {
                chunk.fetch_lead(N, block);
            }
        });
        passed
    }

    /// Looks at entries, and starts loading what the ones after are looked at with: that is three loads which wait for each
    /// other, and those of several entries need not.
    fn look_at_all(
        &self,
        chunks: &[Arc<Chunk>],
        places: &[(u32, u32)],
        now: u64,
        collector: &mut impl Collector,
    ) -> Result<(), Error> {
        let chunk = |number: u32| &chunks[number as usize];
        for (number, place) in places.iter().take(2 * AHEAD) {
            chunk(*number).fetch_facts(*place as usize);
        }
        for (number, place) in places.iter().take(AHEAD) {
            chunk(*number).fetch_row(*place as usize);
        }
        for (position, (number, place)) in places.iter().enumerate() {
            if let Some((number, place)) = places.get(position + 2 * AHEAD) {
                chunk(*number).fetch_facts(*place as usize);
            }
            if let Some((number, place)) = places.get(position + AHEAD) {
                chunk(*number).fetch_row(*place as usize);
            }
            self.look(chunk(*number), *place as usize, now, collector)?;
        }
        Ok(())
    }

    /// What a dot product, plus the bias, must reach, all rounding of the scans allowed for.
    fn wanted(&self, floor: f32, bounds: &Bounds) -> f32 {
        // Sums of a few float32 products: 1e-5 of the whole is fifty times their rounding.
        self.needed(floor, bounds) - self.vector.norm * bounds.norm * 1e-5
    }

    fn biases<'a>(&self, chunk: &'a Chunk) -> Option<&'a [[f32; LANES]]> {
        (self.metric == Metric::L2).then_some(chunk.biases.as_slice())
    }

    /// Looks at one entry.
    fn look<C: Collector>(
        &self,
        chunk: &Chunk,
        place: usize,
        now: u64,
        collector: &mut C,
    ) -> Result<(), Error> {
        let facts = chunk.facts(place);
        let Some(row) = chunk.row(place).filter(|_| facts.expires > now) else {
            return Ok(());
        };
        let own = if C::OWN_THRESHOLDS {
            facts.threshold()
        } else {
            f32::NEG_INFINITY
        };
        let floor = collector.floor().max(own);
        let codes = row.codes()?;
        let numbers = &self.vector.numbers;
        let query = self.codes.get_or_init(|| Codes::new(self.level, numbers));
        let product = self.level.dot_codes(&query.codes, codes) as f32;
        let norm = self.vector.norm;
        let apart = query.error * facts.norm + (norm + query.error) * facts.error;
        let mut bound = product * query.scale * facts.scale + apart * 1.0001;
        bound += norm * facts.norm * 1e-5;
        if self.metric == Metric::L2 {
            bound -= facts.norm * facts.norm * (0.5 - 1e-5);
        }
        if bound < self.needed(floor, &chunk.bounds) {
            return Ok(());
        }
        let score = score(
            self.level,
            self.metric,
            numbers,
            codes,
            facts.scale,
            row.kept()?,
        );
        if score >= floor {
            collector.offer(score, facts.key);
        }
        Ok(())
    }
}

/// Hands over the masks that are not zero, with their numbers; most are zero, and as an iterator this took a microsecond
/// of the twelve of a search through 10,000 entries.
#[inline]
fn for_each_set(masks: &[u16; BLOCKS], mut work: impl FnMut(usize, u16)) {
    for (quarter, masks) in masks.as_chunks::<4>().0.iter().enumerate() {
        if *masks == [0; 4] {
            continue;
        }
        for (offset, mask) in masks.iter().enumerate() {
            if *mask != 0 {
                work(4 * quarter + offset, *mask);
            }
        }
    }
}

/// What is asked of the blocks of a chunk, of each group.
fn queries<const N: usize>(searches: [&LeadSearch; N], bounds: &Bounds) -> [LeadQuery; N] {
    std::array::from_fn(|group| searches[group].of(bounds, group))
}

impl Nearest {
    /// Of entries of at least `threshold`, an inner score.
    pub(crate) fn above(threshold: f32) -> Self {
        Self {
            floor: threshold,
            found: None,
        }
    }

    /// Its key and its inner score.
    pub(crate) fn found(self) -> Option<(u64, f32)> {
        self.found.map(|key| (key, self.floor))
    }
}

impl Collector for Nearest {
    const OWN_THRESHOLDS: bool = true;

    fn promising(&self) -> usize {
        0
    }

    fn floor(&self) -> f32 {
        self.floor
    }

    fn offer(&mut self, score: f32, key: u64) {
        if score > self.floor || self.found.is_none_or(|found| key < found) {
            self.floor = score;
            self.found = Some(key);
        }
    }
}

impl Best {
    pub(crate) fn of(k: usize) -> Self {
        Self {
            k,
            found: Vec::with_capacity(k.min(1024)),
        }
    }

    /// Inner scores and keys, the best first.
    pub(crate) fn found(self) -> Vec<(f32, u64)> {
        self.found
    }
}

impl Collector for Best {
    const OWN_THRESHOLDS: bool = false;

    fn promising(&self) -> usize {
        self.k
    }

    fn floor(&self) -> f32 {
        match self.found.last() {
            Some((score, _)) if self.found.len() == self.k => *score,
            _ => f32::NEG_INFINITY,
        }
    }

    fn offer(&mut self, score: f32, key: u64) {
        let after = |found: &(f32, u64)| found.0 > score || (found.0 >= score && found.1 < key);
        let position = self.found.partition_point(after);
        // What was promising comes once more with all others.
        if position == self.k || self.found.get(position) == Some(&(score, key)) {
            return;
        }
        if self.found.len() == self.k {
            self.found.pop();
        }
        self.found.insert(position, (score, key));
    }
}
