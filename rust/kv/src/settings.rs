//! What a cache is made of.

use crate::Error;

/// Most blocks of a pool: a block table is of int32, and one bit of a block's number is used inside.
pub const MAX_BLOCKS: usize = (1 << 31) - 2;
/// Most tokens of a block.
pub const MAX_BLOCK_SIZE: usize = 1 << 16;

/// Which block goes first when none is free. A block that others continue never goes before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Policy {
    /// The one that was in use the longest time ago.
    Lru,
    /// The one that was found the fewest times, then the oldest.
    Lfu,
    /// The one of the lowest priority, then the oldest; a priority holds for its time to live, then it is 0.
    Priority,
    /// The one that is cheapest to do without: what it costs to compute again, which grows with its depth, times how often
    /// it was found, by its bytes; ageing as in Greedy-Dual-Size-Frequency (Cherkasova, 1998).
    Cost,
}

/// Layers that share a pool of blocks and a block table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Group {
    /// Blocks of its pool.
    pub blocks: usize,
    /// How many of the last tokens its layers look at; all of them without.
    pub window: Option<usize>,
    /// Bytes of a block, for [`Policy::Cost`].
    pub block_bytes: usize,
}

impl Group {
    /// A pool for layers that look at everything.
    pub const fn full(blocks: usize) -> Self {
        Self {
            blocks,
            window: None,
            block_bytes: 1,
        }
    }
}

/// Everything about a manager that does not change.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Settings {
    /// Tokens of a block, of every group.
    pub block_size: usize,
    /// The groups; most models have one.
    pub groups: Vec<Group>,
    /// Which block goes first.
    pub policy: Policy,
    /// The first id that is no token, if ids are to be checked.
    pub vocabulary: Option<u32>,
    /// Whether the slots that a prompt has in common with a block are copied, instead of computed again.
    pub partial: bool,
    /// Whether evicted blocks are told, for a tier below.
    pub offload: bool,
    /// Whether what was stored and removed is told, for routers.
    pub events: bool,
    /// Tokens at which attention costs as much as the rest of the model, for [`Policy::Cost`]. About 6 times the hidden
    /// size: 12 h² for the rest of a layer against 2 n h of attention.
    pub attention_tokens: usize,
}

impl Settings {
    /// One group of layers that look at everything, the oldest block goes first.
    pub fn new(block_size: usize, blocks: usize) -> Self {
        Self {
            block_size,
            groups: vec![Group::full(blocks)],
            policy: Policy::Lru,
            vocabulary: None,
            partial: true,
            offload: false,
            events: false,
            attention_tokens: 24_576,
        }
    }

    /// Whether all of it means something.
    ///
    /// # Errors
    /// [`Error::Parameter`] says what does not.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |name, expected, value: String| {
            Err(Error::Parameter {
                name,
                expected,
                value,
            })
        };
        if !(1..=MAX_BLOCK_SIZE).contains(&self.block_size) {
            return wrong("block_size", "1 to 65536", self.block_size.to_string());
        }
        if self.groups.is_empty() || self.groups.len() > 64 {
            return wrong("groups", "1 to 64 groups", self.groups.len().to_string());
        }
        for group in &self.groups {
            if !(1..=MAX_BLOCKS).contains(&group.blocks) {
                return wrong("blocks", "1 to 2147483646", group.blocks.to_string());
            }
            if group.window == Some(0) {
                return wrong("window", "1 or more tokens", "0".to_owned());
            }
        }
        if self.vocabulary == Some(0) {
            return wrong("vocabulary", "1 or more", "0".to_owned());
        }
        if self.attention_tokens == 0 {
            return wrong("attention_tokens", "1 or more", "0".to_owned());
        }
        Ok(())
    }
}
