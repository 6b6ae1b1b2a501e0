//! What may be drawn, and how likely each of it is.

/// Tokens in ascending order with their probabilities, which sum to 1; a token that is not listed has none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Distribution {
    /// Ascending and distinct.
    pub ids: Vec<u32>,
    /// As long as `ids`.
    pub probabilities: Vec<f64>,
}

impl Distribution {
    /// The probability of `id`.
    pub fn probability(&self, id: u32) -> f64 {
        self.ids
            .binary_search(&id)
            .map_or(0.0, |at| self.probabilities[at])
    }

    /// The token at which the running sum first exceeds `uniform` of the whole; `None` of an empty distribution.
    ///
    /// The whole is the sum of the probabilities as they are, so that rounding cannot leave the last token out.
    pub fn draw(&self, uniform: f64) -> Option<u32> {
        let target = uniform * self.probabilities.iter().sum::<f64>();
        let mut sum = 0.0;
        let found = self.probabilities.iter().position(|probability| {
            sum += probability;
            sum > target
        });
        let likely = || {
            self.probabilities
                .iter()
                .rposition(|probability| *probability > 0.0)
        };
        found.or_else(likely).map(|at| self.ids[at])
    }
}
