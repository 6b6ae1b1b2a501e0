//! The blocks of one group: who has them, what they are found by, which one goes first.

use std::collections::TryReserveError;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::block::{Block, NONE, ROOT, State};
use super::index::Index;
use super::order::Order;
use crate::hash::Name;
use crate::settings::{Group, Settings};

/// Children that are looked at for a given one before the index is asked, and for common slots after it. Each is a line
/// of memory from anywhere (50 to 100 ns); the one that was found last is the first.
const NEAR: usize = 4;
/// What may be told of a block that changes its content.
pub(super) trait Witness {
    /// A block is evicted.
    fn evicted(&mut self, block: u32, name: Name);
}

/// What a look at the nearest children says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Near {
    Found(u32),
    /// There is none, among all of them.
    Absent,
    /// There are more than were looked at.
    Unknown,
}

/// The beginning of all prompts of one seed.
#[derive(Debug)]
struct Root {
    seed: Name,
    child: u32,
}

#[derive(Debug)]
pub(super) struct Pool {
    /// Those that were ever in use; grows to `capacity`, so that a new pool costs nothing.
    pub(super) blocks: Vec<Block>,
    pub(super) capacity: usize,
    pub(super) block_size: usize,
    /// `[blocks, block_size]` of the group whose tokens are compared; of the others nothing.
    tokens: Vec<u32>,
    has_tokens: bool,
    index: Index,
    roots: Vec<Root>,
    root_of: HashMap<Name, u32>,
    free_roots: Vec<u32>,
    free: u32,
    pub(super) num_free: usize,
    /// Blocks that nobody has and that can be found.
    pub(super) idle: usize,
    pub(super) order: Order,
    pub(super) window: Option<usize>,
    /// Calls so far.
    pub(super) clock: u64,
    /// Milliseconds.
    pub(super) now: u64,
}

impl Pool {
    pub(super) fn new(
        settings: &Settings,
        group: &Group,
        has_tokens: bool,
    ) -> Result<Self, TryReserveError> {
        let mut blocks = Vec::new();
        blocks.try_reserve_exact(group.blocks)?;
        let mut tokens = Vec::new();
        if has_tokens {
            tokens.try_reserve_exact(group.blocks.saturating_mul(settings.block_size))?;
        }
        Ok(Self {
            blocks,
            capacity: group.blocks,
            block_size: settings.block_size,
            tokens,
            has_tokens,
            index: Index::new(group.blocks)?,
            roots: Vec::new(),
            root_of: HashMap::new(),
            free_roots: Vec::new(),
            free: NONE,
            num_free: 0,
            idle: 0,
            order: Order::new(
                settings.policy,
                settings.block_size,
                settings.attention_tokens,
                group.block_bytes,
            ),
            window: group.window,
            clock: 1,
            now: 0,
        })
    }

    /// How many more blocks could be had.
    pub(super) fn available(&self) -> usize {
        self.num_free + (self.capacity - self.blocks.len()) + self.idle
    }

    pub(super) fn named(&self) -> usize {
        self.index.len()
    }

    pub(super) fn block(&self, at: u32) -> &Block {
        &self.blocks[at as usize]
    }

    /// The tokens of a block.
    pub(super) fn tokens(&self, at: u32) -> &[u32] {
        let start = at as usize * self.block_size;
        self.tokens
            .get(start..start + self.block_size)
            .unwrap_or(&[])
    }

    /// Writes tokens into a block from `slot` on.
    pub(super) fn write(&mut self, at: u32, slot: usize, tokens: &[u32]) {
        let start = at as usize * self.block_size + slot;
        let Some(into) = self.tokens.get_mut(start..start + tokens.len()) else {
            return;
        };
        if let (Ok(into), Ok(row)) = (<&mut [u32; 16]>::try_from(&mut *into), tokens.try_into()) {
            let row: &[u32; 16] = row;
            *into = *row;
        } else {
            into.copy_from_slice(tokens);
        }
    }

    /// Copies the first tokens of a block to another.
    pub(super) fn copy_tokens(&mut self, from: u32, to: u32, slots: usize) {
        let (from, to) = (
            from as usize * self.block_size,
            to as usize * self.block_size,
        );
        if from + slots <= self.tokens.len() && to + slots <= self.tokens.len() {
            self.tokens.copy_within(from..from + slots, to);
        }
    }

    /// A block for whoever asked, its only one; the one that goes first, if none is free.
    pub(super) fn take(&mut self, witness: &mut dyn Witness) -> Option<u32> {
        let at = if self.free != NONE {
            let at = self.free;
            self.free = self.blocks[at as usize].after;
            self.num_free -= 1;
            at
        } else if self.blocks.len() < self.capacity {
            self.blocks.push(Block::FREE);
            if self.has_tokens {
                let length = self.blocks.len() * self.block_size;
                self.tokens.resize(length, 0);
            }
            (self.blocks.len() - 1) as u32
        } else {
            let at = self.order.first(self.now)?;
            self.evict(at, witness);
            at
        };
        self.blocks[at as usize] = Block {
            references: 1,
            state: State::Private,
            ..Block::FREE
        };
        Some(at)
    }

