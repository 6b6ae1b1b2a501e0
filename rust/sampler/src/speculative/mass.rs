//! Sums of probabilities and draws from them, to the last bit the same for rows and for lists.
//!
//! Probabilities are added in blocks of ids, each block in lanes: so a row is read many numbers at a time, and a list of
//! the few that are not 0 gives the same sum, since adding 0 changes none.

/// How far from 1 a sum may be: what is further off are not probabilities but logits or logarithms.
pub(super) const TOLERANCE: f64 = 1e-3;

/// Wide enough that a hundred scattered ids make few sums, narrow enough to be searched one by one where a draw falls.
const BLOCK: usize = 4096;
pub(super) const LANES: usize = 16;

/// Weights of tokens, by ascending id.
pub(super) trait Mass {
    /// The sum of the block that begins at or behind `block`, with its number and what [`Self::within`] needs; `None`
    /// where there is none.
    fn next_block(&self, cursor: usize) -> Option<Block>;

    /// The ids and weights of a block.
    fn within(&self, block: &Block) -> impl Iterator<Item = (u32, f64)>;
}

/// A part of the weights.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    begin: usize,
    /// Where the next one begins.
    end: usize,
    sum: f64,
}

/// The sum of all weights.
pub(super) fn total(mass: &impl Mass) -> f64 {
    let mut cursor = 0;
    let mut sum = 0.0;
    while let Some(block) = mass.next_block(cursor) {
        sum += block.sum;
        cursor = block.end;
    }
    sum
}

/// The token at which the running sum first exceeds `uniform` of `total`; `None` where nothing weighs anything.
///
/// Where rounding leaves the sum short of it, the last token that weighs something.
pub(super) fn draw(mass: &impl Mass, total: f64, uniform: f64) -> Option<u32> {
    let target = uniform * total;
    let (mut cursor, mut before) = (0, 0.0);
    let mut last = None;
    while let Some(block) = mass.next_block(cursor) {
        if block.sum > 0.0 {
            last = Some((block, before));
            if before + block.sum > target {
                break;
            }
        }
        before += block.sum;
        cursor = block.end;
    }
    let (block, mut sum) = last?;
    let mut likely = None;
    for (id, weight) in mass.within(&block) {
        sum += weight;
        if weight > 0.0 {
            likely = Some(id);
            if sum > target {
                break;
            }
        }
    }
    likely
}

/// A list of ids and their weights.
#[derive(Debug, Clone, Copy)]
pub(super) struct List<'a> {
    pub(super) ids: &'a [u32],
    pub(super) weights: &'a [f64],
}

impl Mass for List<'_> {
    fn next_block(&self, begin: usize) -> Option<Block> {
        let number = *self.ids.get(begin)? as usize / BLOCK;
        let in_block = |id: &&u32| **id as usize / BLOCK == number;
        let end = begin + self.ids[begin..].iter().take_while(in_block).count();
        let sum = if end == begin + 1 {
            self.weights[begin]
        } else {
            let mut lanes = [0.0; LANES];
            for (id, weight) in self.ids[begin..end].iter().zip(&self.weights[begin..end]) {
                lanes[*id as usize % LANES] += weight;
            }
            folded(lanes)
        };
        Some(Block { begin, end, sum })
    }

    fn within(&self, block: &Block) -> impl Iterator<Item = (u32, f64)> {
        let part = block.begin..block.end;
        let ids = self.ids[part.clone()].iter().copied();
        ids.zip(self.weights[part].iter().copied())
    }
}

/// A weight for every id below a limit.
pub(super) trait Column {
    /// How many ids.
    fn len(&self) -> usize;

    /// The weight of one.
    fn at(&self, id: usize) -> f64;

    /// The weights from `first` on, 0 behind the last.
    fn lanes(&self, first: usize) -> [f64; LANES];
}

/// A whole row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<C>(pub(super) C);

impl<C: Column> Mass for Row<C> {
    fn next_block(&self, begin: usize) -> Option<Block> {
        let end = self.0.len().min(begin + BLOCK);
        if begin >= end {
            return None;
        }
        let mut lanes = [0.0; LANES];
        for first in (begin..end).step_by(LANES) {
            for (lane, weight) in lanes.iter_mut().zip(self.0.lanes(first)) {
                *lane += weight;
            }
        }
        let sum = folded(lanes);
        Some(Block { begin, end, sum })
    }

    fn within(&self, block: &Block) -> impl Iterator<Item = (u32, f64)> {
        (block.begin..block.end).map(|id| (id as u32, self.0.at(id)))
    }
}

/// The lanes added in halves.
fn folded(mut lanes: [f64; LANES]) -> f64 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Purpose, uniform};

    struct Values<'a>(&'a [f64]);

    impl Column for Values<'_> {
        fn len(&self) -> usize {
            self.0.len()
        }

        fn at(&self, id: usize) -> f64 {
            self.0[id]
        }

        fn lanes(&self, first: usize) -> [f64; LANES] {
            std::array::from_fn(|lane| self.0.get(first + lane).copied().unwrap_or_default())
        }
    }

    /// Weights of which many are 0, over a few blocks; from a number, which is faster than a strategy for each.
    fn weights() -> impl Strategy<Value = Vec<f64>> {
        (any::<u64>(), 0..3 * BLOCK as u64).prop_map(|(seed, len)| {
            let numbers = (0..len).map(|at| uniform(seed, at, Purpose::Token, 0));
            let weights = numbers.map(|number| match number {
                0.6.. => 0.0,
                0.5.. => 1e-300,
                _ => number,
            });
            weights.collect()
        })
    }

    proptest! {
        #[test]
        fn list_and_row_agree_to_the_last_bit(weights in weights(), uniform in 0.0..1.0_f64) {
            let kept = || weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0);
            let ids: Vec<u32> = kept().map(|(id, _)| id as u32).collect();
            let values: Vec<f64> = kept().map(|(_, weight)| *weight).collect();
            let list = List { ids: &ids, weights: &values };
            let row = Row(Values(&weights));

            let sum = total(&list);

            prop_assert_eq!(sum.to_bits(), total(&row).to_bits());
            let drawn = draw(&list, sum, uniform);
            prop_assert_eq!(drawn, draw(&row, sum, uniform));
            prop_assert_eq!(drawn.is_some(), !ids.is_empty());
            prop_assert!(drawn.is_none_or(|id| weights[id as usize] > 0.0));
        }

        #[test]
        fn draw_is_where_the_running_sum_passes(weights in weights(), uniform in 0.0..1.0_f64) {
            let row = Row(Values(&weights));
            let sum = total(&row);
            let Some(drawn) = draw(&row, sum, uniform) else { return Ok(()) };

            let through: f64 = weights[..=drawn as usize].iter().sum();
            let before = through - weights[drawn as usize];

            prop_assert!(before <= uniform * sum + 1e-9 && uniform * sum <= through + 1e-9);
        }
    }

    #[test]
    fn draw_takes_the_last_that_weighs_something_where_nothing_passes() {
        let row = Row(Values(&[0.0, 5e-324, 0.0]));

        assert_eq!(draw(&row, 5e-324, 0.9), Some(1));
        assert_eq!(draw(&row, 1.0, 0.9), Some(1));
        assert_eq!(draw(&Row(Values(&[0.0, 0.0])), 0.0, 0.0), None);
    }
}
