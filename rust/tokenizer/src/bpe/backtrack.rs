//! The tokens of a long piece without merging it: linear in its length, and exactly what merging gives.
//!
//! What merging makes of a range of text as long as nothing merges across the range's borders is what it makes of that range alone.
//! Two facts follow, for tokens that merging makes of their own bytes ([`Halves`]):
//!
//! 1. A row of tokens is what its text is merged to if each two neighbours are what *their* text is merged to. (Take the first
//!    merge across a border between two of them: it would also be the first in the text of these two alone.)
//! 2. So for every prefix of a text there is one such row. If the search comes to a place, it came by the row of that prefix,
//!    and if it cannot go on from there, it never has to come back: a bit for each place is all it has to remember.
//!
//! The search takes the longest token first, which is nearly always right. Whether two tokens may be neighbours is decided by
//! undoing their merges in reverse: merges happen in the order of ids, as every token has a higher id than its halves (which is
//! checked for each token that is met; where it is not so, the heap has to do it). The last merge of both is undone, and with it
//! the border lies between other parts; had these two been merged before they were used up, the tokens are no neighbours.
//!
//! Everything is found out when it is first needed, token by token: a table of all tokens would take longer than many texts.

use std::sync::atomic::{AtomicU64, Ordering};

use super::merge::Merger;
use super::table::{NONE, Table};

/// Bits of a hash of the bytes that tokens begin with.
const START_BITS: u32 = 16;

/// Lengths of tokens from here on share a bit of a mask.
const MANY: usize = 63;

/// Most bytes of a token whose merges are looked at: doing so is quadratic.
const EXAMINED: usize = 512;

/// Pairs of tokens whose verdict is remembered; a power of two. 64 KiB.
const REMEMBERED: usize = 1 << 13;

/// Words of bits that are kept for the next piece.
const MOST_DEAD: usize = 1 << 10;

/// What is known about the tokens of a vocabulary.
#[derive(Debug)]
pub(super) struct Backtracker {
    /// By a hash of the two bytes that a token begins with, if it has no more than three, or of the first four: bit `n` says that
    /// there are tokens of `n` bytes.
    lengths: Box<[u64]>,
    /// The lengths that share the last bit, in descending order.
    many: Box<[usize]>,
    /// [`Halves`] of each token in 64 bits, 0 if nobody asked yet. What threads find out twice is the same.
    halves: Box<[AtomicU64]>,
}

/// The tokens whose merge makes a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Halves {
    /// It is a byte.
    Byte,
    /// The last merge of its own bytes.
    Of(u32, u32),
    /// Its own bytes become several tokens, so no merge makes it.
    Unmade,
    /// It, or a part of it, has a lower id than one of its halves, or is too long to tell.
    Unordered,
}

impl Halves {
    const BYTE: u64 = u64::MAX;
    const UNMADE: u64 = u64::MAX - 1;
    const UNORDERED: u64 = u64::MAX - 2;

    fn pack(self) -> u64 {
        match self {
            Self::Byte => Self::BYTE,
            Self::Unmade => Self::UNMADE,
            Self::Unordered => Self::UNORDERED,
            // Ids have 24 bits, so none of these is one of the above, nor 0.
            Self::Of(left, right) => u64::from(left + 1) << 32 | u64::from(right + 1),
        }
    }

    fn unpack(packed: u64) -> Option<Self> {
        Some(match packed {
            0 => return None,
            Self::BYTE => Self::Byte,
            Self::UNMADE => Self::Unmade,
            Self::UNORDERED => Self::Unordered,
            halves => Self::Of((halves >> 32) as u32 - 1, halves as u32 - 1),
        })
    }
}

/// A token in a text.
#[derive(Debug, Clone, Copy)]
struct Placed {
    token: u32,
    len: usize,
}

/// A search for the tokens of one piece.
struct Search<'a> {
    known: &'a Backtracker,
    merger: &'a Merger,
    table: &'a Table,
    /// The piece, and the text behind it.
    text: &'a [u8],
    /// Bytes of the piece.
    len: usize,
    notes: &'a mut Notes,
}

/// What searches write down. It may be used again, with the same vocabulary.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// A bit for each place of the piece that the search need not come to.
    dead: Vec<u64>,
    /// Two tokens and whether they may be neighbours, at the place of their hash.
    verdicts: Vec<u64>,
}

impl Backtracker {
    /// Nothing, if a byte is no token: then only merging says where it is.
    pub(super) fn new(merger: &Merger, table: &Table) -> Option<Self> {
        if !merger.has_all_bytes() {
            return None;
        }
        let mut lengths = vec![0_u64; 1 << START_BITS].into_boxed_slice();
        let mut many = Vec::new();
        for (_, token) in table.vocabulary().iter() {
            if let Some(start) = start_of_four(token).or_else(|| start_of_two(token)) {
                lengths[start] |= 1 << token.len().min(MANY);
                if token.len() >= MANY {
                    many.push(token.len());
                }
            }
        }
        many.sort_unstable_by(|left, right| right.cmp(left));
        many.dedup();
        let limit = table.vocabulary().limit() as usize;
        // Zeros are pages that nobody touched yet.
        let halves: Box<[AtomicU64]> = (0..limit).map(|_| AtomicU64::new(0)).collect();
        Some(Self {
            lengths,
            many: many.into(),
            halves,
        })
    }

