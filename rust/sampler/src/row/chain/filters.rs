//! What each filter keeps.

use super::{Chain, Left, Memory, Need};
use crate::settings::parameters::{Mirostat, MirostatVersion};

impl Chain<'_> {
    /// The `k` largest logits, and with `keeps_ties` those that are as large as the last of them.
    pub(super) fn top_k(&mut self, k: usize, keeps_ties: bool) {
        self.list_top(k);
        let Memory {
            list, selection, ..
        } = &mut *self.memory;
        if list.len() <= k {
            return;
        }
        let need = Need {
            sum: k as f64,
            beyond: false,
        };
        let found = selection.prefix(&list.values, None, need, None);
        let Some(found) = found else { return };
        let (value, last) = (list.values[found.last], list.ids[found.last]);
        list.retain(|list, at| {
            let tied = list.values[at] == value && (keeps_ties || list.ids[at] <= last);
            list.values[at] > value || tied
        });
    }

    /// Makes the list, of the `k` largest logits at least.
    fn list_top(&mut self, k: usize) {
        let Memory {
            passes,
            list,
            spare,
            ..
        } = &mut *self.memory;
        match self.left {
            // Each of the k largest maxima is a logit, so the k largest logits are not below the least of them.
            Left::Row if k < passes.maxima.len() => {
                spare.values.clear();
                spare.values.extend_from_slice(&passes.maxima);
                let (_, least, _) = spare
                    .values
                    .select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
                let least = least.max(f32::MIN);
                self.view.collect(passes, least, list);
                self.left = Left::List;
            }
            Left::List => {}
            _ => {
                self.list();
            }
        }
    }

    /// Both on the same probabilities.
    pub(super) fn top_k_and_top_p(&mut self, top_p_keeps_all: bool) {
        let (k, p) = (self.parameters.top_k, self.parameters.top_p);
        match (k, top_p_keeps_all) {
            (0, true) => {}
            (0, false) => self.top_p(p),
            (_, true) => self.top_k(k, false),
            (_, false) => {
                let total = self.total();
                self.top_k(k, false);
                self.memory.list.weigh(self.view.level, self.scale);
                self.cut_list(p * total);
            }
        }
    }

    /// Tokens at least `min_p` times as likely as the most likely one.
    pub(super) fn min_p(&mut self, min_p: f64) {
        self.keep_powers(min_p.ln());
    }

    /// Logits whose power, `(x − maximum) / temperature`, is at least `least`, and the largest in any case.
    fn keep_powers(&mut self, least: f64) {
        let (scale, least) = (self.scale, least.min(0.0));
        let power =
            |value: f32| (f64::from(value) - f64::from(scale.maximum)) * scale.inverse_temperature;
        let Memory { passes, list, .. } = &mut *self.memory;
        if self.left == Left::Row {
            // What is collected is tested once more: this may be a little too low.
            let threshold = f64::from(scale.maximum) + least / scale.inverse_temperature;
            let threshold = (threshold as f32).max(f32::MIN).next_down().next_down();
            self.view.collect(passes, threshold.max(f32::MIN), list);
            self.left = Left::List;
        } else if self.left != Left::List {
            self.list();
        }
        let list = &mut self.memory.list;
        let most = list.values.iter().copied().fold(f32::MIN, f32::max);
        list.retain(|list, at| power(list.values[at]) >= least || list.values[at] == most);
    }

    /// Logits within `sigma` standard deviations (of the population) of the largest, both of the row before any filter.
    pub(super) fn top_n_sigma(&mut self, sigma: f64) {
        let moments = self
            .view
            .level
            .moments(self.view.members(), self.row_maximum);
        let (mut sum, mut squares) = (moments.sum, moments.squares);
        for (_, value) in self.view.changed {
            let distance = f64::from(self.row_maximum) - f64::from(*value);
            sum += distance;
            squares += distance * distance;
        }
        let count = (moments.count + self.view.changed.len() as u64) as f64;
        let mean = sum / count;
        let deviation = (squares / count - mean * mean).max(0.0).sqrt();
        let least = f64::from(self.row_maximum) - sigma * deviation;
        let least = (least - f64::from(self.scale.maximum)) * self.scale.inverse_temperature;
        self.keep_powers(least);
    }

    /// Tokens not less likely than `epsilon` (Hewitt et al., 2022).
    pub(super) fn epsilon(&mut self, epsilon: f64) {
        let total = self.total();
        self.keep_powers((epsilon * total).ln());
    }

    /// Tokens not less likely than `min(eta, sqrt(eta) · exp(−entropy))` (Hewitt et al., 2022).
    pub(super) fn eta(&mut self, eta: f64) {
        let (entropy, _) = self.entropy();
        let total = self.total();
        let least = eta.min(eta.sqrt() * (-entropy).exp());
        self.keep_powers((least * total).ln());
    }

    /// Tokens whose surprise is nearest to the entropy, until they are `p` of the whole (Meister et al., 2022).
    pub(super) fn typical(&mut self, p: f64) {
        let (entropy, _) = self.entropy();
        let strict = self.conventions.typical_is_strict;
        let total = self.list().total();
        let Memory {
            list,
            selection,
            spare,
            ..
        } = &mut *self.memory;
        let (scale, middle) = (self.scale, total.ln() - entropy);
        let distance = |value: &f32| {
            let power = (f64::from(*value) - f64::from(scale.maximum)) * scale.inverse_temperature;
            -(middle - power).abs()
        };
        spare.weights.clear();
        spare.weights.extend(list.values.iter().map(distance));
        let need = Need {
            sum: p * total,
            beyond: strict,
        };
        let keys = &spare.weights;
        let found = selection.prefix(keys, Some(&list.weights), need, None);
        if let Some(found) = found {
            let (key, last) = (keys[found.last], found.last);
            list.retain(|_, at| keys[at] > key || (keys[at] == key && (!strict || at <= last)));
            self.find_maximum();
        }
    }

    /// XTC: all top choices but the least likely one.
    pub(super) fn exclude(&mut self) {
        let Some(exclusion) = &self.parameters.exclusion else {
            return;
        };
        if self.chance >= exclusion.probability || exclusion.threshold > 0.5 {
            return;
        }
        let strict = self.conventions.exclusion_is_strict;
        let total = self.list().total();
        let list = &mut self.memory.list;
        let bound = exclusion.threshold * total;
        let is_top = |weight: f64| {
            if strict {
                weight > bound
            } else {
                weight >= bound
            }
        };
        let top = (0..list.len()).filter(|at| is_top(list.weights[*at]));
        // Of equally likely ones the last is kept, as if they were sorted.
        let order =
            |a: &usize, b: &usize| list.values[*a].total_cmp(&list.values[*b]).then(b.cmp(a));
        let Some(least) = top.min_by(order) else {
            return;
        };
        let is_protected = |id: u32| exclusion.protected.binary_search(&id).is_ok();
        let value = list.values[least];
        list.retain(|list, at| {
            let stays = at == least || strict && list.values[at] == value;
            stays || !is_top(list.weights[at]) || is_protected(list.ids[at])
        });
        self.find_maximum();
    }

    /// The most likely token may be gone.
    fn find_maximum(&mut self) {
        let values = self.memory.list.values.iter().copied();
        self.scale.maximum = values.fold(f32::MIN, f32::max);
        self.memory.list.weigh(self.view.level, self.scale);
    }

    pub(super) fn mirostat(&mut self, mirostat: Mirostat, surprise: f64) {
        match mirostat.version {
            MirostatVersion::One => {
                let k = self.zipf_k(mirostat.considered, surprise);
                self.top_k(k, false);
            }
            MirostatVersion::Two => {
                let total = self.total();
                let least = total.ln() - surprise * std::f64::consts::LN_2;
                if least > 0.0 {
                    self.top_k(1, false);
                } else {
                    self.keep_powers(least);
                }
            }
        }
    }

    /// How many tokens have the surprise in a Zipf law with the exponent of the most likely ones.
    fn zipf_k(&mut self, considered: usize, surprise: f64) -> usize {
        let vocabulary = self.view.row.len() as f64;
        let inverse = self.scale.inverse_temperature;
        self.list_top(considered);
        let mut values = self.memory.list.values.clone();
        self.left = Left::Row;
        values.sort_unstable_by(|a, b| b.total_cmp(a));
        values.truncate(considered);
        let (mut products, mut squares) = (0.0, 0.0);
        for (at, [value, next]) in values.array_windows().enumerate() {
            let t = ((at + 2) as f64 / (at + 1) as f64).ln();
            products += t * (f64::from(*value) - f64::from(*next)) * inverse;
            squares += t * t;
        }
        let count = self.view.count(self.row_maximum);
        let exponent = if values.len() > 1 {
            products / squares
        } else {
            1.0
        };
        zipf_count(exponent, surprise, vocabulary, count)
    }
}

/// `k = ((s − 1) · 2^μ / (1 − V^(1 − s)))^(1/s)` as a whole number from 1 to `count`, by logarithms, so that nothing
/// overflows. At s = 1 the fraction is its limit `2^μ / ln V`.
fn zipf_count(exponent: f64, surprise: f64, vocabulary: f64, count: u64) -> usize {
    let difference = exponent - 1.0;
    let scale = if difference == 0.0 {
        vocabulary.ln()
    } else {
        -(-difference * vocabulary.ln()).exp_m1() / difference
    };
    let base = surprise * std::f64::consts::LN_2 - scale.ln();
    if count == 1 || (exponent == 0.0 && base <= 0.0) {
        return 1;
    }
    let most = count as f64;
    let k = (base / exponent).min((most + 1.0).ln()).exp();
    k.floor().clamp(1.0, most) as usize
}
