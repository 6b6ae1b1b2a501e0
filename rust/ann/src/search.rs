//! Looking through a partition: leading codes first, then all codes, then the kept numbers.
//!
//! Each look is a bound that a vector of at least the wanted score passes, so nothing is missed.

use std::cell::OnceCell;
use std::sync::Arc;

use inferail_simd::vectors::{LANES, LeadQuery, Level};

use crate::basis::{Basis, Bounds, LeadSearch};
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

/// The leading parts of a query; the second one is made when it is first needed.
struct LeadOf<'a> {
    first: LeadSearch,
    second: OnceCell<LeadSearch>,
    basis: &'a Basis,
}

/// So many entries are looked at without a second scan, which costs as much.
const FEW: u32 = 2;

impl LeadOf<'_> {
    fn second(&self, query: &Query) -> &LeadSearch {
        let search_on = || {
            self.basis
                .search_on(query.level, &query.vector, &self.first)
        };
        self.second.get_or_init(search_on)
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
        let lead = LeadOf {
            first: state.basis.search(self.level, &self.vector),
            second: OnceCell::new(),
            basis: &state.basis,
        };
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
        let second = lead.second(self).of(&chunk.bounds, 1);
        let first = lead.first.of(&chunk.bounds, 0);
        let mut best: Vec<(f32, u32)> = Vec::with_capacity(most + 1);
        let mut least = f32::NEG_INFINITY;
        for (block, second_lead) in chunk.leads[1].iter().enumerate() {
            let first_sums = self.level.lead_sums(&chunk.leads[0][block], &first);
            let sums = self.level.lead_sums(second_lead, &second);
            let biases = self
                .biases(chunk)
                .map_or([0.0; LANES], |biases| biases[block]);
            for lane in 0..LANES {
                let rest = second.rest * f32::from(second_lead.rests[lane]);
                let bound = first_sums[lane] + sums[lane] + biases[lane] + rest;
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
        let first = &lead.first;
        let (mut passed, mut entries) = (Vec::new(), 0);
        for (number, chunk) in chunks.iter().enumerate() {
            if let Some(next) = chunks.get(number + 1) {
                for block in 0..FETCHED {
                    next.fetch_lead(0, block);
                }
            }
            let query = LeadQuery {
                threshold: self.wanted(floor, &chunk.bounds) - first.slack(&chunk.bounds, 0),
                ..first.of(&chunk.bounds, 0)
            };
            let mut masks = [0; BLOCKS];
            let masks = &mut masks[..chunk.blocks()];
            let biases = self.biases(chunk);
            self.level.scan_lead(&chunk.leads[0], biases, &query, masks);
            for (block, mask) in masks.iter().enumerate() {
                if *mask == 0 {
                    continue;
                }
                let lanes = *mask & chunk.live(block);
                if lanes != 0 {
                    chunk.fetch_lead(1, block);
                    passed.push((number as u32, block as u32, lanes));
                    entries += lanes.count_ones();
                }
            }
        }
        for (number, block, mut lanes) in passed {
            if entries > FEW {
                lanes &= self.scan_on(&chunks[number as usize], block as usize, lead, floor);
            }
            while lanes != 0 {
                places.push((number, block * LANES as u32 + lanes.trailing_zeros()));
                lanes &= lanes - 1;
            }
        }
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

    /// Which vectors of a block pass with both leading parts.
    fn scan_on(&self, chunk: &Chunk, block: usize, lead: &LeadOf<'_>, floor: f32) -> u16 {
        let (first, second) = (&lead.first, lead.second(self));
        let bounds = &chunk.bounds;
        let slack = first.slack(bounds, 0) + second.slack(bounds, 1);
        let query = LeadQuery {
            threshold: self.wanted(floor, bounds) - slack,
            ..second.of(bounds, 1)
        };
        let first = first.of(bounds, 0);
        let mut sums = self.level.lead_sums(&chunk.leads[0][block], &first);
        if let Some(biases) = self.biases(chunk) {
            for (sum, bias) in sums.iter_mut().zip(biases[block]) {
                *sum += bias;
            }
        }
        let mut masks = [0];
        let lead = &chunk.leads[1][block..=block];
        self.level
            .scan_lead(lead, Some(&[sums]), &query, &mut masks);
        masks[0]
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
