//! The vectors of entries with their payloads: in memory, or in a snapshot where it is mapped.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use inferail_simd::logits::f16_to_f32;
use inferail_simd::vectors::{LANES, Level};

use crate::storage::Section;
use crate::vector::{Kept, Vector};
use crate::{Error, Precision};

/// A vector and what belongs to it.
#[derive(Debug)]
pub(crate) struct Row {
    codes: Box<[i8]>,
    kept: Kept,
    /// Dropped with the entry, while the row stays until its place is taken.
    payload: Mutex<Option<Arc<[u8]>>>,
}

/// The rows of a chunk of a snapshot.
#[derive(Debug)]
pub(crate) struct MappedRows {
    pub(crate) width: usize,
    pub(crate) precision: Precision,
    /// `[rows, width]`
    pub(crate) codes: Section,
    /// `[rows, width]`; empty where the codes are all there is.
    pub(crate) kept: Section,
    /// Where the payload of each row ends, and whether it has one, `[rows]`; see [`super::saved`].
    pub(crate) ends: Section,
    /// The payloads, one behind the other.
    pub(crate) payloads: Section,
}

/// The bit of an end that says that there is a payload.
pub(crate) const HAS_PAYLOAD: u64 = 1 << 63;

/// Sixteen rows, each written once.
#[derive(Debug)]
pub(crate) struct Rows {
    own: [OnceLock<Arc<Row>>; LANES],
    /// What is not their own is there, from that row on.
    mapped: Option<(Arc<MappedRows>, usize)>,
}

/// One row, wherever it is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RowRef<'a> {
    Own(&'a Row),
    Mapped(&'a MappedRows, usize),
}

/// Kept numbers, wherever they are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum KeptRef<'a> {
    Float32(&'a [f32]),
    Float16(&'a [u16]),
    /// The codes are all there is.
    Int8,
}

impl Row {
    pub(crate) fn new(codes: Box<[i8]>, kept: Kept, payload: Option<Arc<[u8]>>) -> Self {
        Self {
            codes,
            kept,
            payload: Mutex::new(payload),
        }
    }
}

impl Rows {
    pub(crate) fn new() -> Self {
        Self {
            own: [const { OnceLock::new() }; LANES],
            mapped: None,
        }
    }

    pub(crate) fn of_mapped(rows: Arc<MappedRows>, first: usize) -> Self {
        Self {
            mapped: Some((rows, first)),
            ..Self::new()
        }
    }

    /// The row of a lane that is or was taken.
    #[inline]
    pub(crate) fn get(&self, lane: usize) -> Option<RowRef<'_>> {
        if let Some(row) = self.own[lane].get() {
            return Some(RowRef::Own(row));
        }
        let (rows, first) = self.mapped.as_ref()?;
        Some(RowRef::Mapped(rows, first + lane))
    }

    /// Writes a row to a lane that holds no entry: in place where it was never taken, else to a copy.
    pub(crate) fn put(this: &mut Arc<Self>, lane: usize, row: Arc<Row>) {
        // Readers of an older chunk may still look at what was here before.
        let is_new = this.mapped.is_none() && this.own[lane].set(Arc::clone(&row)).is_ok();
        if !is_new {
            *this = Arc::new(this.with(lane, row));
        }
    }

    fn with(&self, lane: usize, row: Arc<Row>) -> Self {
        let mut copy = Self {
            own: std::array::from_fn(|lane| self.own[lane].clone()),
            mapped: self.mapped.clone(),
        };
        copy.own[lane] = OnceLock::from(row);
        copy
    }
}

impl<'a> RowRef<'a> {
    /// `[width]`
    #[inline]
    pub(crate) fn codes(self) -> Result<&'a [i8], Error> {
        match self {
            Self::Own(row) => Ok(&row.codes),
            Self::Mapped(rows, row) => rows.codes.numbers_in(rows.range(row)),
        }
    }

    /// The numbers that the score is of.
    #[inline]
    pub(crate) fn kept(self) -> Result<KeptRef<'a>, Error> {
        Ok(match self {
            Self::Own(row) => match &row.kept {
                Kept::Float32(numbers) => KeptRef::Float32(numbers),
                Kept::Float16(bits) => KeptRef::Float16(bits),
                Kept::Int8 => KeptRef::Int8,
            },
            Self::Mapped(rows, row) => match rows.precision {
                Precision::Float32 => KeptRef::Float32(rows.kept.numbers_in(rows.range(row))?),
                Precision::Float16 => KeptRef::Float16(rows.kept.numbers_in(rows.range(row))?),
                Precision::Int8 => KeptRef::Int8,
            },
        })
    }

    /// The vector that the kept numbers are.
    pub(crate) fn vector(self, level: Level, scale: f32) -> Result<Vector, Error> {
        let numbers = match self.kept()? {
            KeptRef::Float32(numbers) => numbers.into(),
            KeptRef::Float16(bits) => bits.iter().map(|bits| f16_to_f32(*bits)).collect(),
            KeptRef::Int8 => self
                .codes()?
                .iter()
                .map(|code| f32::from(*code) * scale)
                .collect(),
        };
        Ok(Vector::of_kept(level, numbers))
    }

    pub(crate) fn payload(self) -> Result<Option<Arc<[u8]>>, Error> {
        match self {
            Self::Own(row) => Ok(row
                .payload
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone()),
            Self::Mapped(rows, row) => rows.payload(row),
        }
    }

    /// Gives the payload's memory back.
    pub(crate) fn drop_payload(self) {
        if let Self::Own(row) = self {
            *row.payload.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// The row as one in memory.
    pub(crate) fn share(rows: &Rows, lane: usize) -> Result<Option<Arc<Row>>, Error> {
        if let Some(row) = rows.own[lane].get() {
            return Ok(Some(Arc::clone(row)));
        }
        let Some(row) = rows.get(lane) else {
            return Ok(None);
        };
        let kept = match row.kept()? {
            KeptRef::Float32(numbers) => Kept::Float32(numbers.into()),
            KeptRef::Float16(bits) => Kept::Float16(bits.into()),
            KeptRef::Int8 => Kept::Int8,
        };
        let row = Row::new(row.codes()?.into(), kept, row.payload()?);
        Ok(Some(Arc::new(row)))
    }
}

impl MappedRows {
    fn range(&self, row: usize) -> std::ops::Range<usize> {
        row * self.width..(row + 1) * self.width
    }

    fn payload(&self, row: usize) -> Result<Option<Arc<[u8]>>, Error> {
        let end = self.ends.numbers_in::<u64>(row..row + 1)?[0];
        if end & HAS_PAYLOAD == 0 {
            return Ok(None);
        }
        let start = match row.checked_sub(1) {
            Some(before) => self.ends.numbers_in::<u64>(before..row)?[0] & !HAS_PAYLOAD,
            None => 0,
        };
        let range = start as usize..(end & !HAS_PAYLOAD) as usize;
        Ok(Some(self.payloads.range(range)?.into()))
    }
}
