//! Tokens that are still candidates, when they are few enough to be listed.

use inferail_simd::logits::{Level, Scale};

/// Candidates in ascending order of their ids.
#[derive(Debug, Default)]
pub(crate) struct List {
    pub(crate) ids: Vec<u32>,
    pub(crate) values: Vec<f32>,
    /// `exp((value − maximum) / temperature)`, where they were asked for.
    pub(crate) weights: Vec<f64>,
}

impl List {
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn clear(&mut self) {
        self.ids.clear();
        self.values.clear();
        self.weights.clear();
    }

    /// Two ascending lists as one: what a pass found, and changed logits.
    pub(crate) fn merge(
        &mut self,
        found: (&[u32], &[f32]),
        changed: impl Iterator<Item = (u32, f32)>,
    ) {
        self.clear();
        let mut start = 0;
        for (id, value) in changed {
            let end = start + found.0[start..].partition_point(|found| *found < id);
            self.append(found, start..end);
            self.ids.push(id);
            self.values.push(value + 0.0);
            start = end;
        }
        self.append(found, start..found.0.len());
    }

    fn append(&mut self, found: (&[u32], &[f32]), range: std::ops::Range<usize>) {
        self.ids.extend_from_slice(&found.0[range.clone()]);
        // −0 becomes 0: it is equal, and keys are ordered by their bits.
        self.values
            .extend(found.1[range].iter().map(|value| value + 0.0));
    }

    /// Works out the weights.
    pub(crate) fn weigh(&mut self, level: Level, scale: Scale) {
        level.weights(&self.values, scale, &mut self.weights);
    }

    pub(crate) fn total(&self) -> f64 {
        sum(&self.weights)
    }

    /// Keeps the candidates of which `keep` says so, by index.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Self, usize) -> bool) {
        let mut kept = 0;
        let weighed = !self.weights.is_empty();
        for at in 0..self.len() {
            if keep(self, at) {
                self.ids[kept] = self.ids[at];
                self.values[kept] = self.values[at];
                if weighed {
                    self.weights[kept] = self.weights[at];
                }
                kept += 1;
            }
        }
        self.ids.truncate(kept);
        self.values.truncate(kept);
        self.weights.truncate(kept);
    }
}

/// Eight sums at a time, always in this order: one alone would wait for every addition.
pub(crate) fn sum(numbers: &[f64]) -> f64 {
    let (eights, rest) = numbers.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for eight in eights {
        for (sum, number) in sums.iter_mut().zip(eight) {
            *sum += number;
        }
    }
    sums.iter().sum::<f64>() + rest.iter().sum::<f64>()
}
