//! What is known of a sequence.

use super::block::NONE;
use crate::hash::Name;

/// A sequence of a manager. Wrong after its release, even when its place is used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SequenceId {
    pub(super) place: u32,
    pub(super) generation: u32,
}

/// What a prompt is opened with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Opening {
    /// What its chain of names begins with; [`super::Manager::seed`] makes one of a salt, an adapter and other inputs.
    pub seed: Option<Name>,
    /// How long its blocks are worth keeping, for [`crate::Policy::Priority`]; the highest of those who use a block counts.
    pub priority: u8,
    /// How many milliseconds the priority holds; for ever without.
    pub ttl: Option<u64>,
}

#[derive(Debug, Default)]
pub(super) struct Sequence {
    pub(super) generation: u32,
    pub(super) is_live: bool,
    /// Tokens.
    pub(super) length: usize,
    /// Tokens whose K and V are in the pages.
    pub(super) written: usize,
    /// Tokens whose K and V were there when it was opened.
    pub(super) cached: usize,
    /// Blocks, from the first one on, that were given their names.
    pub(super) named: usize,
    /// Another block has the name of one of its own: nothing more is named.
    pub(super) is_sealed: bool,
    pub(super) seed: Name,
    /// The name of the last block that has one; the seed before.
    pub(super) chain: Name,
    pub(super) priority: u8,
    pub(super) ttl: Option<u64>,
    /// By group.
    pub(super) tables: Vec<Vec<u32>>,
    /// By group: blocks, from the first one on, that were given back because they are outside of the window.
    pub(super) given_back: Vec<usize>,
}

impl Sequence {
    /// Makes a place that was used before ready for another sequence; its tables keep their memory.
    pub(super) fn reset(&mut self, groups: usize) {
        self.is_live = true;
        self.length = 0;
        self.written = 0;
        self.cached = 0;
        self.named = 0;
        self.is_sealed = false;
        self.tables.resize_with(groups, Vec::new);
        self.given_back.clear();
        self.given_back.resize(groups, 0);
        for table in &mut self.tables {
            table.clear();
        }
    }

    pub(super) fn last_block(&self, group: usize) -> u32 {
        self.tables[group].last().copied().unwrap_or(NONE)
    }
}
