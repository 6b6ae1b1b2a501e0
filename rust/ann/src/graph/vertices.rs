//! Vertices: codes to walk by, numbers to score by, links to follow.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use inferail_simd::logits::f16_to_f32;
use inferail_simd::vectors::{Level, WIDTH};
use inferail_simd::{nibbles, prefetch};

use super::rough::{MIDDLE, Rough};
use super::rows::{Rows, RowsView};
use super::saved::no_graph;
use crate::partition::rows::KeptRef;
use crate::vector::{Kept, Stored, Vector, score};
use crate::{Error, Metric, Precision, Settings};

/// Everything that a search reads.
#[derive(Debug)]
pub(super) struct Vertices {
    pub(super) settings: Settings,
    pub(super) level: Level,
    /// `[places, width]`
    pub(super) codes: Rows<i8>,
    /// `[places, width / 2]`
    pub(super) rough: Rows<u8>,
    pub(super) kept: KeptRows,
    /// How many links a vertex has, then these, `[places, 1 + capacity]`.
    pub(super) links: Rows<u32>,
    /// What a code of 1 is worth, `[places]`.
    pub(super) scales: Vec<f32>,
    /// The same of a rough code, halved, `[places]`.
    pub(super) rough_scales: Vec<f32>,
    /// Half of the square of the length for L2, `[places]`; for other metrics there are none.
    pub(super) biases: Vec<f32>,
    /// `[places]`
    pub(super) keys: Vec<u64>,
    /// Whether a place holds an entry, `[places]`.
    pub(super) live: Vec<bool>,
    /// Entries.
    pub(super) count: usize,
    /// Where every search begins: a sample of the entries.
    pub(super) scouts: Vec<u32>,
    /// The file whose links were not looked at yet.
    unchecked: Option<Unchecked>,
}

#[derive(Debug)]
struct Unchecked {
    path: PathBuf,
    is_sound: AtomicBool,
}

/// The numbers that scores are of.
#[derive(Debug)]
pub(super) enum KeptRows {
    Float32(Rows<f32>),
    Float16(Rows<u16>),
    /// The codes are all there is.
    Int8,
}

/// What a walk reads, without a check.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    level: Level,
    codes: RowsView<'a, i8>,
    rough: RowsView<'a, u8>,
    nibbles: nibbles::Level,
    links: RowsView<'a, u32>,
    scales: &'a [f32],
    rough_scales: &'a [f32],
    biases: &'a [f32],
    pub(super) scouts: &'a [u32],
}

/// What vertices are compared with: codes and the worth of a code of 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) codes: &'a [i8],
    pub(super) scale: f32,
    /// What codes in the middle add up to, doubled.
    middle: i32,
}

impl<'a> Target<'a> {
    pub(super) fn new(codes: &'a [i8], scale: f32) -> Self {
        let sum: i32 = codes.iter().map(|code| i32::from(*code)).sum();
        Self {
            codes,
            scale,
            middle: MIDDLE * sum,
        }
    }
}

impl Vertices {
    pub(super) fn new(settings: Settings, level: Level, capacity: usize) -> Self {
        let width = settings.width();
        Self {
            settings,
            level,
            codes: Rows::new(width),
            rough: Rows::new(width / 2),
            rough_scales: Vec::new(),
            kept: match settings.precision() {
                Precision::Float32 => KeptRows::Float32(Rows::new(width)),
                Precision::Float16 => KeptRows::Float16(Rows::new(width)),
                Precision::Int8 => KeptRows::Int8,
            },
            links: Rows::new(1 + capacity),
            scales: Vec::new(),
            biases: Vec::new(),
            keys: Vec::new(),
            live: Vec::new(),
            count: 0,
            scouts: Vec::new(),
            unchecked: None,
        }
    }

    /// The links are those of the file at `path`, which may lead anywhere.
    pub(super) fn unchecked(&mut self, path: &Path) {
        self.unchecked = Some(Unchecked {
            path: path.to_owned(),
            is_sound: AtomicBool::new(false),
        });
    }

    /// Places, taken or free.
    pub(super) fn places(&self) -> usize {
        self.keys.len()
    }

