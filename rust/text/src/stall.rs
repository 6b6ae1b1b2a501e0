//! How long a stream may be silent before that counts as a stall, learned from its own gaps.

/// Buckets of a factor of 2^(1/4): 1 ms to 2^15 ms, 33 s, with one below and one above.
const BUCKETS: usize = 62;
const PER_DOUBLING: f64 = 4.0;
const SMALLEST: f64 = 0.001;
/// What a gap still counts when the next one comes: the last hundred or so decide.
const FORGETTING: f64 = 0.99;
/// Gaps until there is something to go by.
const ENOUGH: u32 = 16;
/// The share of gaps that are no longer than what is multiplied.
const QUANTILE: f64 = 0.98;

/// The gaps between pieces of content, as a histogram that forgets.
#[derive(Clone, Debug)]
pub struct Gaps {
    weights: [f64; BUCKETS],
    total: f64,
    /// Weight of the next gap: it grows instead of all the others shrinking.
    weight: f64,
    seen: u32,
}

impl Default for Gaps {
    fn default() -> Self {
        Self {
            weights: [0.0; BUCKETS],
            total: 0.0,
            weight: 1.0,
            seen: 0,
        }
    }
}

impl Gaps {
    /// Learns a gap of `seconds`. One that is negative or not a number counts as none.
    pub fn learn(&mut self, seconds: f64) {
        self.weights[bucket(seconds)] += self.weight;
        self.total += self.weight;
        self.weight /= FORGETTING;
        self.seen = self.seen.saturating_add(1);
        if self.weight > 1e100 {
            for weight in &mut self.weights {
                *weight /= self.weight;
            }
            self.total /= self.weight;
            self.weight = 1.0;
        }
    }

    /// A gap that at least 98 of 100 recent ones did not exceed, in seconds; `None` before there are enough.
    ///
    /// It is the upper bound of its bucket: at most a fifth too long.
    pub fn long_one(&self) -> Option<f64> {
        if self.seen < ENOUGH {
            return None;
        }
        let mut below = 0.0;
        let at = self.weights.iter().position(|weight| {
            below += weight;
            below >= self.total * QUANTILE
        });
        Some(SMALLEST * (at.unwrap_or(BUCKETS - 1) as f64 / PER_DOUBLING).exp2())
    }

    /// How many gaps have been learned.
    pub fn seen(&self) -> u32 {
        self.seen
    }
}

fn bucket(seconds: f64) -> usize {
    if seconds.is_nan() || seconds <= SMALLEST {
        return 0;
    }
    let at = ((seconds / SMALLEST).log2() * PER_DOUBLING).ceil();
    (at as usize).min(BUCKETS - 1)
}

/// The bounds between which the limit of a stream is learned, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The shortest limit.
    pub floor: f64,
    /// The limit is so many times a long gap.
    pub factor: f64,
    /// The longest limit, and the one before enough has been learned.
    pub cap: f64,
}

impl Bounds {
    /// How many seconds of silence are no stall yet.
    pub fn limit(&self, gaps: &Gaps) -> f64 {
        let learned = gaps.long_one().map_or(self.cap, |gap| gap * self.factor);
        learned.max(self.floor).min(self.cap)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds {
        floor: 0.5,
        factor: 8.0,
        cap: 30.0,
    };

    #[test]
    fn limit_is_the_cap_until_enough_is_known_and_follows_the_gaps() {
        let mut gaps = Gaps::default();
        for _ in 0..ENOUGH - 1 {
            gaps.learn(0.2);
        }
        assert!((BOUNDS.limit(&gaps) - 30.0).abs() < 1e-9);

        gaps.learn(0.2);
        let limit = BOUNDS.limit(&gaps);
        assert!((1.6..=2.0).contains(&limit), "{limit}");

        for _ in 0..600 {
            gaps.learn(0.01); // a faster model now: the slow gaps are forgotten
        }
        assert!((BOUNDS.limit(&gaps) - 0.5).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn long_gap_is_that_of_sorting_the_recent_ones(gaps in prop::collection::vec(0.0_f64..40.0, 16..400)) {
            let mut learned = Gaps::default();
            for gap in &gaps {
                learned.learn(*gap);
            }

            // The twin: every gap with its weight, sorted.
            let newest_first = gaps.iter().rev().enumerate();
            let mut weighted: Vec<(f64, f64)> = newest_first.map(|(age, gap)| (*gap, FORGETTING.powi(age as i32))).collect();
            weighted.sort_by(|one, other| one.0.total_cmp(&other.0));
            let total: f64 = weighted.iter().map(|(_, weight)| weight).sum();
            let mut below = 0.0;
            let exact = weighted.iter().find_map(|(gap, weight)| {
                below += weight;
                (below >= total * (QUANTILE - 1e-9)).then_some(*gap)
            });
            let exact = exact.unwrap_or_default().clamp(SMALLEST, 33.0);

            let found = learned.long_one().unwrap_or_default();
            prop_assert!(found >= exact * 0.999 && found <= exact * 1.2, "{found} for {exact}");
        }

        #[test]
        fn limit_stays_between_its_bounds(gaps in prop::collection::vec(any::<f64>(), 0..100)) {
            let mut learned = Gaps::default();
            for gap in gaps {
                learned.learn(gap);
            }

            prop_assert!((0.5..=30.0).contains(&BOUNDS.limit(&learned)));
        }
    }
}
