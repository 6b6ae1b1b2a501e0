//! What is known of a block besides its pages: 64 bytes, one line of the processor's cache.

use crate::hash::Name;

/// No block.
pub(super) const NONE: u32 = u32::MAX;
/// In a parent: the rest is the number of a root.
pub(super) const ROOT: u32 = 1 << 31;

/// What a block is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum State {
    /// Nobody's; in the list of free blocks.
    Free,
    /// Somebody's, and found by nobody else.
    Private,
    /// In the index: full, and its pages are written. In use or waiting to be found again.
    Named,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    /// What it is found by.
    pub(super) name: Name,
    /// The block before it in its prompt, or a root.
    pub(super) parent: u32,
    /// The child that was named or found last.
    pub(super) child: u32,
    /// The other children of its parent.
    pub(super) sibling_before: u32,
    pub(super) sibling_after: u32,
    /// Its neighbours in the list of free blocks or of idle ones.
    pub(super) before: u32,
    pub(super) after: u32,
    /// Sequences, and moves of a plan, that have it.
    pub(super) references: u32,
    /// The next block of its chain in the index.
    pub(super) chain: u32,
    /// How often it was found.
    pub(super) hits: u16,
    /// When it was let go of last, in calls.
    pub(super) last_use: u64,
    /// Blocks before it in its prompt.
    pub(super) depth: u32,
    pub(super) priority: u8,
    pub(super) state: State,
}

const _: () = assert!(size_of::<Block>() == 64);

impl Block {
    pub(super) const FREE: Self = Self {
        name: 0,
        parent: NONE,
        child: NONE,
        sibling_before: NONE,
        sibling_after: NONE,
        before: NONE,
        after: NONE,
        references: 0,
        chain: NONE,
        hits: 0,
        last_use: 0,
        depth: 0,
        priority: 0,
        state: State::Free,
    };

    /// Whether it waits to be found again.
    pub(super) const fn is_idle(&self) -> bool {
        matches!(self.state, State::Named) && self.references == 0
    }
}
