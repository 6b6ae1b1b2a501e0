//! Top-p: the smallest set of the most likely tokens that has a share of the whole.

use inferail_simd::logits::BLOCK;

use super::list::sum;
use super::{Chain, Left, List, Memory, Need};

/// Largest relative error of a sum of single-precision weights: 2e-7 · (1 + |power|), and what has a power below −32 is
/// lost in the sum.
const ERROR: f64 = 7e-6;

/// Logits that are looked at to guess where a flat row is cut.
const SAMPLED: usize = 2048;

/// How far beside the guess the cut may be, as a share of the whole: not quite two deviations for a row of normal logits.
const SLACK: f64 = 0.025;

impl Chain<'_> {
    /// Keeps the most likely tokens that are `p` of what is left together, one at least.
    pub(super) fn top_p(&mut self, p: f64) {
        if self.left != Left::Row {
            let total = self.list().total();
            self.cut_list(p * total);
            return;
        }
        // In a quarter of the blocks, about three hundred tokens of a large vocabulary are looked at; a second try looks at
        // fourteen hundred, where that promises something.
        let found = self.cut_head(p, 0.25);
        if found.is_some_and(|share| {
            share < p && (share < p / 4.0 || self.cut_head(p, 0.75).is_some_and(|share| share < p))
        }) {
            self.cut_flat(p);
        }
    }

    /// Cuts the list where the sum of its weights reaches `sum`.
    pub(super) fn cut_list(&mut self, sum: f64) {
        let need = Need {
            sum,
            beyond: self.conventions.top_p_is_strict,
        };
        let Memory {
            list, selection, ..
        } = &mut *self.memory;
        if let Some(found) = selection.prefix(&list.values, Some(&list.weights), need, None) {
            let (value, last) = (list.values[found.last], list.ids[found.last]);
            list.retain(|list, at| {
                list.values[at] > value || (list.values[at] == value && list.ids[at] <= last)
            });
        }
    }

    /// Lists the likely tokens, of about so many `blocks`, and only sums up the rest: one read. Returns their share of the
    /// whole if that is not enough, and otherwise `None`.
    fn cut_head(&mut self, p: f64, blocks: f64) -> Option<f64> {
        let threshold = self.head(blocks);
        let Memory {
            passes,
            list,
            selection,
            spare,
        } = &mut *self.memory;
        let mut rest = self.view.tail(passes, self.scale, threshold, list);
        list.weigh(self.view.level, self.scale);
        let head = list.total();
        let mut error = rest * ERROR;
        if p * (head + rest + error) > head {
            return Some(head / (head + rest));
        }
        loop {
            let share = p * (head + rest);
            let need = Need {
                sum: share,
                beyond: self.conventions.top_p_is_strict,
            };
            let found = selection.prefix(&list.values, Some(&list.weights), need, None)?;
            // The rest is not known to the last bit. Where that could move the cut, it is summed up in double precision.
            let doubtful = share - found.before <= error || found.sum - share < error;
            if error > 0.0 && doubtful {
                let all = self
                    .view
                    .weigh(passes, self.scale, [f32::INFINITY; 2], spare);
                (rest, error) = (all.total - head, 0.0);
                continue;
            }
            let (value, last) = (list.values[found.last], list.ids[found.last]);
            list.retain(|list, at| {
                list.values[at] > value || (list.values[at] == value && list.ids[at] <= last)
            });
            self.left = Left::List;
            return None;
        }
    }

    /// The logit that a share `blocks` of the blocks reach, or one below which nothing matters.
    fn head(&mut self, blocks: f64) -> f32 {
        let Memory { passes, spare, .. } = &mut *self.memory;
        let lowest = f64::from(self.scale.maximum) - 16.0 / self.scale.inverse_temperature;
        let lowest = (lowest as f32).max(f32::MIN);
        spare.values.clear();
        spare.values.extend_from_slice(&passes.maxima);
        let at = (spare.values.len() as f64 * blocks) as usize;
        if at >= spare.values.len() {
            return lowest;
        }
        let (_, value, _) = spare
            .values
            .select_nth_unstable_by(at, |a, b| b.total_cmp(a));
        value.max(lowest)
    }

    /// Guesses where the cut is from a few logits, and reads the row once more, in double precision.
    fn cut_flat(&mut self, p: f64) {
        let beyond = self.conventions.top_p_is_strict;
        let [mut low, mut high] = self.guess(p);
        let mut guessed = true;
        loop {
            let Memory {
                passes,
                list,
                selection,
                ..
            } = &mut *self.memory;
            let all = self.view.weigh(passes, self.scale, [low, high], list);
            let above = sum(&passes.masses);
            let need = Need {
                sum: p * all.total - above,
                beyond,
            };
            let is_guess = std::mem::take(&mut guessed);
            if is_guess && above > 0.0 && need.is_met(0.0) {
                (low, high) = (high, f32::INFINITY);
                continue;
            }
            list.weigh(self.view.level, self.scale);
            let range = [f64::from(low), f64::from(high.min(self.scale.maximum))];
            let Some(found) =
                selection.prefix(&list.values, Some(&list.weights), need, Some(range))
            else {
                return;
            };
            if is_guess && !need.is_met(found.sum) && low > f32::MIN {
                (low, high) = (f32::MIN, low);
                continue;
            }
            let (value, last) = (list.values[found.last], list.ids[found.last]);
            add_kept(list, value, last, &mut passes.masses);
            self.left = Left::Above { value, last };
            return;
        }
    }

    /// Two logits between which the cut probably is.
    fn guess(&mut self, p: f64) -> [f32; 2] {
        let Memory {
            list, selection, ..
        } = &mut *self.memory;
        let vocabulary = self.view.row.len();
        let step = vocabulary.div_ceil(SAMPLED).max(1);
        let ids = (0..vocabulary).step_by(step).map(|id| id as u32);
        let seen = ids.filter_map(|id| Some((id, self.view.get(id)?)));
        list.merge((&[], &[]), seen.filter(|(_, value)| *value >= f32::MIN));
        list.weigh(self.view.level, self.scale);
        let total = list.total();
        let mut value = |share: f64| {
            let need = Need {
                sum: share * total,
                beyond: false,
            };
            let found = selection.prefix(&list.values, Some(&list.weights), need, None);
            found.map(|found| list.values[found.last])
        };
        let high = value(p - SLACK.min(p * 0.875));
        let low = value(p + SLACK.min((1.0 - p) * 0.875));
        let (low, high) = (low.unwrap_or(f32::MIN), high.unwrap_or(f32::INFINITY));
        [low, if high > low { high } else { f32::INFINITY }]
    }
}

/// Adds the weights of what is kept to the masses of their blocks.
fn add_kept(list: &List, value: f32, last: u32, masses: &mut [f64]) {
    let (mut block, mut mass) = (0, 0.0);
    for ((id, logit), weight) in list.ids.iter().zip(&list.values).zip(&list.weights) {
        let is_kept = *logit > value || *logit == value && *id <= last;
        if *id as usize / BLOCK != block {
            masses[block] += mass;
            (block, mass) = (*id as usize / BLOCK, 0.0);
        }
        mass += if is_kept { *weight } else { 0.0 };
    }
    if mass > 0.0 {
        masses[block] += mass;
    }
}
