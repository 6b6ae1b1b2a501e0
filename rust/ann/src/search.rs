//! Looking through a partition: leading codes first, then all codes, then the kept numbers.
//!
//! Each look is a bound that a vector of at least the wanted score passes, so nothing is missed.

use std::cell::OnceCell;

use inferail_simd::vectors::{LANES, LeadQuery, Level};

use crate::basis::{Bounds, LeadSearch};
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

/// What a search is for.
pub(crate) trait Collector {
    /// Whether an entry's own threshold counts.
    const OWN_THRESHOLDS: bool;

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
        let lead = state.basis.search(self.level, &self.vector);
        for chunk in &state.chunks {
            self.scan(chunk, &lead, now, collector)?;
        }
        Ok(())
    }

    fn scan(
        &self,
        chunk: &Chunk,
        lead: &LeadSearch,
        now: u64,
        collector: &mut impl Collector,
    ) -> Result<(), Error> {
        let bounds = &chunk.bounds;
        let query = LeadQuery {
            threshold: self.needed(collector.floor(), bounds) - lead.slack(bounds),
            ..lead.query
        };
        let mut masks = [0; BLOCKS];
        let masks = &mut masks[..chunk.codes.len()];
        let biases = (self.metric == Metric::L2).then_some(chunk.biases.as_slice());
        let (codes, rests) = (&chunk.codes, &chunk.rests);
        self.level.scan_lead(codes, rests, biases, &query, masks);
        for (block, mask) in masks.iter().enumerate() {
            if *mask == 0 {
                continue;
            }
            let mut mask = *mask & chunk.live(block);
            while mask != 0 {
                let place = block * LANES + mask.trailing_zeros() as usize;
                mask &= mask - 1;
                self.look(chunk, place, now, collector)?;
            }
        }
        Ok(())
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

    fn floor(&self) -> f32 {
        match self.found.last() {
            Some((score, _)) if self.found.len() == self.k => *score,
            _ => f32::NEG_INFINITY,
        }
    }

    fn offer(&mut self, score: f32, key: u64) {
        let after = |found: &(f32, u64)| found.0 > score || (found.0 >= score && found.1 < key);
        let position = self.found.partition_point(after);
        if position == self.k {
            return;
        }
        if self.found.len() == self.k {
            self.found.pop();
        }
        self.found.insert(position, (score, key));
    }
}
