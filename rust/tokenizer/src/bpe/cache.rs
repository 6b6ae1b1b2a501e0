//! What pieces of several tokens were encoded to: bounded, and rebuilt at no cost if it is lost.

use super::table::Word;

/// Slots of the cache of short pieces: 1 MiB, half of a core's second-level cache.
const SHORT_SLOTS: usize = 1 << 15;
/// Slots of the cache of long pieces: 1 MiB.
const LONG_SLOTS: usize = 1 << 13;
/// Most bytes of a long piece that is kept.
pub(crate) const LONG_BYTES: usize = 64;

/// Most tokens of a short piece that is kept.
const SHORT_IDS: usize = 4;
/// Most tokens of a long piece that is kept.
const LONG_IDS: usize = 14;

/// The upper byte of the first id of a short entry is the number of its ids: ids have 24 bits.
const COUNT_SHIFT: u32 = 24;
const ID_MASK: u32 = (1 << COUNT_SHIFT) - 1;

#[derive(Debug, Clone, Copy)]
#[repr(align(32))]
struct Short {
    word: Word,
    ids: [u32; SHORT_IDS],
}

#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Long {
    bytes: [u8; LONG_BYTES],
    len: u32,
    count: u32,
    ids: [u32; LONG_IDS],
}

/// The tokens of pieces that were merged before. A new piece takes the place of the one in its slot.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    short: Vec<Short>,
    long: Vec<Long>,
}

impl Cache {
    /// The tokens of a short piece.
    #[inline]
    pub(crate) fn short(&self, word: Word, hash: u64, take: impl FnOnce(&[u32])) -> bool {
        let Some(entry) = self
            .short
            .get(short_index(hash))
            .filter(|entry| entry.word == word)
        else {
            return false;
        };
        let mut ids = entry.ids;
        let count = (ids[0] >> COUNT_SHIFT) as usize;
        ids[0] &= ID_MASK;
        take(&ids[..count.min(SHORT_IDS)]);
        true
    }

    /// Keeps the tokens of a short piece, if they fit.
    #[inline]
    pub(crate) fn keep_short(&mut self, word: Word, hash: u64, ids: &[u32]) {
        if ids.len() > SHORT_IDS {
            return;
        }
        if self.short.is_empty() {
            self.short = vec![
                Short {
                    word: Word::NOTHING,
                    ids: [0; SHORT_IDS]
                };
                SHORT_SLOTS
            ];
        }
        let mut kept = [0; SHORT_IDS];
        kept[..ids.len()].copy_from_slice(ids);
        kept[0] |= (ids.len() as u32) << COUNT_SHIFT;
        self.short[short_index(hash)] = Short { word, ids: kept };
    }

    /// The tokens of a long piece.
    #[inline]
    pub(crate) fn long(&self, bytes: &[u8], hash: u64) -> Option<&[u32]> {
        let entry = self.long.get(long_index(hash))?;
        let kept = entry.bytes.get(..entry.len as usize)?;
        (kept == bytes).then(|| &entry.ids[..entry.count as usize])
    }

    /// Keeps the tokens of a long piece, if they fit.
    pub(crate) fn keep_long(&mut self, bytes: &[u8], hash: u64, ids: &[u32]) {
        if ids.len() > LONG_IDS || bytes.len() > LONG_BYTES {
            return;
        }
        if self.long.is_empty() {
            let empty = Long {
                bytes: [0; LONG_BYTES],
                len: 0,
                count: 0,
                ids: [0; LONG_IDS],
            };
            self.long = vec![empty; LONG_SLOTS];
        }
        let entry = &mut self.long[long_index(hash)];
        entry.bytes[..bytes.len()].copy_from_slice(bytes);
        entry.ids[..ids.len()].copy_from_slice(ids);
        (entry.len, entry.count) = (bytes.len() as u32, ids.len() as u32);
    }
}

#[inline]
fn short_index(hash: u64) -> usize {
    (hash >> 20) as usize & (SHORT_SLOTS - 1)
}

#[inline]
fn long_index(hash: u64) -> usize {
    (hash >> 20) as usize & (LONG_SLOTS - 1)
}
