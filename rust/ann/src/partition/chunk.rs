//! Entries in memory: what is scanned lies side by side, what is rarely touched behind pointers.
//!
//! A chunk that readers can see is never changed but for its atomics. A writer copies it (55 KB), changes the copy and
//! publishes that; rows are shared between the copies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

use inferail_simd::prefetch;
use inferail_simd::vectors::{LANES, LEAD, LeadBlock, ZERO_CODE, lead_position};

use super::rows::{Row, RowRef, Rows};
use crate::Error;
use crate::basis::{Bounds, GROUPS, Lead, NO_RESTS};
use crate::vector::Stored;

/// Blocks of a chunk.
pub(crate) const BLOCKS: usize = 32;

/// Entries of a chunk.
pub(crate) const ENTRIES: usize = BLOCKS * LANES;

/// Bytes of a line of the cache.
const LINE: usize = 64;

/// When an entry that never expires does.
pub(crate) const NEVER: u64 = u64::MAX;

/// What is known of an entry besides its vector; half a cache line.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) key: u64,
    /// Milliseconds since 1970; [`NEVER`].
    pub(crate) expires: u64,
    /// Inner score that it asks for, as bits; -∞ without one.
    threshold: AtomicU32,
    /// See [`crate::vector::Codes`].
    pub(crate) scale: f32,
    pub(crate) error: f32,
    /// Length of the vector.
    pub(crate) norm: f32,
}

/// Up to [`ENTRIES`] entries.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Of each group of leading parts.
    pub(crate) codes: [Vec<LeadBlock>; GROUPS],
    pub(crate) rests: [Vec<[f32; LANES]>; GROUPS],
    /// Half of the vector's square, negative; empty where the metric does not need it.
    pub(crate) biases: Vec<[f32; LANES]>,
    pub(super) facts: Vec<Facts>,
    live: [AtomicU16; BLOCKS],
    pub(super) rows: Vec<Arc<Rows>>,
    pub(crate) bounds: Bounds,
}

/// An entry to be written.
#[derive(Debug)]
pub(crate) struct New {
    pub(crate) key: u64,
    pub(crate) expires: u64,
    pub(crate) threshold: f32,
    pub(crate) payload: Option<Arc<[u8]>>,
    pub(crate) stored: Stored,
}

impl Facts {
    pub(crate) fn new(
        key: u64,
        expires: u64,
        threshold: f32,
        [scale, error, norm]: [f32; 3],
    ) -> Self {
        Self {
            key,
            expires,
            threshold: AtomicU32::new(threshold.to_bits()),
            scale,
            error,
            norm,
        }
    }

    pub(crate) fn threshold(&self) -> f32 {
        f32::from_bits(self.threshold.load(Ordering::Relaxed))
    }

    pub(crate) fn set_threshold(&self, threshold: f32) {
        self.threshold.store(threshold.to_bits(), Ordering::Relaxed);
    }
}

impl Clone for Facts {
    fn clone(&self) -> Self {
        Self {
            threshold: AtomicU32::new(self.threshold.load(Ordering::Relaxed)),
            ..*self
        }
    }
}

impl Clone for Chunk {
    fn clone(&self) -> Self {
        let live = std::array::from_fn(|block| AtomicU16::new(self.live(block)));
        Self {
            codes: std::array::from_fn(|group| with_room(&self.codes[group])),
            rests: std::array::from_fn(|group| with_room(&self.rests[group])),
            biases: with_room(&self.biases),
            facts: self.facts.clone(),
            live,
            rows: with_room(&self.rows),
            bounds: self.bounds,
        }
    }
}

impl Chunk {
    pub(crate) fn new() -> Self {
        Self {
            codes: [const { Vec::new() }; GROUPS],
            rests: [const { Vec::new() }; GROUPS],
            biases: Vec::new(),
            facts: Vec::new(),
            live: [const { AtomicU16::new(0) }; BLOCKS],
            rows: Vec::new(),
            bounds: Bounds::default(),
        }
    }

    /// Marks the first `count` places as those of entries.
    pub(super) fn fill(&mut self, count: usize) {
        for place in 0..count {
            *self.live[place / LANES].get_mut() |= 1 << (place % LANES);
        }
    }

    /// Blocks that were begun.
    pub(crate) fn blocks(&self) -> usize {
        self.rows.len()
    }

    /// The lanes of a block that hold an entry.
    #[inline]
    pub(crate) fn live(&self, block: usize) -> u16 {
        self.live[block].load(Ordering::Acquire)
    }

