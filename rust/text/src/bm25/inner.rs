//! What the lock is around: words, where they stand, and the texts they stand in.

use std::sync::OnceLock;

use hashbrown::{HashMap, HashSet};

use super::words::words;
use crate::Error;

/// Places of removed texts that are put up with before lists are written anew.
const PATIENCE: usize = 1024;

/// That a text has a word, and how many times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Posting {
    pub(super) place: u32,
    pub(super) times: u32,
}

/// The texts that have a word, in the order of their places; those that were removed too.
#[derive(Clone, Debug, Default)]
pub(super) struct Word {
    pub(super) postings: Vec<Posting>,
    /// How many of them were not removed.
    pub(super) live: u32,
}

/// The texts of an index, by place: 0, 1, 2, ….
#[derive(Debug, Default)]
pub(super) struct Inner {
    pub(super) numbers: HashMap<Box<str>, u32>,
    pub(super) words: Vec<Word>,
    places: HashMap<u64, u32>,
    pub(super) keys: Vec<u64>,
    /// How many words a text has; nothing if it was removed.
    pub(super) lengths: Vec<Option<u32>>,
    /// The different words of each text, one text after another, and where each ends.
    forward: Vec<u32>,
    forward_ends: Vec<usize>,
    /// The words of all texts together.
    total: u64,
    /// `k1 * (1 - b + b * length / average)` of each place since the last change, infinite of one whose text was removed.
    norms: OnceLock<Box<[f64]>>,
}

impl Inner {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn contains(&self, key: u64) -> bool {
        self.places.contains_key(&key)
    }

    pub(super) fn check_room(&self, keys: &[u64], texts: usize) -> Result<(), Error> {
        if keys.len() != texts {
            let problem = format!("{} keys and {texts} texts", keys.len());
            return Err(Error::argument(problem));
        }
        if self.keys.len() + keys.len() > u32::MAX as usize {
            return Err(Error::argument("an index holds at most 2^32 texts"));
        }
        Ok(())
    }

    pub(super) fn check_new(&self, keys: &[u64], texts: usize) -> Result<(), Error> {
        self.check_room(keys, texts)?;
        let mut seen = HashSet::with_capacity(keys.len());
        for key in keys {
            if self.contains(*key) {
                let problem = format!("key {key} is there already: use upsert to replace its text");
                return Err(Error::argument(problem));
            }
            if !seen.insert(*key) {
                return Err(Error::argument(format!("key {key} is given twice")));
            }
        }
        Ok(())
    }

    /// Adds texts under keys that are new.
    pub(super) fn add<T: AsRef<str>>(&mut self, keys: &[u64], texts: &[T], fold: bool) {
        self.norms = OnceLock::new();
        for (key, text) in keys.iter().zip(texts) {
            let place = self.keys.len() as u32;
            let mut length = 0_u32;
            let Self {
                numbers,
                words: known,
                forward,
                ..
            } = self;
            words(text.as_ref(), fold, |word| {
                length = length.saturating_add(1);
                let number = numbers.get(word).copied().unwrap_or_else(|| {
                    let number = known.len() as u32;
                    numbers.insert(word.into(), number);
                    known.push(Word::default());
                    number
                });
                let word = &mut known[number as usize];
                match word.postings.last_mut() {
                    Some(posting) if posting.place == place => posting.times += 1,
                    _ => {
                        word.postings.push(Posting { place, times: 1 });
                        word.live += 1;
                        forward.push(number);
                    }
                }
            });
            self.put(*key, length);
        }
    }

    /// Notes a text whose words are known.
    fn put(&mut self, key: u64, length: u32) {
        self.places.insert(key, self.keys.len() as u32);
        self.keys.push(key);
        self.lengths.push(Some(length));
        self.forward_ends.push(self.forward.len());
        self.total += u64::from(length);
    }

    /// Removes the text under `key`; whether there was one.
    pub(super) fn delete(&mut self, key: u64) -> bool {
        let Some(place) = self.places.remove(&key) else {
            return false;
        };
        self.norms = OnceLock::new();
        let place = place as usize;
        let length = self.lengths[place].take();
        self.total -= u64::from(length.unwrap_or_default());
        for number in &self.forward[self.forward_of(place)] {
            self.words[*number as usize].live -= 1;
        }
        true
    }

    fn forward_of(&self, place: usize) -> std::ops::Range<usize> {
        let begin = place
            .checked_sub(1)
            .map_or(0, |before| self.forward_ends[before]);
        begin..self.forward_ends[place]
    }

    /// Writes the lists anew where most of what they say is of texts that were removed.
    pub(super) fn compact(&mut self) {
        if self.keys.len() <= 2 * self.len() + PATIENCE {
            return;
        }
        let mut numbers: Vec<(Box<str>, u32)> =
            std::mem::take(&mut self.numbers).into_iter().collect();
        numbers.sort_unstable_by_key(|(_, number)| *number);
        let mut moved = vec![None; self.keys.len()];
        let mut made = Self::default();
        for (place, length) in self.lengths.iter().enumerate() {
            if let Some(length) = length {
                moved[place] = Some(made.keys.len() as u32);
                made.put(self.keys[place], *length);
            }
        }
        for ((word, _), mut known) in numbers.into_iter().zip(std::mem::take(&mut self.words)) {
            if known.live == 0 {
                continue;
            }
            let postings = known.postings.iter().filter_map(|posting| {
                let place = moved[posting.place as usize]?;
                Some(Posting { place, ..*posting })
            });
            known.postings = postings.collect();
            made.numbers.insert(word, made.words.len() as u32);
            made.words.push(known);
        }
        made.list_words();
        *self = made;
    }

    /// The index of texts and words that were read.
    pub(super) fn read(docs: &[(u64, u32)], words: Vec<(Box<str>, Vec<Posting>)>) -> Self {
        let mut made = Self::default();
        for (key, length) in docs {
            made.put(*key, *length);
        }
        for (word, postings) in words {
            made.numbers.insert(word, made.words.len() as u32);
            made.words.push(Word {
                live: postings.len() as u32,
                postings,
            });
        }
        made.list_words();
        made
    }

    /// Finds the words of each text from the texts of each word.
    fn list_words(&mut self) {
        let mut ends = vec![0; self.keys.len()];
        for posting in self.words.iter().flat_map(|word| &word.postings) {
            ends[posting.place as usize] += 1;
        }
        let mut sum = 0;
        for end in &mut ends {
            (*end, sum) = (sum, sum + *end);
        }
        self.forward = vec![0; sum];
        for (number, word) in self.words.iter().enumerate() {
            for posting in &word.postings {
                let end = &mut ends[posting.place as usize];
                self.forward[*end] = number as u32;
                *end += 1;
            }
        }
        self.forward_ends = ends;
    }

    pub(super) fn norms(&self, k1: f64, b: f64) -> &[f64] {
        self.norms.get_or_init(|| {
            let average = self.total as f64 / self.len() as f64;
            let norm = |length: &Option<u32>| match length {
                Some(length) => k1 * (1.0 - b + b * f64::from(*length) / average),
                None => f64::INFINITY,
            };
            self.lengths.iter().map(norm).collect()
        })
    }
}
