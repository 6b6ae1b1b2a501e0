//! The tokens of a piece that is no token itself: pairs merged in the order of their ranks, exactly as defined.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::OnceLock;

use super::backtrack::{Backtracker, Notes};
use super::characters::Characters;
use super::table::{NONE, Table};

/// Most bytes of a piece whose ranks are scanned for the lowest; what is longer is searched or has a heap.
const SCANNED: usize = 128;
/// Most parts of nearly every piece: their arrays are cleared in a moment.
const FEW: usize = 24;

/// A pair that is no token. Ranks are in the upper bits and places in the lower 8, so the least is the next to merge.
const NEVER: i32 = i32::MAX;

/// Ids below this fit beside a place.
const RANK_LIMIT: u32 = 1 << 23;

/// Fewest bytes of a piece for which [`Backtracker`] is asked: it has to learn about tokens first.
const BACKTRACKED: usize = 256;

/// Merges, and what makes the first rounds of it quick.
#[derive(Debug)]
pub(crate) struct Merger {
    /// Tokens of two bytes.
    pairs: Box<[u32]>,
    bytes: Box<[u32; 256]>,
    /// Most bytes of a token by the two bytes it begins with: in the middle of a character hardly any token begins.
    longest: Box<[u8]>,
    /// Whether ids are small enough for [`Merger::scanned`].
    scannable: bool,
    /// Made when the first piece beyond ASCII is merged: it takes some milliseconds.
    characters: OnceLock<Characters>,
    /// Made when the first long piece is merged.
    backtracker: OnceLock<Option<Backtracker>>,
}

/// The tokens of a piece.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    pub(crate) ids: Vec<u32>,
    notes: Notes,
}

/// The parts of a piece while it is merged: a list in arrays.
struct Parts<const N: usize> {
    count: usize,
    /// Where each part begins; one more for the end.
    begins: [u8; N],
    tokens: [u32; N],
    /// The rank of a part together with the next one, and its own place.
    ranks: [i32; N],
    next: [u8; N],
    before: [u8; N],
}

impl<const N: usize> Parts<N> {
    #[inline]
    fn new() -> Self {
        Self {
            count: 0,
            begins: [0; N],
            tokens: [NONE; N],
            ranks: [NEVER; N],
            next: [0; N],
            before: [0; N],
        }
    }

    #[inline]
    fn push(&mut self, begin: usize, token: u32) {
        self.begins[self.count] = begin as u8;
        self.tokens[self.count] = token;
        self.count += 1;
    }

    #[inline]
    fn begin(&self, part: usize) -> usize {
        self.begins[part].into()
    }
}

impl Merger {
    pub(crate) fn new(table: &Table) -> Self {
        let mut pairs = vec![NONE; 1 << 16].into_boxed_slice();
        let mut bytes = Box::new([NONE; 256]);
        let mut longest = vec![0; 1 << 16].into_boxed_slice();
        for (id, token) in table.vocabulary().iter() {
            if let [first, second, ..] = *token {
                let most: &mut u8 = &mut longest[both(first, second)];
                *most = (*most).max(token.len().min(255) as u8);
            }
            let place = match *token {
                [byte] => &mut bytes[usize::from(byte)],
                [first, second] => &mut pairs[both(first, second)],
                _ => continue,
            };
            *place = (*place).min(id);
        }
        let scannable = table.vocabulary().limit() <= RANK_LIMIT;
        Self {
            pairs,
            bytes,
            longest,
            scannable,
            characters: OnceLock::new(),
            backtracker: OnceLock::new(),
        }
    }

    /// The token of a byte, or [`NONE`].
    #[inline]
    pub(super) fn byte(&self, byte: u8) -> u32 {
        self.bytes[usize::from(byte)]
    }

    /// Whether every byte is a token.
    pub(super) fn has_all_bytes(&self) -> bool {
        !self.bytes.contains(&NONE)
    }

