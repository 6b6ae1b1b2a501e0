//! One array of a snapshot.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use inferail_simd::map::{Number, view};

use super::Shared;
use super::layout::{PIECE_BYTES, Part};
use crate::Error;

/// One part of a block, mapped. It keeps its file alive, so that it can stand in for a `Vec` in a long-lived index.
pub struct Section {
    shared: Arc<Shared>,
    part: Part,
    /// Every piece was compared: the way of all calls but the first few.
    is_sound: AtomicBool,
}

impl Section {
    pub(super) fn new(shared: Arc<Shared>, part: Part) -> Self {
        Self {
            shared,
            part,
            is_sound: AtomicBool::new(false),
        }
    }

    /// Bytes of it.
    pub fn len(&self) -> usize {
        self.part.bytes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.part.bytes.is_empty()
    }

    /// All of it. The first call reads it from end to end, later ones cost one load.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] with the first bad piece.
    #[inline]
    pub fn bytes(&self) -> Result<&[u8], Error> {
        if !self.is_sound.load(Ordering::Relaxed) {
            self.shared.checked(&self.part)?;
            self.is_sound.store(true, Ordering::Relaxed);
        }
        Ok(&self.shared.map.as_slice()[self.part.bytes.clone()])
    }

    /// Some of it. Of what was never asked for, the 64 KiB around are read.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] with the first bad piece, also if its bad byte lies beside the range; [`Error::Snapshot`] if the
    /// range is not inside.
    #[inline]
    pub fn range(&self, range: Range<usize>) -> Result<&[u8], Error> {
        let all = &self.shared.map.as_slice()[self.part.bytes.clone()];
        let Some(some) = all.get(range.clone()) else {
            return Err(Error::Snapshot {
                problem: "the part ends before the range does",
            });
        };
        if !self.is_sound.load(Ordering::Relaxed) && !some.is_empty() {
            let first = self.part.first_piece;
            for piece in range.start / PIECE_BYTES..=(range.end - 1) / PIECE_BYTES {
                self.shared.ensure(&self.part, first + piece)?;
            }
        }
        Ok(some)
    }

    /// All of it, as the numbers that were written.
    ///
    /// # Errors
    ///
    /// As [`Section::bytes`]; [`Error::Snapshot`] if it ends inside a number.
    #[inline]
    pub fn numbers<T: Number>(&self) -> Result<&[T], Error> {
        view(self.bytes()?).ok_or(NOT_WHOLE)
    }

    /// Some of it, as the numbers that were written; the range counts numbers.
    ///
    /// # Errors
    ///
    /// As [`Section::range`].
    #[inline]
    pub fn numbers_in<T: Number>(&self, range: Range<usize>) -> Result<&[T], Error> {
        let size = size_of::<T>();
        let bytes = range.start.saturating_mul(size)..range.end.saturating_mul(size);
        view(self.range(bytes)?).ok_or(NOT_WHOLE)
    }
}

const NOT_WHOLE: Error = Error::Snapshot {
    problem: "the part ends inside a number",
};

impl Clone for Section {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            part: self.part.clone(),
            is_sound: AtomicBool::new(self.is_sound.load(Ordering::Relaxed)),
        }
    }
}

impl fmt::Debug for Section {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Section")
            .field("path", &self.shared.path)
            .field("bytes", &self.part.bytes)
            .finish_non_exhaustive()
    }
}
