//! How much retries, or hedges, may add: a share of the requests, and of money.
//!
//! Retries of single calls multiply where a provider is down: four attempts each are four times the load, just when it can
//! bear least. A budget across all requests bounds that. Over any stretch of `t` seconds with `n` requests it allows at most
//! `burst + ratio * n + minimum_per_second * t` further ones.

use crate::error::{Error, at_least};
use crate::window::Window;

/// Seconds in which money is limited.
const DAY: f64 = 86_400.0;

/// A bucket that requests fill and retries empty.
#[derive(Debug, Clone)]
pub struct RetryBudget {
    ratio: f64,
    minimum_per_second: f64,
    burst: f64,
    balance: f64,
    filled_at: Option<f64>,
    micros_per_day: Option<u64>,
    spent: Window,
}

impl RetryBudget {
    /// A budget that is full.
    ///
    /// `ratio` further requests for each one, `minimum_per_second` for a caller with few, at most `burst` saved up, and
    /// at most `micros_per_day` millionths of a dollar in any 24 hours, of those whose cost is told.
    ///
    /// # Errors
    ///
    /// A number that is negative or not finite, or a burst below 1.
    pub fn new(
        ratio: f64,
        minimum_per_second: f64,
        burst: f64,
        micros_per_day: Option<u64>,
    ) -> Result<Self, Error> {
        Ok(Self {
            ratio: at_least("ratio", ratio, 0.0)?,
            minimum_per_second: at_least("minimum_per_second", minimum_per_second, 0.0)?,
            burst: at_least("burst", burst, 1.0)?,
            balance: burst,
            filled_at: None,
            micros_per_day,
            spent: Window::new(DAY),
        })
    }

    /// A request was made for the first time.
    pub fn deposit(&mut self, now: f64) {
        self.fill(now);
        self.balance = (self.balance + self.ratio).min(self.burst);
    }

    /// Whether one more may be made; then it is counted.
    pub fn withdraw(&mut self, now: f64) -> bool {
        self.fill(now);
        let broke = self
            .micros_per_day
            .is_some_and(|most| self.spent.used(now) >= most);
        // A ratio such as 0.1 adds up to 0.9999999999999999 in ten requests.
        if broke || self.balance < 1.0 - 1e-9 {
            return false;
        }
        self.balance = (self.balance - 1.0).max(0.0);
        true
    }

    /// What one of them cost.
    pub fn spend(&mut self, micros: u64, now: f64) {
        self.spent.charge(micros, now);
    }

    /// How many could be made now.
    pub fn balance(&self) -> f64 {
        self.balance
    }

    fn fill(&mut self, now: f64) {
        let since = self.filled_at.map_or(0.0, |then| (now - then).max(0.0));
        self.filled_at = Some(self.filled_at.map_or(now, |then| then.max(now)));
        self.balance = (self.balance + self.minimum_per_second * since).min(self.burst);
    }
}
