//! The best texts for a query.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::Settings;
use super::inner::{Inner, Word};
use super::words::words;

/// A list of places is kept if the lists of the query are this much shorter than all texts; otherwise every text is looked at.
const SPARSE: usize = 8;

/// Sums by place, all of them 0 between searches.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    sums: Vec<f64>,
    touched: Vec<u32>,
}

/// A text that was found. The greatest is the worst, so that a heap has it on top.
#[derive(Clone, Copy, Debug)]
struct Found {
    score: f64,
    key: u64,
}

impl Ord for Found {
    fn cmp(&self, other: &Self) -> Ordering {
        other
            .score
            .total_cmp(&self.score)
            .then(self.key.cmp(&other.key))
    }
}

impl PartialOrd for Found {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Found {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Found {}

/// The best of what it is shown.
struct Best {
    heap: BinaryHeap<Found>,
    k: usize,
    /// What a score has to reach.
    least: f64,
}

impl Best {
    fn show(&mut self, score: f64, key: u64) {
        let found = Found { score, key };
        if self.heap.len() < self.k {
            self.heap.push(found);
        } else if let Some(mut worst) = self.heap.peek_mut()
            && found < *worst
        {
            *worst = found;
        }
        if self.heap.len() == self.k
            && let Some(worst) = self.heap.peek()
        {
            self.least = worst.score;
        }
    }
}

impl Inner {
    pub(super) fn search(
        &self,
        query: &str,
        k: usize,
        settings: Settings,
        scratch: &mut Scratch,
    ) -> Vec<(u64, f64)> {
        let asked = self.asked(query, settings.fold);
        if asked.is_empty() || k == 0 {
            return Vec::new();
        }
        let norms = self.norms(settings.k1, settings.b);
        let texts = self.len() as f64;
        scratch.sums.resize(norms.len(), 0.0);
        let looks: usize = asked.iter().map(|(word, _)| word.postings.len()).sum();
        let is_sparse = looks < norms.len() / SPARSE;
        for (word, times) in asked {
            let having = f64::from(word.live);
            let weight = times * (1.0 + (texts - having + 0.5) / (having + 0.5)).ln();
            for posting in &word.postings {
                let place = posting.place as usize;
                let count = f64::from(posting.times);
                let sum = &mut scratch.sums[place];
                if is_sparse && *sum == 0.0 {
                    scratch.touched.push(posting.place);
                }
                *sum += weight * (count * (settings.k1 + 1.0) / (count + norms[place]));
            }
        }
        let mut best = Best {
            heap: BinaryHeap::with_capacity(k.min(looks) + 1),
            k,
            least: f64::MIN_POSITIVE,
        };
        if is_sparse {
            for place in scratch.touched.drain(..) {
                let sum = std::mem::take(&mut scratch.sums[place as usize]);
                if sum >= best.least {
                    best.show(sum, self.keys[place as usize]);
                }
            }
        } else {
            for (place, sum) in scratch.sums.iter().enumerate() {
                if *sum >= best.least {
                    best.show(*sum, self.keys[place]);
                }
            }
            scratch.sums.fill(0.0);
        }
        let found = best.heap.into_sorted_vec().into_iter();
        found.map(|found| (found.key, found.score)).collect()
    }

    /// The different words of a query that a text has, in their order, and how many times each is there.
    fn asked(&self, query: &str, fold: bool) -> Vec<(&Word, f64)> {
        let mut numbers: Vec<(u32, f64)> = Vec::new();
        words(query, fold, |word| {
            if let Some(number) = self.numbers.get(word) {
                match numbers.iter_mut().find(|(known, _)| known == number) {
                    Some((_, times)) => *times += 1.0,
                    None => numbers.push((*number, 1.0)),
                }
            }
        });
        let found = numbers.into_iter();
        let found = found.map(|(number, times)| (&self.words[number as usize], times));
        found.filter(|(word, _)| word.live > 0).collect()
    }
}
