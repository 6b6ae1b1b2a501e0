//! The shortest run of the first items whose weights reach a sum, without sorting them all.

/// Items in a bin at most that are sorted and no longer divided.
const SORTED: usize = 48;

const BINS: usize = 256;

/// Memory that selections share.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    members: Vec<u32>,
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
    fn is_met(self, sum: f64) -> bool {
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
    /// All of them where even their sum does not; `None` of no items. Linear: items are counted into bins by their keys,
    /// and only the bin in which the run ends is divided again.
    pub(crate) fn prefix(
        &mut self,
        len: usize,
        need: Need,
        key: impl Fn(usize) -> f64,
        weight: impl Fn(usize) -> f64,
    ) -> Option<Prefix> {
        let members = &mut self.members;
        members.clear();
        members.extend(0..len as u32);
        let mut before = 0.0;
        loop {
            let keys = members.iter().map(|item| key(*item as usize));
            let (low, high) = keys.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), key| {
                (low.min(key), high.max(key))
            });
            if low == high || members.len() <= SORTED {
                members.sort_unstable_by(|a, b| {
                    key(*b as usize).total_cmp(&key(*a as usize)).then(a.cmp(b))
                });
                return walk(members, before, need, weight);
            }
            let scale = (BINS as f64 - 0.5) / (high - low);
            let bin = |item: u32| ((high - key(item as usize)) * scale) as usize;
            let mut sums = [0.0; BINS];
            let mut filled = [false; BINS];
            for item in &*members {
                sums[bin(*item)] += weight(*item as usize);
                filled[bin(*item)] = true;
            }
            let mut end = 0;
            for (at, sum) in sums.iter().enumerate().filter(|(at, _)| filled[*at]) {
                // The last bin is taken where nothing meets the need.
                before += if at > 0 { sums[end] } else { 0.0 };
                end = at;
                if need.is_met(before + sum) {
                    break;
                }
            }
            members.retain(|item| bin(*item) == end);
        }
    }
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
        ) {
            // Whole weights: their sums do not depend on the order.
            let weights: Vec<f64> = keys.iter().map(|key| (key.abs() * 3.0).min(99.0).floor()).collect();
            let need = Need { sum: (weights.iter().sum::<f64>() * fraction).floor(), beyond };
            let seen = Selection::default().prefix(keys.len(), need, |item| keys[item], |item| weights[item]);

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
