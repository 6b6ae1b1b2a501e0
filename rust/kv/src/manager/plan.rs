//! What has to happen to pages, as data.

use super::pool::Witness;
use crate::hash::Name;

/// A block leaves the pool, and its pages with it: copy them first, if a tier below is to have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offload {
    /// Whose pool.
    pub group: u32,
    /// The block.
    pub block: u32,
    /// What its content is found by.
    pub name: Name,
}

/// A block whose pages a tier below has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Whose pool.
    pub group: u32,
    /// Where to.
    pub block: u32,
    /// What its content is found by.
    pub name: Name,
}

/// Slots that two prompts have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copy {
    /// Whose pool.
    pub group: u32,
    /// Where from.
    pub from: u32,
    /// Where to.
    pub to: u32,
    /// How many, from the block's first on.
    pub slots: u32,
}

/// What has to happen to pages before the model runs: all offloads, then all loads, then the copies, each in order.
///
/// Until [`super::Manager::finish`] the blocks that copies and loads touch are kept from being taken by others.
#[derive(Debug, Default)]
pub struct Plan {
    /// First.
    pub offloads: Vec<Offload>,
    /// Second.
    pub loads: Vec<Load>,
    /// Third.
    pub copies: Vec<Copy>,
    /// Blocks that are kept, with their groups; let go of in this order, a block before the one that it continues.
    pub(super) held: Vec<(u32, u32)>,
}

impl Plan {
    /// Whether no page has to move.
    pub fn is_empty(&self) -> bool {
        self.offloads.is_empty() && self.loads.is_empty() && self.copies.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.offloads.clear();
        self.loads.clear();
        self.copies.clear();
    }
}

/// Something that routers want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A block can be found.
    Stored {
        /// Whose pool.
        group: u32,
        /// The block.
        block: u32,
        /// Its name.
        name: Name,
        /// The name of the block before it, or the seed of the prompt.
        parent: Name,
        /// Its tokens.
        tokens: Box<[u32]>,
    },
    /// A block can be found no more.
    Removed {
        /// Whose pool.
        group: u32,
        /// The block.
        block: u32,
        /// Its name.
        name: Name,
    },
}

/// Events that were not fetched: more are dropped, the oldest first.
const MAX_EVENTS: usize = 1 << 20;

/// Events since they were fetched last.
#[derive(Debug, Default)]
pub(super) struct Events {
    pub(super) waiting: std::collections::VecDeque<Event>,
    pub(super) dropped: u64,
}

impl Events {
    pub(super) fn push(&mut self, event: Event) {
        if self.waiting.len() == MAX_EVENTS {
            self.waiting.pop_front();
            self.dropped += 1;
        }
        self.waiting.push_back(event);
    }
}

/// Writes what a pool does into the plan and the events.
pub(super) struct Telling<'a> {
    pub(super) group: u32,
    pub(super) offloads: Option<&'a mut Vec<Offload>>,
    pub(super) events: Option<&'a mut Events>,
    pub(super) evictions: &'a mut u64,
}

impl Witness for Telling<'_> {
    fn evicted(&mut self, block: u32, name: Name) {
        *self.evictions += 1;
        let group = self.group;
        if let Some(offloads) = &mut self.offloads {
            offloads.push(Offload { group, block, name });
        }
        if let Some(events) = &mut self.events {
            events.push(Event::Removed { group, block, name });
        }
    }
}