    /// Merges `piece`, with which `text` begins: a word of 16 bytes is read at once wherever the text goes on behind the piece.
    ///
    /// # Errors
    ///
    /// Where the byte is that is no token.
    pub(crate) fn merge(
        &self,
        table: &Table,
        text: &[u8],
        piece: &str,
        merged: &mut Merged,
    ) -> Result<(), usize> {
        merged.ids.clear();
        let backtracker = || Backtracker::new(self, table);
        if piece.len() >= BACKTRACKED
            && let Some(backtracker) = self.backtracker.get_or_init(backtracker)
        {
            let Merged { ids, notes } = merged;
            if backtracker.encode(self, table, (text, piece.len()), notes, ids) {
                return Ok(());
            }
        }
        if self.scannable && piece.len() <= SCANNED {
            return self.short(table, text, piece, merged);
        }
        self.heaped(table, piece.as_bytes(), merged)
    }

    /// Merges a piece of at most [`SCANNED`] bytes.
    #[inline]
    fn short(
        &self,
        table: &Table,
        text: &[u8],
        piece: &str,
        merged: &mut Merged,
    ) -> Result<(), usize> {
        if piece.len() <= FEW {
            return self.scanned::<{ FEW + 1 }>(table, text, piece, merged);
        }
        let characters = if piece.is_ascii() {
            piece.len()
        } else {
            piece.chars().count()
        };
        if characters <= FEW
            && let Some(parts) = self.started::<{ FEW + 1 }>(table, piece)
        {
            return self.finish(table, (text, piece.len()), parts, merged);
        }
        self.scanned::<{ SCANNED + 1 }>(table, text, piece, merged)
    }

    /// The token of two neighbours, or [`NONE`]: `piece[begin..end]` has two bytes or more.
    #[inline]
    pub(super) fn joined(&self, table: &Table, piece: &[u8], begin: usize, end: usize) -> u32 {
        let pair = both(piece[begin], piece[begin + 1]);
        let (len, longest) = (end - begin, self.longest[pair]);
        if len == 2 {
            self.pairs[pair]
        } else if len > usize::from(longest) && longest < u8::MAX {
            NONE
        } else {
            table.token(piece, begin, end)
        }
    }

    fn characters(&self, table: &Table) -> &Characters {
        self.characters
            .get_or_init(|| Characters::new(table, |first, second| self.pairs[both(first, second)]))
    }

    /// Parts that are characters where that is safe, if there is room for them.
    fn started<const N: usize>(&self, table: &Table, piece: &str) -> Option<Parts<N>> {
        let characters = self.characters(table);
        let mut parts = Parts::new();
        let mut fits = true;
        let pair = |first, second| self.pairs[both(first, second)];
        characters.parts(piece, &self.bytes, pair, |begin, token| {
            if parts.count + 1 < N {
                parts.push(begin, token);
            } else {
                fits = false;
            }
        });
        fits.then_some(parts)
    }

    /// Merges a short piece: the next pair is found by looking at all of them.
    fn scanned<const N: usize>(
        &self,
        table: &Table,
        text: &[u8],
        piece: &str,
        merged: &mut Merged,
    ) -> Result<(), usize> {
        if !piece.is_ascii()
            && let Some(parts) = self.started::<N>(table, piece)
        {
            return self.finish(table, (text, piece.len()), parts, merged);
        }
        let mut parts = Parts::<N>::new();
        for (at, byte) in piece.bytes().enumerate() {
            parts.push(at, self.bytes[usize::from(byte)]);
        }
        self.finish(table, (text, piece.len()), parts, merged)
    }