    /// The places that hold an entry.
    pub(crate) fn places(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.facts.len()).filter(|place| self.is_live(*place))
    }

    pub(crate) fn is_live(&self, place: usize) -> bool {
        self.live(place / LANES) >> (place % LANES) & 1 == 1
    }

    pub(crate) fn facts(&self, place: usize) -> &Facts {
        &self.facts[place]
    }

    /// The row of a place that is or was taken.
    #[inline]
    pub(crate) fn row(&self, place: usize) -> Option<RowRef<'_>> {
        self.rows[place / LANES].get(place % LANES)
    }

    /// Starts loading the second leading parts of a block.
    #[inline]
    pub(crate) fn fetch_second(&self, block: usize) {
        let codes = self.codes[1].as_flattened();
        for line in 0..LANES * LEAD / LINE {
            prefetch(codes, block * LANES * LEAD + line * LINE);
        }
        prefetch(&self.rests[1], block);
    }

    /// Starts loading what is known of an entry, and where its row is.
    #[inline]
    pub(crate) fn fetch_facts(&self, place: usize) {
        prefetch(&self.facts, place);
        self.rows[place / LANES].fetch(place % LANES);
    }

    /// Starts loading the codes of an entry.
    #[inline]
    pub(crate) fn fetch_row(&self, place: usize) {
        if let Some(row) = self.row(place) {
            row.fetch_codes();
        }
    }

    /// Ends an entry, also for readers that look at this very chunk.
    pub(crate) fn remove(&self, place: usize) {
        self.live[place / LANES].fetch_and(!(1 << (place % LANES)), Ordering::AcqRel);
        if let Some(row) = self.row(place) {
            row.drop_payload();
        }
    }

    /// Ends an entry for readers of this copy alone, and keeps what the others may still read.
    pub(crate) fn hide(&mut self, place: usize) {
        *self.live[place / LANES].get_mut() &= !(1 << (place % LANES));
    }

    /// Writes an entry to a place that holds none: the next one, or one that was taken before.
    pub(crate) fn write(&mut self, place: usize, new: New, leads: &[Lead; GROUPS]) {
        let (block, lane) = (place / LANES, place % LANES);
        let norm = new.stored.vector.norm;
        self.begin_block(block);
        self.write_lead(place, leads, norm);
        let codes = new.stored.codes;
        let sizes = [codes.scale, codes.error, norm];
        let facts = Facts::new(new.key, new.expires, new.threshold, sizes);
        match self.facts.get_mut(place) {
            Some(before) => *before = facts,
            None => self.facts.push(facts),
        }
        let row = Row::new(codes.codes, new.stored.kept, new.payload);
        Rows::put(&mut self.rows[block], lane, Arc::new(row));
        *self.live[block].get_mut() |= 1 << lane;
    }

    /// Takes over the entry at `from` of another chunk, with its row; a chunk adopts in order.
    pub(crate) fn adopt(&mut self, place: usize, other: &Self, from: usize) -> Result<(), Error> {
        let (block, lane) = (place / LANES, place % LANES);
        let (other_block, other_lane) = (from / LANES, from % LANES);
        let Some(row) = RowRef::share(&other.rows[other_block], other_lane)? else {
            return Ok(());
        };
        self.begin_block(block);
        for group in 0..GROUPS {
            for dimension in 0..LEAD {
                let code = other.codes[group][other_block][lead_position(other_lane, dimension)];
                self.codes[group][block][lead_position(lane, dimension)] = code;
            }
            self.rests[group][block][lane] = other.rests[group][other_block][other_lane];
        }
        if let Some(biases) = other.biases.get(other_block) {
            self.set_bias(place, biases[other_lane]);
        }
        self.facts.push(other.facts[from].clone());
        self.bounds.join(&other.bounds);
        Rows::put(&mut self.rows[block], lane, row);
        *self.live[block].get_mut() |= 1 << lane;
        Ok(())
    }

    fn begin_block(&mut self, block: usize) {
        if block == self.blocks() {
            for group in 0..GROUPS {
                self.codes[group].push([ZERO_CODE; LANES * LEAD]);
                self.rests[group].push(NO_RESTS);
            }
            self.rows.push(Arc::new(Rows::new()));
        }
    }

    /// Writes the leading codes of the vector at `place`.
    pub(crate) fn write_lead(&mut self, place: usize, leads: &[Lead; GROUPS], norm: f32) {
        let (block, lane) = (place / LANES, place % LANES);
        for (group, lead) in leads.iter().enumerate() {
            for (dimension, code) in lead.codes.iter().enumerate() {
                self.codes[group][block][lead_position(lane, dimension)] = *code;
            }
            self.rests[group][block][lane] = lead.rest;
        }
        self.bounds.include(leads, norm);
    }

    /// Writes the bias of the vector at `place`: not below the true one, as `norm` is not.
    pub(crate) fn write_bias(&mut self, place: usize, norm: f32) {
        self.set_bias(place, -norm * norm * (0.5 - 1e-5));
    }

    fn set_bias(&mut self, place: usize, bias: f32) {
        let (block, lane) = (place / LANES, place % LANES);
        if block == self.biases.len() {
            self.biases.push([0.0; LANES]);
        }
        self.biases[block][lane] = bias;
    }

    /// Bytes of it, without its payloads.
    pub(crate) fn bytes(&self, row_bytes: usize) -> usize {
        let scanned = GROUPS * size_of::<LeadBlock>() + (GROUPS + 1) * size_of::<[f32; LANES]>();
        self.blocks() * (scanned + size_of::<Rows>())
            + self.facts.len() * (size_of::<Facts>() + size_of::<Row>() + row_bytes)
    }
}

/// A copy that one more item fits into: growing would copy it once more.
fn with_room<T: Clone>(items: &[T]) -> Vec<T> {
    let mut copy = Vec::with_capacity(items.len() + 1);
    copy.extend_from_slice(items);
    copy
}
