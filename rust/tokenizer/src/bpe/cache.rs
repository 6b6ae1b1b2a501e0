//! What pieces were encoded to: bounded, and rebuilt at no cost if it is lost.
//!
//! Most pieces of a text are words that were there before. A line of [`Short`] says everything about two of them, whether they are
//! one token or four, so that a loop over pieces has one place to look and one branch to take.

use super::table::{Counted, Word};

/// Lines of the cache of short pieces while a text is short, and once it has grown: 4 MiB. What is used most stays in a core's
/// second-level cache.
const FEW_LINES: usize = 1 << 9;
const LINES: usize = 1 << 16;

/// Most tokens of a short piece in a line.
pub(crate) const FEW: usize = 4;

/// Most bytes of a piece of which [`Kept`] keeps the tokens.
const LONG_BYTES: usize = 255;
/// Slots of a generation at first, and most of them: 2 MiB. Three quarters of them are taken at most.
const FEW_SLOTS: usize = 1 << 8;
const MANY_SLOTS: usize = 1 << 17;
/// Most bytes of all pieces of a generation, and most of their ids: 2 MiB each.
const STORED_BYTES: usize = 1 << 21;
const STORED_IDS: usize = 1 << 19;

/// Two pieces of up to 15 bytes with their tokens: what the CPU reads from memory at once.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Line {
    words: [Counted; 2],
    ids: [[u32; FEW]; 2],
}

impl Line {
    const EMPTY: Self = Self {
        words: [Counted::NOTHING; 2],
        ids: [[0; FEW]; 2],
    };
}

/// The tokens of short pieces, one or few each. A new piece takes the place of the older one in its line.
#[derive(Debug)]
pub(crate) struct Short {
    lines: Vec<Line>,
    /// Pieces that were kept before it had grown.
    kept: usize,
}

impl Default for Short {
    fn default() -> Self {
        Self {
            lines: vec![Line::EMPTY; FEW_LINES],
            kept: 0,
        }
    }
}

impl Short {
    /// The lines; [`Lines::index`] says which one is a piece's.
    #[inline]
    pub(crate) fn lines(&self) -> Lines<'_> {
        Lines {
            mask: self.lines.len() - 1,
            lines: &self.lines,
        }
    }

    /// Keeps the tokens of a piece, if they are few. The lines may be others afterwards.
    pub(crate) fn keep(&mut self, word: Word, hash: u64, ids: &[u32]) {
        if ids.len() > FEW {
            return;
        }
        let mut kept = [0; FEW];
        kept[..ids.len()].copy_from_slice(ids);
        let word = word.counted(ids.len());
        if self.lines.len() == FEW_LINES {
            self.kept += 1;
            if self.kept > FEW_LINES {
                self.grow();
            }
        }
        self.put(word, hash, kept);
    }

    fn put(&mut self, word: Counted, hash: u64, ids: [u32; FEW]) {
        let index = self.lines().index(hash);
        let line = &mut self.lines[index];
        (line.words[1], line.ids[1]) = (line.words[0], line.ids[0]);
        (line.words[0], line.ids[0]) = (word, ids);
    }

    fn grow(&mut self) {
        let few = std::mem::replace(&mut self.lines, vec![Line::EMPTY; LINES]);
        for line in few {
            for (word, ids) in line.words.into_iter().zip(line.ids).rev() {
                if word != Counted::NOTHING {
                    self.put(word, word.word().hash(), ids);
                }
            }
        }
    }
}

/// The lines of [`Short`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lines<'a> {
    lines: &'a [Line],
    mask: usize,
}

impl<'a> Lines<'a> {
    #[inline]
    pub(crate) fn index(self, hash: u64) -> usize {
        // The upper bits choose the slot of a table.
        (hash >> 16) as usize & self.mask
    }

    #[inline]
    pub(crate) fn prefetch(self, hash: u64) {
        inferail_simd::prefetch(self.lines, self.index(hash));
    }

