//! The shortest run of the first items whose weights reach a sum, without sorting them all.

/// Items in a bin at most that are sorted and no longer divided.
const SORTED: usize = 48;

const BINS: usize = 256;

/// Memory that selections share.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    members: Vec<u32>,
    bins: Vec<u8>,
}

/// Where a run ends. An item is in it if its key is larger than that of `last`, or as large and its index not larger.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Prefix {
    pub(crate) last: usize,
    /// Weights of the run without `last`, and with it.
    pub(crate) before: f64,
    pub(crate) sum: f64,
}

/// What a sum has to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need {
    pub(crate) sum: f64,
    /// To reach it is not enough.
    pub(crate) beyond: bool,
}

impl Need {
    pub(crate) fn is_met(self, sum: f64) -> bool {
        if self.beyond {
            sum > self.sum
        } else {
            sum >= self.sum
        }
    }
}

impl Selection {
    /// Of `len` items with the largest key first and of equal ones the lowest index: the shortest run that meets `need`.
    ///
    /// All of them where even their sum does not; `None` of no items. Every key is in `range`, if that is known. Linear: items are counted into bins by their keys,
    /// and only the bin in which the run ends is divided again.
    pub(crate) fn prefix(
        &mut self,
        len: usize,
        need: Need,
        range: Option<[f64; 2]>,
        key: impl Fn(usize) -> f64,
        weight: impl Fn(usize) -> f64,
    ) -> Option<Prefix> {
        let Self { members, bins } = self;
        members.clear();
        members.extend(0..len as u32);
        let (mut before, mut range) = (0.0, range);
        loop {
            let [low, high] = range.take().unwrap_or_else(|| extremes(members, &key));
            if low == high || members.len() <= SORTED {
                members.sort_unstable_by(|a, b| {
                    key(*b as usize).total_cmp(&key(*a as usize)).then(a.cmp(b))
                });
                return walk(members, before, need, weight);
            }
            let scale = (BINS as f64 - 1.0) / (high - low);
            bins.clear();
            bins.extend(
                members
                    .iter()
                    .map(|item| bin((high - key(*item as usize)) * scale)),
            );
            // Four sums for each bin: one after the other into the same would wait for each other.
            let mut sums = [[0.0; BINS]; 4];
            let mut filled = [false; BINS];
            for (at, (item, bin)) in members.iter().zip(&*bins).enumerate() {
                sums[at % 4][usize::from(*bin)] += weight(*item as usize);
                filled[usize::from(*bin)] = true;
            }
            let sum = |bin: usize| sums[0][bin] + sums[1][bin] + sums[2][bin] + sums[3][bin];
            let mut end = 0;
            for at in (0..BINS).filter(|at| filled[*at]) {
                // The last bin is taken where nothing meets the need.
                before += if at > 0 { sum(end) } else { 0.0 };
                end = at;
                if need.is_met(before + sum(at)) {
                    break;
                }
            }
            let mut kept = 0;
            for at in 0..members.len() {
                members[kept] = members[at];
                kept += usize::from(usize::from(bins[at]) == end);
            }
            members.truncate(kept);
        }
    }
}

fn extremes(members: &[u32], key: impl Fn(usize) -> f64) -> [f64; 2] {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for item in members {
        let key = key(*item as usize);
        low = if key < low { key } else { low };
        high = if key > high { key } else { high };
    }
    [low, high]
}

/// The whole number nearest to `position`, which is between 0 and 255.
fn bin(position: f64) -> u8 {
    // Added to 2^52, it stands in the lowest bits: a conversion would check the range of each.
    (position + 4_503_599_627_370_496.0).to_bits() as u8
}

fn walk(
    members: &[u32],
    mut before: f64,
    need: Need,
    weight: impl Fn(usize) -> f64,
) -> Option<Prefix> {
    let (last, items) = members.split_last()?;
    for item in items {
        let sum = before + weight(*item as usize);
        if need.is_met(sum) {
            return Some(Prefix {
                last: *item as usize,
                before,
                sum,
            });
        }
        before = sum;
    }
    let last = *last as usize;
    Some(Prefix {
        last,
        before,
        sum: before + weight(last),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_prefix_is_that_of_the_sorted_items(
            keys in proptest::collection::vec(
                prop_oneof![-3.0_f64..3.0, (-6_i32..6).prop_map(f64::from), Just(-1e300), Just(1e300)],
                0..400,
            ),
            fraction in 0.0_f64..1.1,
            beyond in any::<bool>(),
            is_known in any::<bool>(),
        ) {
            let range = is_known.then_some([-1e300, 1e300]);
            // Whole weights: their sums do not depend on the order.
            let weights: Vec<f64> = keys.iter().map(|key| (key.abs() * 3.0).min(99.0).floor()).collect();
            let need = Need { sum: (weights.iter().sum::<f64>() * fraction).floor(), beyond };
            let seen = Selection::default().prefix(keys.len(), need, range, |item| keys[item], |item| weights[item]);

            let mut order: Vec<usize> = (0..keys.len()).collect();
            order.sort_by(|a, b| keys[*b].total_cmp(&keys[*a]).then(a.cmp(b)));
            let mut sum = 0.0;
            let mut expected = None;
            for item in order {
                expected = Some(Prefix { last: item, before: sum, sum: sum + weights[item] });
                sum += weights[item];
                if need.is_met(sum) {
                    break;
                }
            }
            prop_assert_eq!(seen, expected);
        }
    }
}
