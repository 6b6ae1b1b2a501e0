//! Which places are taken, and which entries expire next. The writer's own.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::chunk::NEVER;

/// Entries in the order in which they expire are cleaned of those that are gone when half of them are.
const FEW: usize = 1024;

/// The places of a partition.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// Places that were taken and are free again; the last one is taken first, while its memory is warm.
    free: Vec<u32>,
    /// Places that were ever taken.
    used: u32,
    /// When, which key, and where it was.
    expiring: BinaryHeap<Reverse<(u64, u64, u32)>>,
}

impl Places {
    /// Entries there are.
    pub(super) fn taken(&self) -> usize {
        self.used as usize - self.free.len()
    }

    /// Whether less than a quarter of the places, of more than `few`, holds an entry.
    pub(super) fn are_sparse(&self, few: usize) -> bool {
        self.used as usize > few && self.taken() < self.used as usize / 4
    }

    /// A place for an entry.
    pub(super) fn take(&mut self, key: u64, expires: u64) -> u32 {
        let place = self.free.pop().unwrap_or_else(|| {
            self.used += 1;
            self.used - 1
        });
        if expires != NEVER {
            self.expiring.push(Reverse((expires, key, place)));
        }
        place
    }

    /// A place whose entry is gone.
    pub(super) fn give_back(&mut self, place: u32) {
        self.free.push(place);
    }

    /// An entry that expires no later than `now`, taken off the list; it may be gone already.
    pub(super) fn expired(&mut self, now: u64) -> Option<(u64, u32)> {
        let Reverse((expires, _, _)) = self.expiring.peek()?;
        if *expires > now {
            return None;
        }
        self.expiring
            .pop()
            .map(|Reverse((_, key, place))| (key, place))
    }

    /// Whether the list of what expires holds more that is gone than that is there.
    pub(super) fn is_stale(&self) -> bool {
        self.expiring.len() > 2 * self.taken() + FEW
    }

    /// Keeps what `is_there` says is there.
    pub(super) fn clean(&mut self, is_there: impl Fn(u64, u32) -> bool) {
        self.expiring
            .retain(|Reverse((_, key, place))| is_there(*key, *place));
    }
}