    /// Those that hold an entry.
    pub(super) fn live_places(&self) -> impl Iterator<Item = u32> {
        let live = self.live.iter().enumerate();
        live.filter_map(|(place, live)| live.then_some(place as u32))
    }

    /// What a walk reads. Of a file, the first call reads it from end to end.
    pub(super) fn view(&self) -> Result<View<'_>, Error> {
        let view = View {
            level: self.level,
            codes: self.codes.view()?,
            rough: self.rough.view()?,
            nibbles: nibbles::Level::best(),
            rough_scales: &self.rough_scales,
            links: self.links.view()?,
            scales: &self.scales,
            biases: &self.biases,
            scouts: &self.scouts,
        };
        if let Some(file) = &self.unchecked
            && !file.is_sound.load(Ordering::Relaxed)
        {
            if !view.is_sound() {
                return Err(no_graph(&file.path));
            }
            file.is_sound.store(true, Ordering::Relaxed);
        }
        Ok(view)
    }

    /// Writes an entry to a place that has none or is the next new one. It has no links and is not found yet.
    pub(super) fn put(&mut self, place: u32, key: u64, stored: &Stored) {
        let index = place as usize;
        if index == self.keys.len() {
            self.keys.push(key);
            self.scales.push(0.0);
            self.rough_scales.push(0.0);
            self.live.push(false);
            if self.settings.metric() == Metric::L2 {
                self.biases.push(0.0);
            }
        }
        self.keys[index] = key;
        self.scales[index] = stored.codes.scale;
        if let Some(bias) = self.biases.get_mut(index) {
            *bias = stored.vector.norm * stored.vector.norm * 0.5;
        }
        self.codes.put(place, &stored.codes.codes);
        let rough = Rough::new(&stored.vector.numbers);
        self.rough.put(place, &rough.codes);
        self.rough_scales[index] = rough.scale;
        match (&mut self.kept, &stored.kept) {
            (KeptRows::Float32(rows), Kept::Float32(numbers)) => rows.put(place, numbers),
            (KeptRows::Float16(rows), Kept::Float16(bits)) => rows.put(place, bits),
            _ => {}
        }
        self.links.put(place, &[0]);
    }

    /// Replaces a vertex's links.
    pub(super) fn link(&mut self, place: u32, links: &[u32]) {
        let mut row = Vec::with_capacity(links.len() + 1);
        row.push(links.len() as u32);
        row.extend_from_slice(links);
        self.links.put(place, &row);
    }

    /// The score of an entry, more is nearer.
    pub(super) fn score(&self, query: &Vector, place: u32) -> Result<f32, Error> {
        let (codes, kept) = match &self.kept {
            KeptRows::Float32(rows) => ([].as_slice(), KeptRef::Float32(rows.row(place)?)),
            KeptRows::Float16(rows) => ([].as_slice(), KeptRef::Float16(rows.row(place)?)),
            KeptRows::Int8 => (self.codes.row(place)?, KeptRef::Int8),
        };
        let metric = self.settings.metric();
        let scale = self.scales[place as usize];
        Ok(score(
            self.level,
            metric,
            &query.numbers,
            codes,
            scale,
            kept,
        ))
    }

    /// Asks for what [`Self::score`] reads, if it is in memory.
    pub(super) fn prefetch_kept(&self, place: u32) {
        match &self.kept {
            KeptRows::Float32(rows) => rows.prefetch(place),
            KeptRows::Float16(rows) => rows.prefetch(place),
            KeptRows::Int8 => {}
        }
    }

    /// The numbers that an entry's score is of, `[dim]`.
    pub(super) fn numbers(&self, place: u32) -> Result<Vec<f32>, Error> {
        let mut numbers: Vec<f32> = match &self.kept {
            KeptRows::Float32(rows) => rows.row(place)?.to_vec(),
            KeptRows::Float16(rows) => {
                let bits = rows.row(place)?.iter();
                bits.map(|bits| f16_to_f32(*bits)).collect()
            }
            KeptRows::Int8 => {
                let scale = self.scales[place as usize];
                let codes = self.codes.row(place)?.iter();
                codes.map(|code| f32::from(*code) * scale).collect()
            }
        };
        numbers.truncate(self.settings.dim());
        Ok(numbers)
    }

    /// Copies what is mapped, so that it can be written.
    pub(super) fn take_into_memory(&mut self) -> Result<(), Error> {
        self.codes.take_into_memory()?;
        self.rough.take_into_memory()?;
        self.links.take_into_memory()?;
        match &mut self.kept {
            KeptRows::Float32(rows) => rows.take_into_memory(),
            KeptRows::Float16(rows) => rows.take_into_memory(),
            KeptRows::Int8 => Ok(()),
        }
    }

    /// Bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        let places = self.places();
        let kept = match &self.kept {
            KeptRows::Float32(rows) => rows.bytes(places),
            KeptRows::Float16(rows) => rows.bytes(places),
            KeptRows::Int8 => 0,
        };
        let small = self.keys.capacity() * size_of::<u64>()
            + (self.scales.capacity() + self.rough_scales.capacity() + self.biases.capacity())
                * size_of::<f32>()
            + self.live.capacity();
        self.codes.bytes(places)
            + self.rough.bytes(places)
            + self.links.bytes(places)
            + kept
            + small
    }
}

