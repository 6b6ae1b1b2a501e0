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
    /// Of items with the largest key first and of equal ones the lowest index: the shortest run that meets `need`.
    ///
    /// All of them where even their sum does not; `None` of no items. A weight is 1 without `weights`. Every key is in
    /// `range`, if that is known. Linear: items are counted into bins by their keys, and only the bin in which the run ends
    /// is divided again.
    pub(crate) fn prefix<K: Copy + Into<f64>>(
        &mut self,
        keys: &[K],
        weights: Option<&[f64]>,
        need: Need,
        range: Option<[f64; 2]>,
    ) -> Option<Prefix> {
        let Self { members, bins } = self;
        let key = |item: &u32| keys[*item as usize].into();
        let weight = |item: &u32| weights.map_or(1.0, |weights| weights[*item as usize]);
        members.clear();
        let mut before = 0.0;
        if keys.len() > SORTED {
            let [low, high] =
                range.unwrap_or_else(|| extremes(keys.iter().map(|key| (*key).into())));
            if low < high {
                let scale = (BINS as f64 - 1.0) / (high - low);
                bins.clear();
                bins.extend(keys.iter().map(|key| bin((high - (*key).into()) * scale)));
                let sums = match weights {
                    Some(weights) => Sums::new(bins, weights.iter().copied()),
                    None => Sums::new(bins, std::iter::repeat(1.0)),
                };
                let end = sums.end(&mut before, need);
                members.extend(
                    (0..keys.len() as u32)
                        .zip(&*bins)
                        .filter(|(_, bin)| **bin == end)
                        .map(|(item, _)| item),
                );
            } else {
                members.extend(0..keys.len() as u32);
            }
        } else {
            members.extend(0..keys.len() as u32);
        }
        loop {
            let [low, high] = extremes(members.iter().map(key));
            if low == high || members.len() <= SORTED {
                members.sort_unstable_by(|a, b| key(b).total_cmp(&key(a)).then(a.cmp(b)));
                return walk(members, before, need, weight);
            }
            let scale = (BINS as f64 - 1.0) / (high - low);
            bins.clear();
            bins.extend(members.iter().map(|item| bin((high - key(item)) * scale)));
            let end = Sums::new(bins, members.iter().map(weight)).end(&mut before, need);
            let mut kept = 0;
            for at in 0..members.len() {
                members[kept] = members[at];
                kept += usize::from(bins[at] == end);
            }
            members.truncate(kept);
        }
    }
}

/// The weights of each bin.
struct Sums {
    /// Four for each bin: one after the other into the same would wait for each other.
    parts: [[f64; BINS]; 4],
    filled: [bool; BINS],
}

impl Sums {
    fn new(bins: &[u8], weights: impl Iterator<Item = f64>) -> Self {
        let mut parts = [[0.0; BINS]; 4];
        let mut filled = [false; BINS];
        for (at, (bin, weight)) in bins.iter().zip(weights).enumerate() {
            parts[at % 4][usize::from(*bin)] += weight;
            filled[usize::from(*bin)] = true;
        }
        Self { parts, filled }
    }

    /// The bin in which the run ends, or the last one; `before` grows by those in front of it.
    fn end(&self, before: &mut f64, need: Need) -> u8 {
        let [a, b, c, d] = &self.parts;
        let sum = |bin: usize| a[bin] + b[bin] + c[bin] + d[bin];
        let mut end = None;
        for at in (0..BINS).filter(|at| self.filled[*at]) {
            *before += end.map_or(0.0, sum);
            end = Some(at);
            if need.is_met(*before + sum(at)) {
                break;
            }
        }
        end.unwrap_or(0) as u8
    }
}

fn extremes(keys: impl Iterator<Item = f64>) -> [f64; 2] {
    keys.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], key| {
        [
            if key < low { key } else { low },
            if key > high { key } else { high },
        ]
    })
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
    weight: impl Fn(&u32) -> f64,
) -> Option<Prefix> {
    let (last, items) = members.split_last()?;
    for item in items {
        let sum = before + weight(item);
        if need.is_met(sum) {
            return Some(Prefix {
                last: *item as usize,
                before,
                sum,
            });
        }
        before = sum;
    }
    let sum = before + weight(last);
    Some(Prefix {
        last: *last as usize,
        before,
        sum,
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
            let seen = Selection::default().prefix(&keys, Some(&weights), need, range);

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
