//! A row as the sampler sees it: logits that count, and changed ones beside them.

use inferail_simd::logits::{BLOCK, Collected, Level, Members, Row, Scale, Weighed};

use crate::row::chain::List;

/// Logits of one row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) level: Level,
    pub(crate) row: Row<'a>,
    /// Without the changed ones.
    pub(crate) mask: Option<&'a [u32]>,
    /// Ascending ids.
    pub(crate) changed: &'a [(u32, f32)],
}

/// Memory that passes share.
#[derive(Debug, Default)]
pub(crate) struct Passes {
    pub(crate) maxima: Vec<f32>,
    /// Of each block, the weights that a pass summed up.
    pub(crate) masses: Vec<f64>,
    pub(crate) found: Collected,
    few: Vec<f64>,
    values: Vec<f32>,
}

impl<'a> View<'a> {
    pub(crate) fn members(&self) -> Members<'a> {
        Members {
            row: self.row,
            mask: self.mask,
        }
    }

    /// The largest logit, and whether one is not a number.
    pub(crate) fn maximum(&self, passes: &mut Passes) -> (f32, bool) {
        let unordered = self.level.maxima(self.members(), &mut passes.maxima);
        let all = passes
            .maxima
            .iter()
            .copied()
            .chain(self.changed.iter().map(|(_, value)| *value));
        (all.fold(f32::NEG_INFINITY, f32::max), unordered)
    }

    /// How many logits are finite; `maximum` is the largest.
    pub(crate) fn count(&self, maximum: f32) -> u64 {
        let moments = self.level.moments(self.members(), maximum);
        moments.count + self.changed.len() as u64
    }

    /// The logit of `id`; `None` if it does not count.
    pub(crate) fn get(&self, id: u32) -> Option<f32> {
        if let Ok(at) = self.changed.binary_search_by_key(&id, |(id, _)| *id) {
            return Some(self.changed[at].1);
        }
        let counts = |mask: &[u32]| {
            mask.get(id as usize / 32)
                .is_some_and(|word| word >> (id % 32) & 1 == 1)
        };
        self.row
            .get(id as usize)
            .filter(|_| self.mask.is_none_or(counts))
    }

    /// The lowest id whose logit is `maximum`, the largest of all.
    pub(crate) fn first(&self, passes: &Passes, maximum: f32) -> Option<u32> {
        let changed = self
            .changed
            .iter()
            .find(|(_, value)| *value == maximum)
            .map(|(id, _)| *id);
        let block = passes.maxima.iter().position(|most| *most == maximum);
        let ids = block.map(|block| (block * BLOCK) as u32..((block + 1) * BLOCK) as u32);
        let found = ids.and_then(|mut ids| ids.find(|id| self.get(*id) == Some(maximum)));
        changed.into_iter().chain(found).min()
    }

    /// Logits of at least `threshold` into `list`.
    pub(crate) fn collect(&self, passes: &mut Passes, threshold: f32, list: &mut List) {
        self.level
            .collect(self.members(), &passes.maxima, threshold, &mut passes.found);
        let changed = self
            .changed
            .iter()
            .copied()
            .filter(|(_, value)| *value >= threshold);
        list.merge((passes.found.ids(), passes.found.values()), changed);
    }

    /// Logits of at least `threshold` into `list`, the weights of the others into the masses; returns their sum.
    pub(crate) fn tail(
        &self,
        passes: &mut Passes,
        scale: Scale,
        threshold: f32,
        list: &mut List,
    ) -> f64 {
        let Passes {
            maxima,
            masses,
            found,
            ..
        } = passes;
        self.level
            .tail(self.members(), maxima, scale, threshold, masses, found);
        let changed = self
            .changed
            .iter()
            .copied()
            .filter(|(_, value)| *value >= threshold);
        list.merge((passes.found.ids(), passes.found.values()), changed);
        self.add_changed(passes, scale, |value| value < threshold);
        passes.masses.iter().sum()
    }

    /// In double precision: logits from `low` up to `high` into `list`, weights from `high` on into the masses; returns the
    /// sums of all.
    pub(crate) fn weigh(
        &self,
        passes: &mut Passes,
        scale: Scale,
        [low, high]: [f32; 2],
        list: &mut List,
    ) -> Weighed {
        let Passes { masses, found, .. } = passes;
        let mut all = self
            .level
            .weigh(self.members(), scale, [low, high], masses, found);
        let between = |value: &f32| *value >= low && *value < high;
        let changed = self
            .changed
            .iter()
            .copied()
            .filter(|(_, value)| between(value));
        list.merge((passes.found.ids(), passes.found.values()), changed);
        self.add_changed(passes, scale, |value| value >= high);
        for (weight, value) in passes.few.iter().zip(&passes.values) {
            all.total += weight;
            let power = (f64::from(*value) - f64::from(scale.maximum)) * scale.inverse_temperature;
            all.powers += weight * power.max(f64::MIN);
        }
        all
    }

    /// Adds the weights of changed logits to the masses of their blocks.
    fn add_changed(&self, passes: &mut Passes, scale: Scale, adds: impl Fn(f32) -> bool) {
        passes.values.clear();
        passes
            .values
            .extend(self.changed.iter().map(|(_, value)| *value));
        self.level.weights(&passes.values, scale, &mut passes.few);
        for ((id, value), weight) in self.changed.iter().zip(&passes.few) {
            if adds(*value) {
                passes.masses[*id as usize / BLOCK] += weight;
            }
        }
    }
}