impl<'a> View<'a> {
    /// Places, taken or free.
    pub(super) fn places(&self) -> usize {
        self.scales.len()
    }

    #[inline]
    pub(super) fn links(&self, place: u32) -> &'a [u32] {
        let row = self.links.row(place);
        &row[1..=row[0] as usize]
    }

    /// The vertex as what others are compared with.
    #[inline]
    pub(super) fn target(&self, place: u32) -> Target<'a> {
        Target::new(self.codes.row(place), self.scales[place as usize])
    }

    /// How near a vertex is by its codes: a score but for what depends on the target alone.
    #[inline]
    pub(super) fn near(&self, target: Target<'_>, place: u32) -> f32 {
        let product = self.level.dot_codes(target.codes, self.codes.row(place)) as f32;
        let near = product * (target.scale * self.scales[place as usize]);
        match self.biases.get(place as usize) {
            Some(bias) => near - bias,
            None => near,
        }
    }

    /// The same by its rough codes.
    #[inline]
    pub(super) fn roughly_near(&self, target: Target<'_>, place: u32) -> f32 {
        let product = self.nibbles.dot(target.codes, self.rough.row(place));
        let product = (2 * product - target.middle) as f32;
        let near = product * (target.scale * self.rough_scales[place as usize]);
        match self.biases.get(place as usize) {
            Some(bias) => near - bias,
            None => near,
        }
    }

    #[inline]
    pub(super) fn bias(&self, place: u32) -> f32 {
        self.biases.get(place as usize).copied().unwrap_or(0.0)
    }

    /// Asks for what [`Self::roughly_near`] reads.
    #[inline]
    pub(super) fn prefetch_rough(&self, place: u32) {
        let row = self.rough.row(place);
        for line in (0..row.len()).step_by(64) {
            prefetch(row, line);
        }
        prefetch(self.rough_scales, place as usize);
    }

    /// Asks for what [`Self::near`] reads.
    #[inline]
    pub(super) fn prefetch_codes(&self, place: u32) {
        let row = self.codes.row(place);
        for line in (0..row.len()).step_by(WIDTH) {
            prefetch(row, line);
        }
        prefetch(self.scales, place as usize);
    }

    /// Asks for what [`Self::links`] reads.
    #[inline]
    pub(super) fn prefetch_links(&self, place: u32) {
        let row = self.links.row(place);
        for line in (0..row.len()).step_by(WIDTH / size_of::<u32>()) {
            prefetch(row, line);
        }
    }

    /// Whether all links lead to places.
    fn is_sound(&self) -> bool {
        (0..self.places() as u32).all(|place| {
            let row = self.links.row(place);
            let links = row.get(1..=row[0] as usize);
            links.is_some_and(|links| links.iter().all(|link| (*link as usize) < self.places()))
        })
    }
}
