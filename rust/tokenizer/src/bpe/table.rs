//! Bytes to token ids: one read-only table for whole pieces and for pairs of parts alike.
//!
//! A slot holds 8 bits of the hash and 24 bits of the id, so 100,000 tokens take 1 MiB, and what is asked for most while
//! merging, pairs that are no token, stays within a core's second-level cache. What a slot finds is compared with the
//! token itself. Tokens of up to 15 bytes are kept as one 16-byte word each, indexed by id: the frequent ones have
//! low ids and lie close together, and a decoder copies the same words. (32-byte slots with the key inside save one
//! access and take 8 MiB.)

use std::sync::Arc;

use crate::Vocabulary;

/// Most bytes of a token that is kept as a word; the last byte of the word is the length.
pub(crate) const SHORT: usize = 15;

/// The length byte of a word whose token is longer than [`SHORT`].
const LONG: u8 = 0xFF;

/// No token.
pub(crate) const NONE: u32 = u32::MAX;

/// No id is this high ([`Vocabulary::MAX_IDS`]).
const EMPTY: u32 = u32::MAX;
const ID_BITS: u32 = 24;
const ID_MASK: u32 = (1 << ID_BITS) - 1;

/// `MASKS[n]` keeps the first `n` bytes of a little-endian word.
const MASKS: [u128; SHORT + 1] = {
    let mut masks = [0; SHORT + 1];
    let mut bytes = 0;
    while bytes <= SHORT {
        masks[bytes] = (1 << (8 * bytes)) - 1;
        bytes += 1;
    }
    masks
};

/// Up to 15 bytes and their number, as one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word(u128);

impl Word {
    /// The word that no text equals.
    pub(crate) const NOTHING: Self = Self(0);

    /// The word of what is no short piece: no text equals it, and nothing is kept for it.
    pub(crate) const NO_PIECE: Self = Self(1);

    /// `bytes[begin..end]`, which must be 1 to 15 bytes.
    #[inline]
    pub(crate) fn of(bytes: &[u8], begin: usize, end: usize) -> Self {
        let len = end - begin;
        debug_assert!((1..=SHORT).contains(&len), "a word has 1 to 15 bytes");
        let word = if let Some(window) = bytes[begin..].first_chunk::<16>() {
            u128::from_le_bytes(*window)
        } else if let Some(window) = bytes.last_chunk::<16>() {
            u128::from_le_bytes(*window) >> (8 * (16 + begin - bytes.len()))
        } else {
            // A text of less than 16 bytes.
            let byte = |word, byte: &u8| word << 8 | u128::from(*byte);
            bytes[begin..end].iter().rev().fold(0, byte)
        };
        Self(word & MASKS[len] | (len as u128) << 120)
    }

    /// The word together with a number below 16.
    pub(crate) fn counted(self, count: usize) -> Counted {
        Counted(self.0 | (count as u128) << COUNT_SHIFT)
    }

    /// Where the word belongs in a table: every bit depends on every byte.
    #[inline]
    pub(crate) fn hash(self) -> u64 {
        fold(
            self.0 as u64 ^ 0x9E37_79B9_7F4A_7C15,
            (self.0 >> 64) as u64 ^ 0xD1B5_4A32_D192_ED03,
        )
    }
}

/// The length of a word has four bits, and so has a number beside it.
const COUNT_SHIFT: u32 = 124;

/// A word, and a number below 16 that belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counted(u128);

impl Counted {
    /// That of no text.
    pub(crate) const NOTHING: Self = Self(0);

    /// Whether this is `word`, whatever the number.
    #[inline]
    pub(crate) fn is(self, word: Word) -> bool {
        let difference = self.0 ^ word.0;
        let upper = (difference >> 64) as u64;
        difference as u64 | upper << (128 - COUNT_SHIFT) == 0
    }

    #[inline]
    pub(crate) fn count(self) -> usize {
        (self.0 >> COUNT_SHIFT) as usize
    }

    pub(crate) fn word(self) -> Word {
        Word(self.0 & !(0xF << COUNT_SHIFT))
    }
}

/// The product of both, its halves added up.
#[inline]
fn fold(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    (product as u64) ^ (product >> 64) as u64
}

/// What a slot keeps of a hash: bits that do not choose the slot.
#[inline]
fn mark(hash: u64) -> u32 {
    (hash as u32) << ID_BITS
}

