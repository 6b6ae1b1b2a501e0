//! Drafts without a model: what followed the last time the sequence was here.
//!
//! Prompt lookup (Saxena, "Prompt lookup decoding", 2023; `ngram` in vLLM). Each position knows where the n-gram that ends
//! there ended before, for every n in a range, so a draft searches nothing, and taking tokens back is exact.

use std::hash::BuildHasher;

use hashbrown::HashTable;

use crate::Error;

/// There was no such n-gram before.
const NONE: u32 = u32::MAX;

/// Most tokens an n-gram may have: each length more costs a push and a table.
const MAX_NGRAM: usize = 16;

/// The tokens of a sequence, and where its n-grams were before.
///
/// Its memory is linear in the tokens: 4 bytes for each, and for each and every length of n-grams 4 bytes; up to twice that
/// while they grow. A table for every length has at most 12 bytes a token, less where n-grams repeat. For the default of 2
/// to 5 tokens that is at most 88 bytes a token.
///
/// # Examples
///
/// ```
/// use inferail_sampler::speculative::PromptLookup;
///
/// let mut lookup = PromptLookup::new(2, 4)?;
/// lookup.extend(&[1, 2, 3, 4, 5, 9, 2, 3]);
///
/// assert_eq!(lookup.draft(3), [4, 5, 9]);
/// # Ok::<(), inferail_sampler::Error>(())
/// ```
// A suffix automaton finds matches of any length, but not the most recent one, and cannot forget its last tokens without a
// log of what each changed. Walking back through the positions of the last token costs as much as it is frequent.
#[derive(Debug, Clone)]
pub struct PromptLookup {
    tokens: Vec<u32>,
    min_ngram: usize,
    /// For every length from `min_ngram` on, by n-gram: the position of its last token, where it is most recent.
    latest: Vec<HashTable<u32>>,
    /// For every position and length: the same n-gram before that one.
    earlier: Vec<u32>,
    seed: u64,
}

impl PromptLookup {
    /// An empty sequence, to be searched for n-grams of `min_ngram` to `max_ngram` tokens.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`]: `min_ngram` is 0 or above `max_ngram`, or `max_ngram` above 16.
    pub fn new(min_ngram: usize, max_ngram: usize) -> Result<Self, Error> {
        let refused = |name, expected, value: usize| {
            let value = value.to_string();
            Err(Error::Parameter {
                name,
                expected,
                value,
            })
        };
        if !(1..=MAX_NGRAM).contains(&max_ngram) {
            return refused("max_ngram", "1 to 16", max_ngram);
        }
        if !(1..=max_ngram).contains(&min_ngram) {
            return refused("min_ngram", "1 to max_ngram", min_ngram);
        }
        Ok(Self {
            tokens: Vec::new(),
            min_ngram,
            latest: vec![HashTable::new(); max_ngram - min_ngram + 1],
            earlier: Vec::new(),
            // Of its own for each sequence: nobody can write a text whose n-grams all meet in one place.
            seed: std::hash::RandomState::new().hash_one(0_u8),
        })
    }

    /// Every token.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Adds a token. In the mean of many it takes the same time however long the sequence is.
    ///
    /// What comes behind 2³² - 1 tokens is kept, but not found.
    pub fn push(&mut self, token: u32) {
        let position = self.tokens.len();
        self.tokens.push(token);
        let begin = self.earlier.len();
        self.earlier.resize(begin + self.latest.len(), NONE);
        if position >= NONE as usize {
            return;
        }
        let grams = grams(&self.tokens, self.seed, position).skip(self.min_ngram - 1);
        let tables = self.latest.iter_mut().zip(self.min_ngram..);
        for (((table, len), hash), earlier) in tables.zip(grams).zip(&mut self.earlier[begin..]) {
            let gram = gram(&self.tokens, position, len);
            let is_same = |other: &u32| gram == self::gram(&self.tokens, *other as usize, len);
            if let Some(latest) = table.find_mut(hash, is_same) {
                *earlier = std::mem::replace(latest, position as u32);
            } else {
                let hash_of = |other: &u32| hash_of(&self.tokens, self.seed, *other as usize, len);
                table.insert_unique(hash, position as u32, hash_of);
            }
        }
    }

    /// Adds tokens.
    pub fn extend(&mut self, tokens: &[u32]) {
        self.tokens.reserve(tokens.len());
        self.earlier.reserve(tokens.len() * self.latest.len());
        for &token in tokens {
            self.push(token);
        }
    }

    /// Keeps the first `len` tokens, as if no other had ever been added; nothing happens if there are no more.
    pub fn truncate(&mut self, len: usize) {
        while self.tokens.len() > len {
            self.pop();
        }
    }

    /// At most `max_tokens` tokens that may follow; none where nothing like the end was there before.
    ///
    /// The longest n-gram decides that ends the sequence and was in it before, of the places where it was the most recent;
    /// it may overlap with the end. The tokens are those that followed it there. Where they reach the end of the sequence
    /// they go on with the draft itself: what repeats goes on repeating.
    pub fn draft(&self, max_tokens: usize) -> Vec<u32> {
        let begin = self.earlier.len().saturating_sub(self.latest.len());
        let earlier = self.earlier[begin..]
            .iter()
            .rev()
            .find(|position| **position != NONE);
        let Some(&earlier) = earlier else {
            return Vec::new();
        };
        let follows = &self.tokens[earlier as usize + 1..];
        follows.iter().copied().cycle().take(max_tokens).collect()
    }

    fn pop(&mut self) {
        let Some(position) = self.tokens.len().checked_sub(1) else {
            return;
        };
        let begin = self.earlier.len() - self.latest.len();
        if position < NONE as usize {
            let grams = grams(&self.tokens, self.seed, position).skip(self.min_ngram - 1);
            let tables = self
                .latest
                .iter_mut()
                .zip(grams)
                .zip(&self.earlier[begin..]);
            for ((table, hash), &earlier) in tables {
                let is_last = |latest: &u32| *latest as usize == position;
                let Ok(mut entry) = table.find_entry(hash, is_last) else {
                    continue;
                };
                if earlier == NONE {
                    entry.remove();
                } else {
                    *entry.get_mut() = earlier;
                }
            }
        }
        self.earlier.truncate(begin);
        self.tokens.truncate(position);
    }
}

/// The `len` tokens up to `position`; fewer where it has not so many before it.
fn gram(tokens: &[u32], position: usize, len: usize) -> &[u32] {
    &tokens[(position + 1).saturating_sub(len)..=position]
}

/// Hashes of the n-grams that end at `position`, shortest first.
fn grams(tokens: &[u32], seed: u64, position: usize) -> impl Iterator<Item = u64> {
    let backwards = tokens[..=position].iter().rev();
    backwards.scan(seed, |hash, token| {
        *hash = mixed(*hash, *token);
        Some(*hash)
    })
}

fn hash_of(tokens: &[u32], seed: u64, position: usize, len: usize) -> u64 {
    gram(tokens, position, len)
        .iter()
        .rev()
        .fold(seed, |hash, token| mixed(hash, *token))
}

/// Both halves of a product folded into one; the constant is odd, from the digits of π.
fn mixed(hash: u64, token: u32) -> u64 {
    let product = u128::from(hash ^ u64::from(token)) * 0x2437_54A9_3F84_D5B5_u128;
    (product as u64 ^ (product >> 64) as u64).wrapping_add(0x9E37_79B9_7F4A_7C15)
}
