//! How long an endpoint takes, by the length of the prompt.

use crate::sketch::Sketch;

/// Prompts up to so many tokens share a sketch; longer ones have the last.
const LENGTHS: [u64; 5] = [256, 1024, 4096, 16_384, 65_536];
/// Samples below which a length's own sketch says less than all lengths together.
const ENOUGH: f64 = 20.0;
/// Seconds in which the mean forgets two thirds of what it knew (the value of Finagle's and Linkerd's balancers).
const MEMORY: f64 = 10.0;

/// Durations of one endpoint: quantiles of each length, and a mean that follows a rise at once and a fall slowly.
#[derive(Debug, Clone)]
pub struct Latency {
    streamed: [Sketch; LENGTHS.len() + 1],
    whole: [Sketch; LENGTHS.len() + 1],
    mean: f64,
    stamp: f64,
}

impl Latency {
    /// Nothing is known; samples will halve their weight in `half_life` seconds.
    pub fn new(half_life: f64) -> Self {
        Self {
            streamed: std::array::from_fn(|_| Sketch::new(half_life)),
            whole: std::array::from_fn(|_| Sketch::new(half_life)),
            mean: 0.0,
            stamp: 0.0,
        }
    }

    /// Takes a duration of a call that went well.
    pub fn add(&mut self, seconds: f64, now: f64, streamed: bool, input_tokens: u64) {
        let sketches = if streamed {
            &mut self.streamed
        } else {
            &mut self.whole
        };
        if let Some(sketch) = sketches.get_mut(length(input_tokens)) {
            sketch.add(seconds, now);
        }
        self.peak(seconds, now);
    }

    /// Lets the mean know a duration that is no sample of the quantiles.
    pub fn peak(&mut self, seconds: f64, now: f64) {
        let known = self.ewma(now);
        self.mean = if seconds > known {
            seconds
        } else {
            // `known` has decayed already; what is left of the step goes towards the sample.
            let kept = (-(now - self.stamp).max(0.0) / MEMORY).exp();
            self.mean * kept + seconds * (1.0 - kept)
        };
        self.stamp = now;
    }

    /// The peak-sensitive mean, decayed to now.
    pub fn ewma(&self, now: f64) -> f64 {
        self.mean * (-(now - self.stamp).max(0.0) / MEMORY).exp()
    }

    /// The median that calls of this kind had so far, once it means something.
    pub fn usual(&self, streamed: bool, input_tokens: u64) -> Option<f64> {
        let sketch = self.of(streamed).get(length(input_tokens))?;
        (sketch.weight() >= ENOUGH)
            .then(|| sketch.quantile(0.5))
            .flatten()
    }

    /// A quantile, of this length where enough is known of it, of all lengths otherwise.
    pub fn quantile(&self, q: f64, streamed: bool, input_tokens: u64, minimum: f64) -> Option<f64> {
        let sketches = self.of(streamed);
        let own = sketches.get(length(input_tokens))?;
        if own.weight() >= ENOUGH.max(minimum) {
            return own.quantile(q);
        }
        let all: Vec<&Sketch> = sketches.iter().collect();
        let weight: f64 = all.iter().map(|sketch| sketch.weight()).sum();
        (weight >= minimum)
            .then(|| Sketch::quantile_of(&all, q))
            .flatten()
    }

    fn of(&self, streamed: bool) -> &[Sketch] {
        if streamed {
            &self.streamed
        } else {
            &self.whole
        }
    }
}

fn length(input_tokens: u64) -> usize {
    LENGTHS.partition_point(|&most| most < input_tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_told_apart_once_enough_is_known() {
        let mut latency = Latency::new(300.0);
        for _ in 0..30 {
            latency.add(0.2, 1.0, true, 100);
            latency.add(4.0, 1.0, true, 50_000);
        }
        assert!(latency.quantile(0.95, true, 10, 10.0).unwrap() < 0.3);
        assert!(latency.quantile(0.95, true, 60_000, 10.0).unwrap() > 3.9);
        // Of a length that was never seen, all lengths speak.
        assert!(latency.quantile(0.95, true, 1_000_000, 10.0).unwrap() > 3.9);
        assert_eq!(latency.quantile(0.95, false, 10, 10.0), None);
    }

    #[test]
    fn the_mean_rises_at_once_and_falls_slowly() {
        let mut latency = Latency::new(300.0);
        latency.add(0.1, 0.0, false, 0);
        latency.add(1.0, 1.0, false, 0);
        assert!((latency.ewma(1.0) - 1.0).abs() < 1e-9);
        latency.add(0.1, 2.0, false, 0);
        assert!(latency.ewma(2.0) > 0.8);
        assert!(latency.ewma(60.0) < 0.01);
    }
}
