//! What one sequence has been so far, and what the sampler keeps about it.

mod counter;
mod dry;

use counter::Counter;

use crate::Error;
use crate::settings::parameters::Parameters;

/// The tokens of one sequence, with counts that are kept up to date and never made anew.
#[derive(Debug, Clone)]
pub struct History {
    tokens: Vec<u32>,
    prompt: usize,
    repetition: Counter,
    frequency: Counter,
    /// Mirostat's largest surprise, bits.
    surprise: Option<f64>,
}

impl History {
    /// Of a sequence that is `prompt` so far, counted in the way of `parameters`.
    pub(crate) fn new(parameters: &Parameters, prompt: &[u32]) -> Self {
        let conventions = parameters.compat.conventions();
        let [repetition, frequency] =
            [conventions.repetition, conventions.frequency].map(|scope| {
                let mut scope = scope;
                scope.window = parameters.penalty_window.or(scope.window);
                Counter::new(scope, prompt)
            });
        Self {
            tokens: prompt.to_vec(),
            prompt: prompt.len(),
            repetition,
            frequency,
            surprise: None,
        }
    }

    /// Every token, the prompt first.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// How many tokens follow the prompt: the position of the next draw.
    pub fn position(&self) -> usize {
        self.tokens.len() - self.prompt
    }

    /// The sequence goes on with `token`.
    pub fn push(&mut self, token: u32) {
        self.tokens.push(token);
        self.repetition.push(&self.tokens);
        self.frequency.push(&self.tokens);
    }

    /// Forgets all but the first `position` tokens after the prompt, as after rejected drafts.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`]: there are fewer.
    pub fn truncate(&mut self, position: usize) -> Result<(), Error> {
        if position > self.position() {
            return Err(Error::Parameter {
                name: "position",
                expected: "at most the number of tokens that follow the prompt",
                value: position.to_string(),
            });
        }
        let len = self.prompt + position;
        self.repetition.truncate(&self.tokens, len);
        self.frequency.truncate(&self.tokens, len);
        self.tokens.truncate(len);
        Ok(())
    }

    /// Mirostat's largest surprise after the last draw.
    pub(crate) fn surprise(&self) -> Option<f64> {
        self.surprise
    }

    /// Tells Mirostat what the last draw has left.
    pub fn set_surprise(&mut self, surprise: f64) {
        self.surprise = Some(surprise);
    }

    /// Counts for the repetition penalty.
    pub(crate) fn repeated(&self) -> &[(u32, u32)] {
        self.repetition.counts()
    }

    /// Counts for the frequency and presence penalties.
    pub(crate) fn frequent(&self) -> &[(u32, u32)] {
        self.frequency.counts()
    }

    /// What DRY takes from logits.
    pub(crate) fn dry(&self, parameters: &Parameters) -> Vec<(u32, f64)> {
        let Some(dry) = &parameters.dry else {
            return Vec::new();
        };
        let window = dry.window.or(parameters.compat.conventions().dry_window);
        let skipped = window.map_or(0, |window| self.tokens.len().saturating_sub(window));
        dry::penalties(&self.tokens[skipped..], dry)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::settings::compat::Compat;

    fn counted(tokens: &[u32]) -> Vec<(u32, u32)> {
        let mut counts = BTreeMap::new();
        for token in tokens {
            *counts.entry(*token).or_insert(0) += 1;
        }
        counts.into_iter().collect()
    }

    proptest! {
        /// Whatever was pushed and taken back, the counts are those of the tokens that are there.
        #[test]
        fn counts_are_those_of_the_tokens(
            prompt in proptest::collection::vec(0_u32..6, 0..30),
            // Some: a token follows. None: half of the output is taken back.
            steps in proptest::collection::vec(proptest::option::weighted(0.9, 0_u32..6), 0..60),
            compat in prop_oneof![Just(Compat::Vllm), Just(Compat::LlamaCpp), Just(Compat::Sglang), Just(Compat::Mlx)],
            window in proptest::option::of(0_usize..20),
        ) {
            let parameters = Parameters { compat, penalty_window: window, ..Parameters::default() };
            let mut history = History::new(&parameters, &prompt);
            let conventions = compat.conventions();
            for step in steps {
                match step {
                    Some(token) => history.push(token),
                    None => history.truncate(history.position() / 2).unwrap(),
                }
                for (scope, seen) in [(conventions.repetition, history.repeated()), (conventions.frequency, history.frequent())] {
                    let tokens = &history.tokens[if scope.prompt { 0 } else { prompt.len() }..];
                    let window = window.or(scope.window).unwrap_or(usize::MAX);
                    let tokens = &tokens[tokens.len().saturating_sub(window)..];
                    prop_assert_eq!(seen, counted(tokens));
                }
            }
        }
    }
}
