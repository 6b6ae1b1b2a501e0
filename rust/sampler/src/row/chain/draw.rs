//! From what is left to one token.

use inferail_simd::logits::BLOCK;

use super::{Chain, Left, List, Memory};

/// A drawn token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Drawn {
    pub(crate) id: u32,
    /// Its share of what was left.
    pub(crate) probability: f64,
}

impl Chain<'_> {
    /// The most likely token that is left, of several the one with the lowest id.
    pub(crate) fn most_likely(&mut self) -> Option<u32> {
        let list = self.list();
        let order =
            |a: &usize, b: &usize| list.values[*a].total_cmp(&list.values[*b]).then(b.cmp(a));
        (0..list.len()).max_by(order).map(|at| list.ids[at])
    }

    /// The token at which the weights that are left, added up in the order of the ids, exceed `uniform` of their sum.
    pub(crate) fn draw(&mut self, uniform: f64) -> Option<Drawn> {
        match self.left {
            Left::List => {
                let list = self.list();
                let total = list.total();
                let (id, weight) = within(list, uniform * total)?;
                Some(Drawn {
                    id,
                    probability: weight / total,
                })
            }
            Left::Row => {
                let Memory { passes, spare, .. } = &mut *self.memory;
                self.view.tail(passes, self.scale, f32::INFINITY, spare);
                self.draw_block(uniform, f32::MIN, u32::MAX)
            }
            Left::Above { value, last } => self.draw_block(uniform, value, last),
        }
    }

    /// Finds the block by the masses, and the token in it by its own weights.
    fn draw_block(&mut self, uniform: f64, value: f32, last: u32) -> Option<Drawn> {
        let Memory { passes, spare, .. } = &mut *self.memory;
        let masses = &passes.masses;
        let total: f64 = masses.iter().sum();
        let target = uniform * total;
        let (mut sum, mut found) = (0.0, None);
        for (block, mass) in masses.iter().enumerate().filter(|(_, mass)| **mass > 0.0) {
            // The last one is taken where rounding keeps the sum below the target.
            found = Some((block, (target - sum) / mass));
            sum += mass;
            if sum > target {
                break;
            }
        }
        let (block, share) = found?;
        let first = (block * BLOCK) as u32;
        let ids = first..first + BLOCK as u32;
        let seen = ids.filter_map(|id| Some((id, self.view.get(id)?)));
        let kept = |(id, logit): &(u32, f32)| *logit > value || *logit == value && *id <= last;
        spare.merge((&[], &[]), seen.filter(kept));
        spare.weigh(self.view.level, self.scale);
        let (id, weight) = within(spare, share.clamp(0.0, 1.0) * spare.total())?;
        Some(Drawn {
            id,
            probability: weight / total,
        })
    }
}

/// The first token at which the running sum exceeds `target`, and its weight.
fn within(list: &List, target: f64) -> Option<(u32, f64)> {
    let mut sum = 0.0;
    let mut last = None;
    for (id, weight) in list
        .ids
        .iter()
        .zip(&list.weights)
        .filter(|(_, weight)| **weight > 0.0)
    {
        last = Some((*id, *weight));
        sum += weight;
        if sum > target {
            break;
        }
    }
    last
}
