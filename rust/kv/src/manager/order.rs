//! Which of the idle blocks goes first.

use std::collections::BTreeSet;

use super::block::{Block, NONE};
use crate::settings::Policy;

/// The time at which a priority ends that does not end.
pub(super) const NEVER: u64 = u64::MAX;

/// Idle blocks, in the order in which they go.
///
/// With LRU it is a list through the blocks themselves. Whoever uses a block uses its parents too, and lets go of them
/// after it, so a parent always stands behind its children: the front is a leaf. The other policies keep a tree of the
/// leaves alone; a parent enters it when its last child has gone.
#[derive(Debug)]
pub(super) enum Order {
    List { front: u32, back: u32 },
    Tree(Tree),
}

#[derive(Debug)]
pub(super) struct Tree {
    policy: Policy,
    leaves: BTreeSet<(u64, u32)>,
    /// The key of a block that is among `leaves`, by its number.
    keys: Vec<u64>,
    /// Milliseconds at which a priority ends, by block, or [`NEVER`].
    ends: Vec<u64>,
    /// Those leaves whose priority ends.
    ending: BTreeSet<(u64, u32)>,
    /// What the block that went last was worth; what is let go of later starts from it.
    level: f64,
    /// What a token's depth adds to its cost.
    cost_of_depth: f64,
    block_bytes: f64,
}

impl Order {
    pub(super) fn new(
        policy: Policy,
        block_size: usize,
        attention_tokens: usize,
        bytes: usize,
    ) -> Self {
        if policy == Policy::Lru {
            return Self::List {
                front: NONE,
                back: NONE,
            };
        }
        Self::Tree(Tree {
            policy,
            leaves: BTreeSet::new(),
            keys: Vec::new(),
            ends: Vec::new(),
            ending: BTreeSet::new(),
            level: 0.0,
            cost_of_depth: block_size as f64 / attention_tokens as f64,
            block_bytes: bytes.max(1) as f64,
        })
    }

    /// A block has become idle.
    pub(super) fn insert(&mut self, blocks: &mut [Block], at: u32) {
        match self {
            Self::List { front, back } => {
                blocks[at as usize].before = *back;
                blocks[at as usize].after = NONE;
                match *back {
                    NONE => *front = at,
                    last => blocks[last as usize].after = at,
                }
                *back = at;
            }
            Self::Tree(tree) => {
                if blocks[at as usize].child == NONE {
                    tree.insert(&blocks[at as usize], at);
                }
            }
        }
    }

    /// An idle block is idle no more.
    pub(super) fn remove(&mut self, blocks: &mut [Block], at: u32) {
        match self {
            Self::List { front, back } => {
                let Block { before, after, .. } = blocks[at as usize];
                match before {
                    NONE => *front = after,
                    one => blocks[one as usize].after = after,
                }
                match after {
                    NONE => *back = before,
                    one => blocks[one as usize].before = before,
                }
            }
            Self::Tree(tree) => {
                if blocks[at as usize].child == NONE {
                    tree.remove(at);
                }
            }
        }
    }

    /// An idle block has lost its last child.
    pub(super) fn became_leaf(&mut self, blocks: &[Block], at: u32) {
        if let Self::Tree(tree) = self {
            tree.insert(&blocks[at as usize], at);
        }
    }

    /// The block that goes first at `now`, in milliseconds. It stays where it is.
    pub(super) fn first(&self, now: u64) -> Option<u32> {
        match self {
            Self::List { front, .. } => (*front != NONE).then_some(*front),
            Self::Tree(tree) => tree.first(now),
        }
    }

    /// The block that `first` said is evicted.
    pub(super) fn evicted(&mut self, at: u32) {
        if let Self::Tree(tree) = self
            && tree.policy == Policy::Cost
        {
            tree.level = f64::from_bits(tree.key(at));
        }
    }

    /// A block is used with a priority, which ends at a time in milliseconds; at [`NEVER`], if it does not.
    pub(super) fn set_priority(
        &mut self,
        block: &mut Block,
        at: u32,
        priority: (u8, u64),
        now: u64,
    ) {
        let Self::Tree(tree) = self else { return };
        if tree.policy != Policy::Priority {
            return;
        }
        let end = grown(&mut tree.ends, at, NEVER);
        let (mut level, mut ends) = priority;
        let is_over = *end <= now;
        if block.priority > level && !is_over {
            (level, ends) = (block.priority, *end);
        } else if block.priority == level && !is_over {
            ends = ends.max(*end);
        }
        block.priority = level;
        *end = ends;
    }

    /// A block has other content now.
    pub(super) fn forget(&mut self, at: u32) {
        if let Self::Tree(tree) = self
            && let Some(end) = tree.ends.get_mut(at as usize)
        {
            *end = NEVER;
        }
    }

    /// The blocks in it, for whoever checks.
    pub(super) fn members(&self, blocks: &[Block]) -> Vec<u32> {
        match self {
            Self::List { front, .. } => {
                let mut members = Vec::new();
                let mut at = *front;
                // No longer than there are blocks: a damaged list may be a circle.
                while at != NONE && members.len() <= blocks.len() {
                    members.push(at);
                    at = blocks[at as usize].after;
                }
                members
            }
            Self::Tree(tree) => tree.leaves.iter().map(|(_, at)| *at).collect(),
        }
    }

    /// Whether it has every idle block, or only those without children.
    pub(super) const fn has_parents(&self) -> bool {
        matches!(self, Self::List { .. })
    }
}

impl Tree {
    fn insert(&mut self, block: &Block, at: u32) {
        let key = match self.policy {
            Policy::Lru => block.last_use,
            Policy::Lfu => two(block.hits.into(), block.last_use),
            Policy::Priority => two(block.priority.into(), block.last_use),
            Policy::Cost => {
                let cost = 1.0 + f64::from(block.depth) * self.cost_of_depth;
                let worth = cost * f64::from(block.hits + 1) / self.block_bytes;
                // Numbers of 0 and more have the order of their bits.
                (self.level + worth).to_bits()
            }
        };
        *grown(&mut self.keys, at, 0) = key;
        self.leaves.insert((key, at));
        let end = self.ends.get(at as usize).copied().unwrap_or(NEVER);
        if end != NEVER {
            self.ending.insert((end, at));
        }
    }

    fn remove(&mut self, at: u32) {
        self.leaves.remove(&(self.key(at), at));
        let end = self.ends.get(at as usize).copied().unwrap_or(NEVER);
        if end != NEVER {
            self.ending.remove(&(end, at));
        }
    }

    fn key(&self, at: u32) -> u64 {
        self.keys.get(at as usize).copied().unwrap_or(0)
    }

    fn first(&self, now: u64) -> Option<u32> {
        if let Some((end, at)) = self.ending.first()
            && *end <= now
        {
            return Some(*at);
        }
        self.leaves.first().map(|(_, at)| *at)
    }
}

/// A number that counts before a time.
fn two(first: u64, time: u64) -> u64 {
    (first.min((1 << 24) - 1) << 40) | (time & ((1 << 40) - 1))
}

fn grown(numbers: &mut Vec<u64>, at: u32, empty: u64) -> &mut u64 {
    let at = at as usize;
    if numbers.len() <= at {
        numbers.resize(at + 1, empty);
    }
    &mut numbers[at]
}