    /// Makes the block that goes first a free one. False if none is idle.
    pub(super) fn evict_first(&mut self, witness: &mut dyn Witness) -> bool {
        let Some(at) = self.order.first(self.now) else {
            return false;
        };
        self.evict(at, witness);
        self.set_free(at);
        true
    }

    fn evict(&mut self, at: u32, witness: &mut dyn Witness) {
        witness.evicted(at, self.blocks[at as usize].name);
        self.order.evicted(at);
        self.order.remove(&mut self.blocks, at);
        self.idle -= 1;
        self.unname(at);
    }

    fn set_free(&mut self, at: u32) {
        self.blocks[at as usize] = Block {
            after: self.free,
            ..Block::FREE
        };
        self.free = at;
        self.num_free += 1;
    }

    /// One more has a block.
    pub(super) fn acquire(&mut self, at: u32) {
        if self.blocks[at as usize].is_idle() {
            self.order.remove(&mut self.blocks, at);
            self.idle -= 1;
        }
        self.blocks[at as usize].references += 1;
    }

    /// One less has a block. The blocks of a prompt are let go of from its end.
    pub(super) fn release(&mut self, at: u32) {
        let block = &mut self.blocks[at as usize];
        block.references -= 1;
        if block.references > 0 {
            return;
        }
        block.last_use = self.clock;
        if block.state == State::Named {
            self.idle += 1;
            self.order.insert(&mut self.blocks, at);
        } else {
            self.set_free(at);
        }
    }

    /// Where the children of a prompt's beginning hang.
    pub(super) fn root(&mut self, seed: Name) -> u32 {
        match self.root_of.entry(seed) {
            Entry::Occupied(entry) => ROOT | *entry.get(),
            Entry::Vacant(entry) => {
                let root = Root { seed, child: NONE };
                let number = if let Some(number) = self.free_roots.pop() {
                    self.roots[number as usize] = root;
                    number
                } else {
                    self.roots.push(root);
                    (self.roots.len() - 1) as u32
                };
                ROOT | *entry.insert(number)
            }
        }
    }

    pub(super) fn find_root(&self, seed: Name) -> Option<u32> {
        self.root_of.get(&seed).map(|number| ROOT | number)
    }

    /// What the name of a child is made from.
    pub(super) fn parent_name(&self, parent: u32) -> Name {
        if parent & ROOT != 0 {
            self.roots[(parent & !ROOT) as usize].seed
        } else {
            self.blocks[parent as usize].name
        }
    }

    pub(super) fn first_child(&self, parent: u32) -> u32 {
        if parent & ROOT != 0 {
            self.roots[(parent & !ROOT) as usize].child
        } else {
            self.blocks[parent as usize].child
        }
    }

    fn set_first_child(&mut self, parent: u32, child: u32) {
        if parent & ROOT != 0 {
            self.roots[(parent & !ROOT) as usize].child = child;
        } else {
            self.blocks[parent as usize].child = child;
        }
    }

    /// A child of `parent` with exactly these tokens, if it is among those that were found last.
    pub(super) fn near_child(&self, parent: u32, tokens: &[u32]) -> Near {
        let mut at = self.first_child(parent);
        for _ in 0..NEAR {
            if at == NONE {
                return Near::Absent;
            }
            if is_equal(self.tokens(at), tokens) {
                return Near::Found(at);
            }
            at = self.blocks[at as usize].sibling_after;
        }
        if at == NONE {
            Near::Absent
        } else {
            Near::Unknown
        }
    }

    /// The child that has the most slots in common with `tokens`, and how many.
    pub(super) fn most_common(&self, parent: u32, tokens: &[u32]) -> Option<(u32, usize)> {
        let mut best = None;
        let mut most = 0;
        let mut at = self.first_child(parent);
        for _ in 0..NEAR {
            if at == NONE {
                break;
            }
            let common = self.tokens(at).iter().zip(tokens);
            let common = common.take_while(|(one, other)| one == other).count();
            if common > most {
                (best, most) = (Some((at, common)), common);
            }
            at = self.blocks[at as usize].sibling_after;
        }
        best
    }

    /// The block of a name.
    pub(super) fn find(&self, name: Name) -> Option<u32> {
        self.index.find(&self.blocks, name)
    }

    /// Brings near what the index knows of names that will be asked for.
    pub(super) fn touch(&self, names: &[Name]) {
        self.index.touch(names.iter().copied());
    }

