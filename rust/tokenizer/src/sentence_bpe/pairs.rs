//! Which two symbols merge, when, and into what.

/// A pair that does not merge.
pub(crate) const NEVER: Merge = Merge {
    rank: u32::MAX,
    symbol: u32::MAX,
};

/// What a pair of symbols merges into; lower ranks merge first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Merge {
    pub(crate) rank: u32,
    pub(crate) symbol: u32,
}

/// A table from pairs to merges, at most two thirds full.
#[derive(Debug, Clone)]
pub(crate) struct Pairs {
    slots: Box<[Slot]>,
    shift: u32,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    left: u32,
    right: u32,
    merge: Merge,
}

impl Pairs {
    /// A table of `(left, right, merge)`; of a pair that comes twice the last counts.
    pub(crate) fn new(pairs: impl ExactSizeIterator<Item = (u32, u32, Merge)>) -> Self {
        let len = (pairs.len() * 3 / 2 + 2).next_power_of_two();
        let empty = Slot {
            left: u32::MAX,
            right: u32::MAX,
            merge: NEVER,
        };
        let mut table = Self {
            slots: vec![empty; len].into(),
            shift: 64 - len.trailing_zeros(),
        };
        for (left, right, merge) in pairs {
            let at = table.place(left, right);
            table.slots[at] = Slot { left, right, merge };
        }
        table
    }

    #[inline]
    fn place(&self, left: u32, right: u32) -> usize {
        let pair = u64::from(left) << 32 | u64::from(right);
        let mut at = (pair ^ pair >> 29).wrapping_mul(0x9e37_79b9_7f4a_7c15) as usize >> self.shift;
        loop {
            let slot = &self.slots[at];
            if (slot.left == left && slot.right == right) || slot.merge == NEVER {
                return at;
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    #[inline]
    pub(crate) fn get(&self, left: u32, right: u32) -> Merge {
        self.slots[self.place(left, right)].merge
    }
}