    /// The tokens of a piece, and how many of them count.
    #[inline]
    pub(crate) fn get(self, word: Word, hash: u64) -> Option<(&'a [u32; FEW], usize)> {
        let line = &self.lines[self.index(hash)];
        let way = usize::from(line.words[1].is(word));
        // One comparison more than needed, and one branch that nobody can foretell less.
        let found = line.words[way];
        found.is(word).then(|| (&line.ids[way], found.count()))
    }
}

/// The tokens of every piece that was merged: what does not fit a line, and what lost its place in one.
///
/// When the young generation is full, it takes the place of the old one; what is asked for again becomes young again.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    young: Generation,
    old: Generation,
}

impl Kept {
    /// The tokens of a piece.
    #[inline]
    pub(crate) fn get(&mut self, piece: &[u8], hash: u64) -> Option<&[u32]> {
        if piece.len() > LONG_BYTES {
            return None;
        }
        let hash = hash as u32;
        let slot = if let Some(slot) = self.young.get(piece, hash) {
            slot
        } else {
            let old = self.old.get(piece, hash)?;
            // The old ones are forgotten if the young ones have no room.
            let ids = self.old.ids(old).to_vec();
            self.put(piece, hash, &ids)
        };
        Some(self.young.ids(slot))
    }

    /// Keeps the tokens of a piece that is not there, if it is not too long.
    pub(crate) fn keep(&mut self, piece: &[u8], hash: u64, ids: &[u32]) {
        if piece.len() <= LONG_BYTES {
            self.put(piece, hash as u32, ids);
        }
    }

    fn put(&mut self, piece: &[u8], hash: u32, ids: &[u32]) -> Slot {
        if self.young.is_full(piece, ids) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.put(piece, hash, ids)
    }
}

/// A piece that is kept: where its bytes and its ids are.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    hash: u32,
    bytes: u32,
    ids: u32,
    len: u8,
    /// 0 if the slot is free.
    count: u16,
}

/// Pieces and their tokens, in open addressing.
#[derive(Debug, Default)]
struct Generation {
    slots: Vec<Slot>,
    taken: usize,
    bytes: Vec<u8>,
    ids: Vec<u32>,
}

impl Generation {
    #[inline]
    fn get(&self, piece: &[u8], hash: u32) -> Option<Slot> {
        let mut index = hash as usize;
        loop {
            // Nothing is there before the first piece.
            let slot = *self.slots.get(index & self.slots.len().wrapping_sub(1))?;
            if slot.count == 0 {
                return None;
            }
            if slot.hash == hash
                && self
                    .bytes
                    .get(slot.bytes as usize..)?
                    .get(..slot.len.into())
                    == Some(piece)
            {
                return Some(slot);
            }
            index += 1;
        }
    }

    fn ids(&self, slot: Slot) -> &[u32] {
        &self.ids[slot.ids as usize..][..slot.count.into()]
    }

    fn is_full(&self, piece: &[u8], ids: &[u32]) -> bool {
        self.taken >= MANY_SLOTS / 4 * 3
            || self.bytes.len() + piece.len() > STORED_BYTES
            || self.ids.len() + ids.len() > STORED_IDS
    }

    fn put(&mut self, piece: &[u8], hash: u32, ids: &[u32]) -> Slot {
        if self.taken * 4 >= self.slots.len() * 3 {
            let more = (self.slots.len() * 4).clamp(FEW_SLOTS, MANY_SLOTS);
            let fewer = std::mem::replace(&mut self.slots, vec![Slot::default(); more]);
            let taken = fewer.into_iter().filter(|slot| slot.count > 0);
            taken.for_each(|slot| self.place(slot));
        }
        let slot = Slot {
            hash,
            bytes: self.bytes.len() as u32,
            ids: self.ids.len() as u32,
            len: piece.len() as u8,
            count: ids.len() as u16,
        };
        self.place(slot);
        self.bytes.extend_from_slice(piece);
        self.ids.extend_from_slice(ids);
        self.taken += 1;
        slot
    }

    fn place(&mut self, slot: Slot) {
        let last = self.slots.len() - 1;
        let mut index = slot.hash as usize & last;
        while self.slots[index].count != 0 {
            index = (index + 1) & last;
        }
        self.slots[index] = slot;
    }
}