/// [`Word::hash`] of longer text.
pub(crate) fn hash_long(bytes: &[u8]) -> u64 {
    let mut hash = bytes.len() as u64;
    let (chunks, rest) = bytes.as_chunks::<8>();
    for chunk in chunks {
        hash = fold(hash ^ u64::from_le_bytes(*chunk), 0x9E37_79B9_7F4A_7C15);
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    fold(hash ^ u64::from_le_bytes(last), 0xD1B5_4A32_D192_ED03)
}

/// The tokens of a vocabulary by their bytes.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    slots: Box<[u32]>,
    shift: u32,
    /// The token of each id, if it is short.
    words: Box<[Word]>,
    vocabulary: Arc<Vocabulary>,
    /// Most bytes of a token.
    longest: usize,
}

impl Table {
    #[expect(clippy::needless_pass_by_value, reason = "it is kept")]
    pub(crate) fn new(vocabulary: Arc<Vocabulary>) -> Self {
        let bits = (vocabulary.len() * 2)
            .next_power_of_two()
            .trailing_zeros()
            .max(6);
        let mut table = Self {
            slots: vec![EMPTY; 1 << bits].into(),
            shift: 64 - bits,
            words: vec![Word::NOTHING; vocabulary.limit() as usize].into(),
            longest: 0,
            vocabulary: Arc::clone(&vocabulary),
        };
        // The lower id of two tokens of the same bytes comes first, and so is found.
        for (id, token) in vocabulary.iter() {
            table.longest = table.longest.max(token.len());
            let hash = match token.len() {
                0 => continue,
                1..=SHORT => {
                    let word = Word::of(token, 0, token.len());
                    table.words[id as usize] = word;
                    word.hash()
                }
                _ => {
                    table.words[id as usize] = Word(u128::from(LONG) << 120);
                    hash_long(token)
                }
            };
            let mut index = (hash >> table.shift) as usize;
            while table.slots[index] != EMPTY {
                index = (index + 1) & (table.slots.len() - 1);
            }
            table.slots[index] = mark(hash) | id;
        }
        table
    }

    pub(crate) fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The token of a short word with its hash, or [`NONE`].
    #[inline]
    pub(crate) fn word(&self, word: Word, hash: u64) -> u32 {
        self.find(hash, |id| self.words[id as usize] == word)
    }

    /// The token that is `bytes`, or [`NONE`].
    #[inline]
    pub(crate) fn token(&self, bytes: &[u8], begin: usize, end: usize) -> u32 {
        match end - begin {
            0 => NONE,
            1..=SHORT => {
                let word = Word::of(bytes, begin, end);
                self.word(word, word.hash())
            }
            len if len > self.longest => NONE,
            _ => self.long(&bytes[begin..end], hash_long(&bytes[begin..end])),
        }
    }

    /// The token of more than [`SHORT`] bytes with its hash, or [`NONE`].
    pub(crate) fn long(&self, bytes: &[u8], hash: u64) -> u32 {
        if bytes.len() > self.longest {
            return NONE;
        }
        self.find(hash, |id| self.vocabulary.token(id) == Some(bytes))
    }

    #[inline]
    fn find(&self, hash: u64, is: impl Fn(u32) -> bool) -> u32 {
        let mut index = (hash >> self.shift) as usize;
        let mark = mark(hash);
        loop {
            let slot = self.slots[index];
            if slot & !ID_MASK == mark && slot != EMPTY {
                let id = slot & ID_MASK;
                if is(id) {
                    return id;
                }
            } else if slot == EMPTY {
                return NONE;
            }
            index = (index + 1) & (self.slots.len() - 1);
        }
    }

    /// Appends the bytes of token `id`, or says that there is none.
    #[inline]
    pub(crate) fn append(&self, id: u32, bytes: &mut Vec<u8>) -> bool {
        let Some(word) = self.words.get(id as usize) else {
            return false;
        };
        let window = word.0.to_le_bytes();
        match window[SHORT] {
            LONG => {
                bytes.extend_from_slice(self.vocabulary.token(id).unwrap_or_default());
                true
            }
            0 => self.vocabulary.token(id).is_some(),
            len => {
                // A copy of fixed size is one instruction; of the length it would be a call.
                bytes.extend_from_slice(&window);
                bytes.truncate(bytes.len() - 16 + len as usize);
                true
            }
        }
    }
}