    /// Writes the tokens of the piece that is the first `len` bytes of `text`, or says that it cannot tell them.
    pub(super) fn encode(
        &self,
        merger: &Merger,
        table: &Table,
        (text, len): (&[u8], usize),
        notes: &mut Notes,
        ids: &mut Vec<u32>,
    ) -> bool {
        let start = ids.len();
        notes.dead.clear();
        notes.dead.resize(len / 64 + 1, 0);
        notes.verdicts.resize(REMEMBERED, 0);
        let mut search = Search {
            known: self,
            merger,
            table,
            text,
            len,
            notes,
        };
        let done = search.run(ids, start);
        if done.is_none() {
            ids.truncate(start);
        }
        // The largest text should not hold its memory for ever.
        notes.dead.shrink_to(MOST_DEAD);
        done.is_some()
    }

    /// The token that is `text[begin..end]`, or [`NONE`].
    #[inline]
    fn joined(&self, merger: &Merger, table: &Table, text: &[u8], begin: usize, end: usize) -> u32 {
        let len = end - begin;
        let start = match len {
            0..4 => start_of_two(&text[begin..]),
            _ => start_of_four(&text[begin..]),
        };
        match start {
            Some(start) if self.lengths[start] >> len.min(MANY) & 1 == 0 => NONE,
            _ => merger.joined(table, text, begin, end),
        }
    }

    /// The longest token of at most `most` bytes at the begin of `text`, which has as many or more.
    #[inline]
    fn longest(&self, merger: &Merger, table: &Table, text: &[u8], most: usize) -> Option<Placed> {
        if let Some(start) = start_of_four(text) {
            let lengths = self.lengths[start];
            if lengths >> MANY != 0 && most >= MANY {
                for &len in self.many.iter().filter(|len| **len <= most) {
                    let token = table.token(text, 0, len);
                    if token != NONE {
                        return Some(Placed { token, len });
                    }
                }
            }
            // Bits 4 to `most`, without the last.
            let mut lengths =
                lengths & ((1 << MANY) - 1) & ((2_u64 << most.min(MANY - 1)) - 1) & !0xF;
            while lengths != 0 {
                let len = lengths.ilog2() as usize;
                let token = table.token(text, 0, len);
                if token != NONE {
                    return Some(Placed { token, len });
                }
                lengths ^= 1 << len;
            }
        }
        for len in [3, 2] {
            if len <= most {
                let token = self.joined(merger, table, text, 0, len);
                if token != NONE {
                    return Some(Placed { token, len });
                }
            }
        }
        let token = merger.byte(text[0]);
        (most >= 1).then_some(Placed { token, len: 1 })
    }

    #[inline]
    fn halves(&self, merger: &Merger, table: &Table, token: u32) -> Halves {
        let packed = self.halves[token as usize].load(Ordering::Relaxed);
        Halves::unpack(packed).unwrap_or_else(|| self.examine(merger, table, token))
    }

    /// Merges the bytes of one token, and remembers the last merge.
    #[cold]
    fn examine(&self, merger: &Merger, table: &Table, token: u32) -> Halves {
        let bytes = table.vocabulary().token(token).unwrap_or_default();
        let found = match last_merge(merger, table, token, bytes) {
            Halves::Of(left, right) => {
                let ordered = [left, right].iter().all(|half| {
                    let halves = self.halves(merger, table, *half);
                    halves == Halves::Byte || (*half < token && matches!(halves, Halves::Of(..)))
                });
                if ordered {
                    Halves::Of(left, right)
                } else {
                    Halves::Unordered
                }
            }
            other => other,
        };
        self.halves[token as usize].store(found.pack(), Ordering::Relaxed);
        found
    }
}

/// Where [`Backtracker::lengths`] has what is known of longer tokens that begin like `text`.
#[inline]
fn start_of_four(text: &[u8]) -> Option<usize> {
    let start = u32::from_le_bytes(*text.first_chunk()?);
    Some((start.wrapping_mul(0x9E37_79B1) >> (32 - START_BITS)) as usize)
}

/// The same for tokens of two and three bytes.
#[inline]
fn start_of_two(text: &[u8]) -> Option<usize> {
    let start = u16::from_le_bytes(*text.first_chunk()?);
    Some((u32::from(start).wrapping_mul(0x85EB_CA6B) >> (32 - START_BITS)) as usize)
}

