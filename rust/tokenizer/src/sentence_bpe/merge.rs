//! Merging the symbols of a fragment, in the order of ranks.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::pairs::{Merge, NEVER, Pairs};

/// Up to so many symbols the lowest rank is looked for in a row; above, in a heap.
const SHORT: usize = 48;

/// The symbols of a stretch of text, merged in place. Kept from one use to the next for its memory.
#[derive(Debug, Default)]
pub(crate) struct Symbols {
    /// What is left after merging, in order.
    pub(crate) ids: Vec<u32>,
    /// Where each ends, in bytes from the beginning of the stretch.
    pub(crate) ends: Vec<u32>,
    ranks: Vec<u32>,
    merged: Vec<u32>,
    previous: Vec<u32>,
    next: Vec<u32>,
    heap: BinaryHeap<Reverse<u64>>,
}

/// No neighbour.
const EDGE: u32 = u32::MAX;

impl Symbols {
    pub(crate) fn clear(&mut self) {
        self.ids.clear();
        self.ends.clear();
    }

    #[inline]
    pub(crate) fn push(&mut self, symbol: u32, end: u32) {
        self.ids.push(symbol);
        self.ends.push(end);
    }

    /// Merges until no two neighbours do.
    pub(crate) fn merge(&mut self, pairs: &Pairs) {
        self.ranks.clear();
        self.merged.clear();
        for pair in self.ids.windows(2) {
            let Merge { rank, symbol } = pairs.get(pair[0], pair[1]);
            self.ranks.push(rank);
            self.merged.push(symbol);
        }
        if self.ids.len() <= SHORT {
            self.merge_short(pairs);
        } else {
            self.merge_long(pairs);
        }
    }

    fn merge_short(&mut self, pairs: &Pairs) {
        let Self {
            ids,
            ends,
            ranks,
            merged,
            ..
        } = self;
        loop {
            let mut at = 0;
            let mut lowest = u32::MAX;
            for (index, &rank) in ranks.iter().enumerate() {
                if rank < lowest {
                    (at, lowest) = (index, rank);
                }
            }
            if lowest == u32::MAX {
                return;
            }
            ids[at] = merged[at];
            ids.remove(at + 1);
            ends.remove(at);
            ranks.remove(at);
            merged.remove(at);
            if at < ranks.len() {
                let merge = pairs.get(ids[at], ids[at + 1]);
                (ranks[at], merged[at]) = (merge.rank, merge.symbol);
            }
            if at > 0 {
                let merge = pairs.get(ids[at - 1], ids[at]);
                (ranks[at - 1], merged[at - 1]) = (merge.rank, merge.symbol);
            }
        }
    }

    fn merge_long(&mut self, pairs: &Pairs) {
        let len = self.ids.len();
        self.ranks.push(NEVER.rank);
        self.merged.push(NEVER.symbol);
        self.previous.clear();
        self.previous
            .extend((0..len as u32).map(|at| at.wrapping_sub(1)));
        self.next.clear();
        self.next.extend(1..len as u32);
        self.next.push(EDGE);
        let candidates = self.ranks.iter().enumerate();
        let mut heap = std::mem::take(&mut self.heap).into_vec();
        heap.clear();
        heap.extend(
            candidates
                .filter(|(_, rank)| **rank != NEVER.rank)
                .map(entry),
        );
        self.heap = heap.into();
        while let Some(Reverse(entry)) = self.heap.pop() {
            let at = entry as u32 as usize;
            // The symbol has merged with another one since, or is gone.
            if self.ranks[at] != (entry >> 32) as u32 {
                continue;
            }
            self.join(at, pairs);
        }
        let mut kept = 0;
        for at in 0..len {
            if self.ids[at] != GONE {
                (self.ids[kept], self.ends[kept]) = (self.ids[at], self.ends[at]);
                kept += 1;
            }
        }
        self.ids.truncate(kept);
        self.ends.truncate(kept);
    }

    /// Merges the symbol at `at` with the next one.
    fn join(&mut self, at: usize, pairs: &Pairs) {
        let right = self.next[at] as usize;
        self.ids[at] = self.merged[at];
        self.ends[at] = self.ends[right];
        self.ids[right] = GONE;
        self.ranks[right] = NEVER.rank;
        let after = self.next[right];
        self.next[at] = after;
        if after != EDGE {
            self.previous[after as usize] = at as u32;
        }
        self.rank(at, after, pairs);
        let before = self.previous[at];
        if before != EDGE {
            self.rank(before as usize, at as u32, pairs);
        }
    }

    /// Looks up the pair of `at` and `next` again.
    fn rank(&mut self, at: usize, next: u32, pairs: &Pairs) {
        let merge = match next {
            EDGE => NEVER,
            next => pairs.get(self.ids[at], self.ids[next as usize]),
        };
        (self.ranks[at], self.merged[at]) = (merge.rank, merge.symbol);
        if merge != NEVER {
            self.heap.push(entry((at, &merge.rank)));
        }
    }
}

/// A symbol that is part of another one now.
const GONE: u32 = u32::MAX - 1;

fn entry((at, rank): (usize, &u32)) -> Reverse<u64> {
    Reverse(u64::from(*rank) << 32 | at as u64)
}
