//! Which block goes first.

use std::collections::BTreeMap;

use super::Key;

/// What comes first is given up first: low priority before high, and of one priority what was used longest ago.
pub(super) type Rank = (u8, u64);

/// Keys in the order in which they are given up.
#[derive(Debug, Default)]
pub(super) struct Order {
    clock: u64,
    keys: BTreeMap<Rank, Key>,
}

impl Order {
    /// Puts a key in, used now.
    pub(super) fn insert(&mut self, key: Key, priority: u8) -> Rank {
        self.clock += 1;
        let rank = (priority, self.clock);
        self.keys.insert(rank, key);
        rank
    }

    /// Takes a key out.
    pub(super) fn remove(&mut self, rank: Rank) {
        self.keys.remove(&rank);
    }

    /// A key that has been used now.
    pub(super) fn touch(&mut self, rank: Rank) -> Rank {
        match self.keys.remove(&rank) {
            Some(key) => self.insert(key, rank.0),
            None => rank,
        }
    }

    /// All keys, the first one to be given up first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Rank, Key)> + '_ {
        self.keys.iter().map(|(rank, key)| (*rank, *key))
    }
}
