//! Quantiles of durations in constant memory, with a known relative error, forgetting with time.

/// Relative error of a quantile: half a percent of a second at a second is less than a server's own noise.
pub const RELATIVE_ERROR: f64 = 0.01;
/// The shortest and the longest duration told apart, in seconds; what is outside counts as the nearest of them.
pub const RANGE: (f64, f64) = (1e-4, 1e4);

/// How often each logarithmic bucket was met (the layout of `DDSketch`, Masson et al., VLDB 2019), where the weight of a
/// sample halves every `half_life` seconds.
#[derive(Debug, Clone)]
pub struct Sketch {
    // Empty until the first sample: most pairs of an endpoint and a length never meet.
    counts: Vec<f32>,
    total: f64,
    half_life: f64,
    decayed: f64,
}

impl Sketch {
    /// An empty sketch.
    pub fn new(half_life: f64) -> Self {
        Self {
            counts: Vec::new(),
            total: 0.0,
            half_life,
            decayed: 0.0,
        }
    }

    /// Takes one duration in seconds. What is not a positive number counts as the shortest.
    pub fn add(&mut self, seconds: f64, now: f64) {
        if self.counts.is_empty() {
            self.counts = vec![0.0; bucket(RANGE.1) + 1];
            self.decayed = now;
        }
        self.decay(now);
        if let Some(count) = self.counts.get_mut(bucket(seconds)) {
            *count += 1.0;
            self.total += 1.0;
        }
    }

    /// How many samples there are, the older ones by what they still weigh.
    pub fn weight(&self) -> f64 {
        self.total
    }

    /// The duration that the share `q` (0 to 1) of the samples does not exceed, in seconds; `None` without samples.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        Self::quantile_of(&[self], q)
    }

    /// The same over several sketches together.
    pub fn quantile_of(sketches: &[&Self], q: f64) -> Option<f64> {
        let total: f64 = sketches.iter().map(|sketch| sketch.total).sum();
        if total <= 0.0 {
            return None;
        }
        let wanted = q.clamp(0.0, 1.0) * total;
        let mut seen = 0.0;
        let mut last = None;
        for place in 0..=bucket(RANGE.1) {
            let count: f64 = sketches
                .iter()
                .filter_map(|sketch| sketch.counts.get(place))
                .map(|&count| f64::from(count))
                .sum();
            if count > 0.0 {
                last = Some(middle(place));
                seen += count;
                // Sums of decayed weights are not exact: a hair less than wanted is enough.
                if seen >= wanted - total * 1e-6 {
                    break;
                }
            }
        }
        last
    }

    /// Lets the samples weigh less, an eighth of a half-life at a time at least: it walks over every bucket.
    fn decay(&mut self, now: f64) {
        let passed = now - self.decayed;
        if passed < self.half_life / 8.0 {
            return;
        }
        let factor = (-passed / self.half_life).exp2();
        let weight = factor as f32;
        for count in &mut self.counts {
            *count *= weight;
        }
        self.total *= f64::from(weight);
        self.decayed = now;
    }
}

/// Natural logarithm of the ratio between two neighbouring buckets.
fn step() -> f64 {
    ((1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR)).ln()
}

fn bucket(seconds: f64) -> usize {
    let seconds = seconds.clamp(RANGE.0, RANGE.1);
    if seconds.is_nan() {
        return 0;
    }
    ((seconds / RANGE.0).ln() / step()).ceil().max(0.0) as usize
}

/// The duration that is within the relative error of everything in its bucket.
fn middle(place: usize) -> f64 {
    let upper = RANGE.0 * (place as f64 * step()).exp();
    upper * (1.0 - RELATIVE_ERROR)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_quantile_is_within_the_relative_error_of_a_sorted_list(
            mut seconds in prop::collection::vec(2e-4..9e3f64, 1..300), q in 0.0..=1.0f64,
        ) {
            let mut sketch = Sketch::new(300.0);
            for &sample in &seconds {
                sketch.add(sample, 1.0);
            }
            seconds.sort_by(f64::total_cmp);
            let rank = ((q * seconds.len() as f64).ceil() as usize).clamp(1, seconds.len());
            let found = sketch.quantile(q).unwrap();
            // A rank that falls between two samples may give either.
            let near = seconds[rank.saturating_sub(2)..(rank + 1).min(seconds.len())].iter();
            prop_assert!(near.into_iter().any(|&exact| (found - exact).abs() <= exact * 0.0101));
        }

        #[test]
        fn any_number_is_taken(sample in any::<f64>(), q in any::<f64>()) {
            let mut sketch = Sketch::new(300.0);
            sketch.add(sample, 0.0);
            prop_assert!(sketch.quantile(q).is_some());
        }
    }

    #[test]
    fn old_samples_are_forgotten() {
        let mut sketch = Sketch::new(10.0);
        for _ in 0..100 {
            sketch.add(5.0, 0.0);
        }
        for _ in 0..10 {
            sketch.add(0.1, 100.0); // the old ones weigh 100 / 1024 together
        }
        assert!(sketch.quantile(0.9).unwrap() < 0.11);
        assert!((sketch.weight() - 10.1).abs() < 0.1);
    }

    #[test]
    fn sketches_are_read_together() {
        let (mut low, mut high) = (Sketch::new(300.0), Sketch::new(300.0));
        low.add(0.1, 0.0);
        high.add(10.0, 0.0);
        assert!(Sketch::quantile_of(&[&low, &high], 0.5).unwrap() < 0.2);
        assert!(Sketch::quantile_of(&[&low, &high], 1.0).unwrap() > 9.0);
        assert_eq!(Sketch::quantile_of(&[], 0.5), None);
    }
}