/// The last merge of the bytes of one token, as merging is defined.
fn last_merge(merger: &Merger, table: &Table, token: u32, bytes: &[u8]) -> Halves {
    match bytes.len() {
        1 if merger.byte(bytes[0]) == token => return Halves::Byte,
        0 | 1 => return Halves::Unmade,
        2..=EXAMINED => {}
        _ => return Halves::Unordered,
    }
    let mut parts: Vec<u32> = bytes.iter().map(|byte| merger.byte(*byte)).collect();
    // Where each part begins, and the end.
    let mut edges: Vec<usize> = (0..=bytes.len()).collect();
    let joined = |edges: &[usize], part: usize| match edges.get(part + 2) {
        Some(end) => merger.joined(table, bytes, edges[part], *end),
        None => NONE,
    };
    let mut ranks: Vec<u32> = (0..parts.len()).map(|part| joined(&edges, part)).collect();
    let mut halves = Halves::Unmade;
    while let Some((rank, part)) = ranks
        .iter()
        .zip(0..)
        .map(|(rank, part)| (*rank, part))
        .min()
        && rank != NONE
    {
        halves = Halves::Of(parts[part], parts[part + 1]);
        parts[part] = rank;
        parts.remove(part + 1);
        ranks.remove(part + 1);
        edges.remove(part + 1);
        ranks[part] = joined(&edges, part);
        if part > 0 {
            ranks[part - 1] = joined(&edges, part - 1);
        }
    }
    if parts == [token] {
        halves
    } else {
        Halves::Unmade
    }
}

impl Search<'_> {
    /// Nothing, if a token is met of which nothing can be said.
    fn run(&mut self, ids: &mut Vec<u32>, start: usize) -> Option<()> {
        let Self {
            known,
            merger,
            table,
            text,
            len,
            ..
        } = *self;
        let (mut at, mut below) = (0, usize::MAX);
        while at < len {
            let before = ids[start..].last().copied();
            let most = (len - at).min(below - 1);
            if let Some(next) = known.longest(merger, table, &text[at..], most) {
                below = next.len;
                if self.is_dead(at + next.len) {
                    continue;
                }
                match known.halves(merger, table, next.token) {
                    Halves::Byte | Halves::Of(..) => {}
                    Halves::Unmade => continue,
                    Halves::Unordered => return None,
                }
                if before.is_none_or(|before| self.may_follow(before, next, at)) {
                    ids.push(next.token);
                    at += next.len;
                    below = usize::MAX;
                }
            } else {
                self.notes.dead[at / 64] |= 1 << (at % 64);
                ids.truncate(start.max(ids.len() - 1));
                // The first place is never dead: every text has a row.
                below = table.vocabulary().token(before?)?.len();
                at -= below;
            }
        }
        Some(())
    }

    #[inline]
    fn is_dead(&self, at: usize) -> bool {
        self.notes.dead[at / 64] >> (at % 64) & 1 == 1
    }

    /// Whether `next` may stand at byte `at`, right behind `before`.
    #[inline]
    fn may_follow(&mut self, before: u32, next: Placed, at: usize) -> bool {
        // The lowest bit is the verdict; two ids have 48 bits.
        let pair = (u64::from(before + 1) << 24 | u64::from(next.token)) << 1;
        let hash = pair.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        let index = hash as usize & (REMEMBERED - 1);
        let known = self.notes.verdicts[index];
        if known & !1 == pair {
            return known & 1 == 1;
        }
        let verdict = self.are_neighbours(before, next, at);
        self.notes.verdicts[index] = pair | u64::from(verdict);
        verdict
    }

    /// Whether the text of two tokens is merged to these two, of which the second begins at byte `border`.
    fn are_neighbours(&self, before: u32, next: Placed, border: usize) -> bool {
        let Self {
            known,
            merger,
            table,
            text,
            ..
        } = *self;
        let len = |token| table.vocabulary().token(token).map_or(0, <[u8]>::len);
        let (mut left, mut right) = (before, next.token);
        let (mut begin, mut end) = (border - len(before), border + next.len);
        // A merge across the border comes first if its rank is below this.
        let mut limit = NONE;
        loop {
            if known.joined(merger, table, text, begin, end) < limit {
                return false;
            }
            let halves = |token| match known.halves(merger, table, token) {
                Halves::Of(first, second) => Some((first, second)),
                _ => None,
            };
            // Of equal merges the left one comes first.
            match (halves(left), halves(right)) {
                (None, None) => return true,
                (Some((_, second)), None) => {
                    (limit, left) = (left, second);
                    begin = border - len(second);
                }
                (Some((_, second)), Some(_)) if left > right => {
                    (limit, left) = (left, second);
                    begin = border - len(second);
                }
                (_, Some((first, _))) => {
                    (limit, right) = (right + 1, first);
                    end = border + len(first);
                }
            }
        }
    }
}
