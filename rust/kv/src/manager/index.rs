//! Blocks by their names: heads of chains that run through the blocks.

use std::collections::TryReserveError;
use std::hint::black_box;

use super::block::{Block, NONE};
use crate::hash::Name;

/// Two heads for each block that there may be, so a chain has rarely two blocks.
///
/// A table of 100,000 blocks is larger than the nearest caches, and a look at it is a wait for memory. hashbrown has two
/// lines to wait for (its tags and its entry), this has one, which a call can ask for early for all of its names
/// ([`Index::touch`]): 3.9 instead of 5.4 µs for a request with 32 new blocks (`cargo bench -p inferail-benches --bench
/// kv`, a quiet core, 2026-11-27). It never grows either.
#[derive(Debug)]
pub(super) struct Index {
    heads: Vec<u32>,
    len: usize,
}

impl Index {
    pub(super) fn new(blocks: usize) -> Result<Self, TryReserveError> {
        let size = (2 * blocks).next_power_of_two();
        let mut heads = Vec::new();
        heads.try_reserve_exact(size)?;
        heads.resize(size, NONE);
        Ok(Self { heads, len: 0 })
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    fn place(&self, name: Name) -> usize {
        name as usize & (self.heads.len() - 1)
    }

    /// Brings what is known of names near, all at once instead of one after another.
    pub(super) fn touch(&self, names: impl Iterator<Item = Name>) {
        let heads = names.map(|name| self.heads[self.place(name)]);
        // Its only use is that it is read.
        black_box(heads.fold(0, |all, head| all ^ head));
    }

    pub(super) fn find(&self, blocks: &[Block], name: Name) -> Option<u32> {
        let mut at = self.heads[self.place(name)];
        while at != NONE {
            let block = &blocks[at as usize];
            if block.name == name {
                return Some(at);
            }
            at = block.chain;
        }
        None
    }

    /// Adds a block that has its name, which no other has.
    pub(super) fn insert(&mut self, blocks: &mut [Block], at: u32) {
        let place = self.place(blocks[at as usize].name);
        blocks[at as usize].chain = self.heads[place];
        self.heads[place] = at;
        self.len += 1;
    }

    /// Removes a block that is there.
    pub(super) fn remove(&mut self, blocks: &mut [Block], at: u32) {
        let Block { name, chain, .. } = blocks[at as usize];
        let place = self.place(name);
        let mut other = self.heads[place];
        if other == at {
            self.heads[place] = chain;
            self.len -= 1;
            return;
        }
        while other != NONE {
            let next = blocks[other as usize].chain;
            if next == at {
                blocks[other as usize].chain = chain;
                self.len -= 1;
                return;
            }
            other = next;
        }
    }
}