    fn finish<const N: usize>(
        &self,
        table: &Table,
        (piece, len): (&[u8], usize),
        mut parts: Parts<N>,
        merged: &mut Merged,
    ) -> Result<(), usize> {
        let count = parts.count;
        parts.begins[count] = len as u8;
        for part in 0..count {
            parts.next[part] = part as u8 + 1;
            parts.before[part + 1] = part as u8;
        }
        for part in 0..count - 1 {
            let rank = self.joined(table, piece, parts.begin(part), parts.begin(part + 2));
            parts.ranks[part] = ranked(rank, part);
        }
        loop {
            let lowest = parts.ranks[..count]
                .iter()
                .fold(NEVER, |lowest, rank| lowest.min(*rank));
            if lowest == NEVER {
                break;
            }
            let part = (lowest & 0xFF) as usize;
            let gone = usize::from(parts.next[part]);
            let after = usize::from(parts.next[gone]);
            parts.tokens[part] = (lowest >> 8) as u32;
            parts.ranks[gone] = NEVER;
            parts.next[part] = after as u8;
            parts.before[after] = part as u8;
            parts.ranks[part] = if after < count {
                let end = parts.begin(parts.next[after].into());
                ranked(self.joined(table, piece, parts.begin(part), end), part)
            } else {
                NEVER
            };
            if part > 0 {
                let first = usize::from(parts.before[part]);
                let rank = self.joined(table, piece, parts.begin(first), parts.begin(after));
                parts.ranks[first] = ranked(rank, first);
            }
        }
        let mut part = 0;
        while part < count {
            if parts.tokens[part] == NONE {
                return Err(parts.begin(part));
            }
            merged.ids.push(parts.tokens[part]);
            part = parts.next[part].into();
        }
        Ok(())
    }

    /// Merges a long piece: the next pair comes from a heap, O(n log n).
    pub(super) fn heaped(
        &self,
        table: &Table,
        piece: &[u8],
        merged: &mut Merged,
    ) -> Result<(), usize> {
        let len = piece.len();
        let mut next: Vec<u32> = (1..=len as u32 + 1).collect();
        let mut before: Vec<u32> = (0..=len as u32)
            .map(|place| place.wrapping_sub(1))
            .collect();
        let mut tokens: Vec<u32> = piece
            .iter()
            .map(|byte| self.bytes[usize::from(*byte)])
            .collect();
        // A pair is merged only if it still is what it was when it was found: its rank is compared.
        let pairs = piece
            .windows(2)
            .map(|pair| self.pairs[both(pair[0], pair[1])]);
        let mut ranks: Vec<u32> = pairs.collect();
        ranks.resize(len + 1, NONE);
        let found = ranks.iter().enumerate().filter(|(_, rank)| **rank != NONE);
        let mut heap: BinaryHeap<Reverse<u64>> =
            found.map(|(place, rank)| waiting(*rank, place)).collect();
        while let Some(Reverse(lowest)) = heap.pop() {
            let (rank, place) = ((lowest >> 32) as u32, lowest as u32 as usize);
            if ranks[place] != rank {
                continue;
            }
            let gone = next[place] as usize;
            let after = next[gone] as usize;
            tokens[place] = rank;
            ranks[gone] = NONE;
            next[place] = after as u32;
            before[after] = place as u32;
            ranks[place] = if after < len {
                self.joined(table, piece, place, next[after] as usize)
            } else {
                NONE
            };
            if ranks[place] != NONE {
                heap.push(waiting(ranks[place], place));
            }
            if place > 0 {
                let first = before[place] as usize;
                ranks[first] = self.joined(table, piece, first, after);
                if ranks[first] != NONE {
                    heap.push(waiting(ranks[first], first));
                }
            }
        }
        let mut place = 0;
        while place < len {
            if tokens[place] == NONE {
                return Err(place);
            }
            merged.ids.push(tokens[place]);
            place = next[place] as usize;
        }
        Ok(())
    }
}

#[inline]
fn both(first: u8, second: u8) -> usize {
    usize::from(first) << 8 | usize::from(second)
}

#[inline]
fn ranked(rank: u32, part: usize) -> i32 {
    if rank == NONE {
        NEVER
    } else {
        (rank << 8) as i32 | part as i32
    }
}

fn waiting(rank: u32, place: usize) -> Reverse<u64> {
    Reverse(u64::from(rank) << 32 | place as u64)
}