    /// Brings near what has to be known to evict the next blocks, if so many are to be taken that some have to go.
    pub(super) fn touch_next(&self, needed: usize) {
        let without = self.num_free + self.capacity - self.blocks.len();
        if let (Order::List { front, .. }, true) = (&self.order, needed > without) {
            let mut at = *front;
            let names = std::iter::from_fn(|| {
                let block = self.blocks.get(at as usize)?;
                at = block.after;
                Some(block.name)
            });
            self.index.touch(names.take(needed - without));
        }
    }

    /// Whether a block of the right name is what it is taken for: names may be equal, tokens and parent decide.
    pub(super) fn is_same(&self, at: u32, parent: u32, tokens: &[u32]) -> bool {
        (!self.has_tokens || self.tokens(at) == tokens)
            && (self.window.is_some() || self.blocks[at as usize].parent == parent)
    }

    /// A full block, whose pages are written, can be found from now on. Its name must be in no other's.
    pub(super) fn set_name(&mut self, at: u32, name: Name, parent: u32, depth: u32) {
        let block = &mut self.blocks[at as usize];
        block.name = name;
        block.state = State::Named;
        block.depth = depth;
        block.parent = NONE;
        self.index.insert(&mut self.blocks, at);
        // A block of a window is found without its parents, which go before it does.
        if self.window.is_none() {
            self.link(at, parent);
        }
    }

    fn link(&mut self, at: u32, parent: u32) {
        // The parent is in use by whoever names its child, so no order has it.
        let next = self.first_child(parent);
        let block = &mut self.blocks[at as usize];
        block.parent = parent;
        block.sibling_before = NONE;
        block.sibling_after = next;
        if next != NONE {
            self.blocks[next as usize].sibling_before = at;
        }
        self.set_first_child(parent, at);
    }

    fn unlink(&mut self, at: u32) {
        let Block {
            parent,
            sibling_before: before,
            sibling_after: after,
            ..
        } = self.blocks[at as usize];
        if parent == NONE {
            return;
        }
        if before == NONE {
            self.set_first_child(parent, after);
        } else {
            self.blocks[before as usize].sibling_after = after;
        }
        if after != NONE {
            self.blocks[after as usize].sibling_before = before;
        }
        self.blocks[at as usize].parent = NONE;
        if before != NONE || after != NONE {
            return;
        }
        if parent & ROOT != 0 {
            let number = parent & !ROOT;
            self.root_of.remove(&self.roots[number as usize].seed);
            self.free_roots.push(number);
        } else if self.blocks[parent as usize].is_idle() {
            self.order.became_leaf(&self.blocks, parent);
        }
    }

    /// A child was found: the next one who looks finds it first.
    pub(super) fn to_front(&mut self, at: u32) {
        let Block {
            parent,
            sibling_before: before,
            sibling_after: after,
            ..
        } = self.blocks[at as usize];
        if before == NONE || parent == NONE {
            return;
        }
        self.blocks[before as usize].sibling_after = after;
        if after != NONE {
            self.blocks[after as usize].sibling_before = before;
        }
        let next = self.first_child(parent);
        self.blocks[next as usize].sibling_before = at;
        let block = &mut self.blocks[at as usize];
        block.sibling_before = NONE;
        block.sibling_after = next;
        self.set_first_child(parent, at);
    }

    /// A block cannot be found any more. It has no children.
    fn unname(&mut self, at: u32) {
        self.index.remove(&mut self.blocks, at);
        self.unlink(at);
        self.order.forget(at);
        self.blocks[at as usize].state = State::Private;
    }

    /// A block's pages are not what its name says: neither it nor what continues it is found again. Tells the names.
    pub(super) fn forget(&mut self, at: u32, forgotten: &mut Vec<(u32, Name)>) {
        let first = forgotten.len();
        forgotten.push((at, self.blocks[at as usize].name));
        let mut next = first;
        while next < forgotten.len() {
            let mut child = self.blocks[forgotten[next].0 as usize].child;
            while child != NONE {
                let block = &self.blocks[child as usize];
                forgotten.push((child, block.name));
                child = block.sibling_after;
            }
            next += 1;
        }
        for index in (first..forgotten.len()).rev() {
            let (at, _) = forgotten[index];
            let is_idle = self.blocks[at as usize].is_idle();
            if is_idle {
                self.order.remove(&mut self.blocks, at);
                self.idle -= 1;
            }
            self.unname(at);
            if is_idle {
                self.set_free(at);
            }
        }
    }

    /// How many blocks the list of free ones has, for whoever checks.
    pub(super) fn count_free_list(&self) -> usize {
        let mut count = 0;
        let mut at = self.free;
        while at != NONE && count <= self.blocks.len() {
            count += 1;
            at = self.blocks[at as usize].after;
        }
        count
    }
}

/// Equality of rows, without a call for those of 16 tokens: 5 % of the time of a request.
fn is_equal(one: &[u32], other: &[u32]) -> bool {
    let (Ok(one), Ok(other)) = (<&[u32; 16]>::try_from(one), <&[u32; 16]>::try_from(other)) else {
        return one == other;
    };
    one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}
