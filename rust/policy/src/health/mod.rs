//! How an endpoint is doing: whether it may be asked, how busy it is, how long it takes.

mod breaker;
mod latency;

pub use breaker::{Breaker, BreakerSettings, State};
pub use latency::Latency;

/// How a call ended that did not bring an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The endpoint failed: an outage, a broken connection, a broken stream.
    Error,
    /// Nothing came in time.
    Timeout,
    /// Too many requests: the endpoint is well, and wants to be left alone for a while.
    RateLimit,
    /// It cannot be used at all until somebody does something: a refused key, an unknown model.
    Unusable,
    /// It refused this very request (too long, against its policy): the endpoint is well.
    Refused,
}

impl Failure {
    /// Every failure, with the name Python sees.
    pub const ALL: [(&'static str, Self); 5] = [
        ("error", Self::Error),
        ("timeout", Self::Timeout),
        ("rate_limit", Self::RateLimit),
        ("unusable", Self::Unusable),
        ("refused", Self::Refused),
    ];

    /// The failure of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|(known, _)| *known == name)
            .map(|(_, failure)| failure)
    }
}

/// What is known of one endpoint: one key of one model at one address.
#[derive(Debug, Clone)]
pub struct Health {
    breaker: Breaker,
    latency: Latency,
    in_flight: u32,
    /// Sum of the moments at which the calls in flight began: their mean age is known without a list of them.
    begun: f64,
    calls: u64,
    failures: u64,
}

impl Health {
    /// An endpoint nothing is known of.
    pub fn new(settings: BreakerSettings, half_life: f64) -> Self {
        Self {
            breaker: Breaker::new(settings),
            latency: Latency::new(half_life),
            in_flight: 0,
            begun: 0.0,
            calls: 0,
            failures: 0,
        }
    }

    /// A call begins.
    pub fn started(&mut self, now: f64) {
        self.calls += 1;
        self.in_flight += 1;
        self.begun += now;
        self.breaker.started(now);
    }

    /// A call that began `total` seconds ago brought its answer.
    ///
    /// `first_token`: seconds to the first content of a stream; `None` for a whole answer.
    pub fn succeeded(&mut self, now: f64, total: f64, first_token: Option<f64>, input_tokens: u64) {
        self.ended(now, total);
        let streamed = first_token.is_some();
        let seconds = first_token.unwrap_or(total);
        let usual = self.latency.usual(streamed, input_tokens);
        self.latency.add(seconds, now, streamed, input_tokens);
        self.breaker.succeeded(now, seconds, usual);
    }

    /// A call that began `total` seconds ago failed.
    pub fn failed(&mut self, now: f64, total: f64, failure: Failure, retry_after: Option<f64>) {
        self.ended(now, total);
        self.failures += 1;
        if failure == Failure::Timeout {
            self.latency.peak(total, now);
        }
        self.breaker.failed(now, failure, retry_after);
    }

    /// A call that began `total` seconds ago was given up by who made it: nothing is learnt.
    pub fn abandoned(&mut self, now: f64, total: f64) {
        self.ended(now, total);
        self.breaker.abandoned();
    }

    /// Whether it may be asked, and how far it is from that.
    pub fn state(&self, now: f64) -> State {
        self.breaker.state(now)
    }

    /// Whether it should be asked: nothing speaks against it.
    pub fn available(&self, now: f64) -> bool {
        self.breaker.available(now)
    }

    /// The moment from which it may be asked; `now` or before where that is at once.
    ///
    /// An endpoint that is only slower than usual is not available, but may be asked at once.
    pub fn ready_at(&self, now: f64) -> f64 {
        self.breaker.ready_at(now)
    }

    /// Calls that have begun and not ended.
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Calls so far, and how many of them failed.
    pub fn counts(&self) -> (u64, u64) {
        (self.calls, self.failures)
    }

    /// What a new call would cost it, in seconds: the peak-sensitive mean of what calls took, or the mean age of those
    /// that run if that is more, times the calls that would run.
    pub fn load(&self, now: f64) -> f64 {
        let running = match self.in_flight {
            0 => 0.0,
            count => (now - self.begun / f64::from(count)).max(0.0),
        };
        self.latency.ewma(now).max(running) * f64::from(self.in_flight + 1)
    }

    /// Seconds that the share `q` of calls takes to the first content (`streamed`) or to the whole answer, for prompts
    /// of about `input_tokens`; `None` while fewer than `minimum` calls are known.
    pub fn quantile(&self, q: f64, streamed: bool, input_tokens: u64, minimum: f64) -> Option<f64> {
        self.latency.quantile(q, streamed, input_tokens, minimum)
    }

    /// The peak-sensitive mean, in seconds.
    pub fn ewma(&self, now: f64) -> f64 {
        self.latency.ewma(now)
    }

    fn ended(&mut self, now: f64, total: f64) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.begun = match self.in_flight {
            0 => 0.0, // what rounding and calls of unknown beginning left behind
            _ => self.begun - (now - total),
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn health() -> Health {
        Health::new(BreakerSettings::default(), 300.0)
    }

    #[test]
    fn a_call_that_hangs_makes_its_endpoint_costly_before_it_ends() {
        let (mut hanging, mut quick) = (health(), health());
        for endpoint in [&mut hanging, &mut quick] {
            endpoint.started(0.0);
            endpoint.succeeded(0.5, 0.5, None, 10);
        }
        hanging.started(1.0);
        quick.started(5.5);
        assert!(hanging.load(6.0) > 8.0 * quick.load(6.0));
    }

    proptest! {
        #[test]
        fn calls_in_flight_are_counted_as_a_list_would(
            steps in prop::collection::vec((0..4u8, 0.0..2.0f64), 0..60),
        ) {
            let mut endpoint = health();
            let mut running: Vec<f64> = Vec::new();
            let mut now = 0.0;
            for (what, passed) in steps {
                now += passed;
                match (what, running.is_empty()) {
                    (0, _) | (_, true) => {
                        endpoint.started(now);
                        running.push(now);
                    }
                    (1, _) => {
                        let total = now - running.remove(0);
                        endpoint.succeeded(now, total, None, 0);
                    }
                    (2, _) => {
                        let total = now - running.remove(0);
                        endpoint.failed(now, total, Failure::Error, None);
                    }
                    _ => {
                        let total = now - running.remove(0);
                        endpoint.abandoned(now, total);
                    }
                }
                prop_assert_eq!(endpoint.in_flight() as usize, running.len());
                let age = running.iter().map(|begun| now - begun).sum::<f64>()
                    / running.len().max(1) as f64;
                let cost = endpoint.ewma(now).max(age) * (running.len() + 1) as f64;
                prop_assert!((endpoint.load(now) - cost).abs() < 1e-6);
            }
        }
    }
}
