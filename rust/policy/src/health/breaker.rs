//! Whether an endpoint may be asked: cooling after a rate limit, a circuit breaker, ejection of one that became slow.

use super::Failure;

/// When an endpoint is left alone, and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BreakerSettings {
    /// So many failures in a row open the circuit.
    pub failures: u32,
    /// So does this share of failures among the calls of the last one to two `window`s, once there were `calls` of them.
    pub share: f64,
    /// See `share`.
    pub calls: u32,
    /// Seconds of a window.
    pub window: f64,
    /// Seconds of the first rest; it doubles each time the endpoint fails again at its end.
    pub cooldown: f64,
    /// The longest rest, in seconds.
    pub longest: f64,
    /// So many times slower than its own median, three times in a row, is too slow; 0 for never.
    pub slow: f64,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            failures: 3,
            share: 0.5,
            calls: 10,
            window: 15.0,
            cooldown: 2.0,
            longest: 60.0,
            slow: 5.0,
        }
    }
}

/// Slow answers in a row before an endpoint is passed over.
const SLOW_IN_A_ROW: u32 = 3;
/// Seconds below which nobody minds: a median of a millisecond may well become ten.
const NEVER_SLOW: f64 = 0.1;

/// Whether an endpoint may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is asked.
    Closed,
    /// It is left alone because it failed, or asked for that.
    Open,
    /// Its rest is over: one call finds out how it is.
    HalfOpen,
    /// It became much slower than it was: others are asked if there are any.
    Slow,
}

impl State {
    /// The name Python sees.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::Slow => "slow",
        }
    }
}

/// The circuit breaker of one endpoint.
#[derive(Debug, Clone)]
pub struct Breaker {
    settings: BreakerSettings,
    /// Until when it rests; `None` while the circuit is closed.
    rests_until: Option<f64>,
    slow: bool,
    probing: bool,
    /// Rests since the last success: each is twice as long.
    rests: u32,
    in_a_row: u32,
    slow_in_a_row: u32,
    window: Window,
}

#[derive(Debug, Clone, Copy, Default)]
struct Window {
    begun: f64,
    // Calls and failures: of the window that runs, and of the one before it.
    current: (u32, u32),
    before: (u32, u32),
}

impl Breaker {
    /// A closed circuit.
    pub fn new(settings: BreakerSettings) -> Self {
        Self {
            settings,
            rests_until: None,
            slow: false,
            probing: false,
            rests: 0,
            in_a_row: 0,
            slow_in_a_row: 0,
            window: Window::default(),
        }
    }

    /// A call begins; after a rest it is the one that finds out.
    pub fn started(&mut self, now: f64) {
        if self.rests_until.is_some_and(|until| now >= until) {
            self.probing = true;
        }
    }

    /// A call took `seconds`, where calls like it usually take `usual`.
    pub fn succeeded(&mut self, now: f64, seconds: f64, usual: Option<f64>) {
        self.count(now, false);
        self.in_a_row = 0;
        let slow = self.settings.slow > 0.0
            && seconds > NEVER_SLOW
            && usual.is_some_and(|usual| seconds > usual * self.settings.slow);
        self.slow_in_a_row = if slow { self.slow_in_a_row + 1 } else { 0 };
        if self.slow_in_a_row >= SLOW_IN_A_ROW || (slow && self.slow && self.probing) {
            self.rest(now, 0.0);
            self.slow = true;
        } else if self.rests_until.is_some_and(|until| now >= until) || (self.slow && !slow) {
            // A call that began before the rest and ends in it says nothing about the end of the trouble.
            self.close();
        }
    }

    /// A call failed.
    pub fn failed(&mut self, now: f64, failure: Failure, retry_after: Option<f64>) {
        let asked = retry_after.filter(|seconds| seconds.is_finite());
        match failure {
            // It spoke, so it is well.
            Failure::Refused => {
                self.in_a_row = 0;
                if self.rests_until.is_some_and(|until| now >= until) {
                    self.close();
                }
            }
            Failure::RateLimit => self.rest(now, asked.unwrap_or(0.0)),
            Failure::Unusable => self.rest(now, self.settings.longest),
            Failure::Error | Failure::Timeout => {
                self.count(now, true);
                self.in_a_row += 1;
                let probe_failed = self.rests_until.is_some_and(|until| now >= until);
                if probe_failed || self.in_a_row >= self.settings.failures || self.often() {
                    self.rest(now, asked.unwrap_or(0.0));
                } else if let Some(seconds) = asked.filter(|&seconds| seconds > 0.0) {
                    self.rest(now, seconds);
                }
            }
        }
    }

    /// A call was given up: if it was to find out, another one will.
    pub fn abandoned(&mut self) {
        self.probing = false;
    }

    /// Whether nothing speaks against asking it.
    pub fn available(&self, now: f64) -> bool {
        match self.state(now) {
            State::Closed => true,
            State::HalfOpen => !self.probing,
            State::Open | State::Slow => false,
        }
    }

    /// How it stands.
    pub fn state(&self, now: f64) -> State {
        match self.rests_until {
            None => State::Closed,
            Some(until) if now >= until => State::HalfOpen,
            Some(_) if self.slow => State::Slow,
            Some(_) => State::Open,
        }
    }

    /// From when on it may be asked.
    pub fn ready_at(&self, now: f64) -> f64 {
        match self.rests_until {
            Some(until) if !self.slow => until.max(now),
            _ => now,
        }
    }

    fn close(&mut self) {
        self.rests_until = None;
        self.slow = false;
        self.probing = false;
        self.rests = 0;
        self.slow_in_a_row = 0;
        self.window = Window::default();
    }

    /// Leaves it alone for `at_least` seconds, or for its own rest if that is longer.
    fn rest(&mut self, now: f64, at_least: f64) {
        let own = self.settings.cooldown * f64::from(self.rests.min(30)).exp2();
        let seconds = own.min(self.settings.longest).max(at_least);
        // Calls that began together fail together: that is one reason for a rest, not several.
        let resting = self.rests_until.is_some_and(|until| now < until);
        if !resting || self.slow {
            self.rests += 1;
        }
        let until = now
            + if resting && !self.slow {
                at_least
            } else {
                seconds
            };
        self.rests_until = Some(self.rests_until.map_or(until, |known| known.max(until)));
        self.slow = false;
        self.probing = false;
        self.slow_in_a_row = 0;
    }

    fn count(&mut self, now: f64, failed: bool) {
        let length = self.settings.window;
        if now - self.window.begun >= length {
            let stale = now - self.window.begun >= 2.0 * length;
            self.window.before = if stale { (0, 0) } else { self.window.current };
            self.window.current = (0, 0);
            self.window.begun = now;
        }
        self.window.current.0 += 1;
        self.window.current.1 += u32::from(failed);
    }

    fn often(&self) -> bool {
        let calls = self.window.current.0 + self.window.before.0;
        let failures = self.window.current.1 + self.window.before.1;
        calls >= self.settings.calls
            && f64::from(failures) >= self.settings.share * f64::from(calls)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn breaker() -> Breaker {
        Breaker::new(BreakerSettings::default())
    }

    #[test]
    fn three_failures_in_a_row_open_it_and_one_call_closes_it() {
        let mut breaker = breaker();
        for moment in [0.0, 0.1, 0.2] {
            assert!(breaker.available(moment));
            breaker.failed(moment, Failure::Error, None);
        }
        assert_eq!(breaker.state(0.3), State::Open);
        assert!((breaker.ready_at(0.3) - 2.2).abs() < 1e-9);
        assert!(breaker.available(2.2));
        breaker.started(2.2);
        assert!(!breaker.available(2.3)); // one finds out, the others wait for it
        breaker.succeeded(2.4, 0.2, None);
        assert_eq!(breaker.state(2.4), State::Closed);
    }

    #[test]
    fn a_failed_probe_doubles_the_rest_up_to_the_longest() {
        let mut breaker = breaker();
        let mut now = 0.0;
        for _ in 0..3 {
            breaker.failed(now, Failure::Error, None);
        }
        let mut rests = Vec::new();
        for _ in 0..7 {
            rests.push(breaker.ready_at(now) - now);
            now = breaker.ready_at(now);
            breaker.started(now);
            breaker.failed(now, Failure::Timeout, None);
        }
        assert_eq!(rests, [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]);
    }

    #[test]
    fn a_rate_limit_is_obeyed_at_once_and_to_the_second() {
        let mut breaker = breaker();
        breaker.failed(1.0, Failure::RateLimit, Some(20.0));
        assert_eq!(breaker.state(20.9), State::Open);
        assert!(breaker.available(21.0));
    }

    #[test]
    fn calls_that_fail_together_are_one_reason() {
        let mut breaker = breaker();
        for _ in 0..10 {
            breaker.failed(1.0, Failure::Error, None);
        }
        assert!((breaker.ready_at(1.0) - 3.0).abs() < 1e-9);
    }

    #[test]
    fn half_of_the_calls_failing_opens_it_too() {
        let mut breaker = breaker();
        for number in 0..10 {
            if number % 2 == 0 {
                breaker.succeeded(f64::from(number), 0.1, None);
            } else {
                breaker.failed(f64::from(number), Failure::Error, None);
            }
        }
        assert_eq!(breaker.state(9.5), State::Open);
    }

    #[test]
    fn a_refused_request_is_not_held_against_it() {
        let mut breaker = breaker();
        for _ in 0..10 {
            breaker.failed(0.0, Failure::Refused, None);
        }
        assert_eq!(breaker.state(0.0), State::Closed);
    }

    #[test]
    fn one_that_became_slow_is_passed_over_but_may_be_asked() {
        let mut breaker = breaker();
        for moment in [0.0, 1.0, 2.0] {
            breaker.succeeded(moment, 1.1, Some(0.2));
        }
        assert_eq!(breaker.state(2.5), State::Slow);
        assert!(!breaker.available(2.5));
        assert!(breaker.ready_at(2.5) <= 2.5);
        breaker.started(4.5);
        breaker.succeeded(4.6, 0.1, Some(0.2));
        assert_eq!(breaker.state(4.6), State::Closed);
    }

    proptest! {
        #[test]
        fn it_always_comes_back_within_the_longest_rest(
            steps in prop::collection::vec((0..6u8, 0.0..5.0f64), 0..80),
        ) {
            let mut breaker = breaker();
            let mut now = 0.0;
            for (what, passed) in steps {
                now += passed;
                match what {
                    0 => breaker.started(now),
                    1 => breaker.succeeded(now, passed, Some(0.2)),
                    2 => breaker.failed(now, Failure::Error, None),
                    3 => breaker.failed(now, Failure::RateLimit, Some(passed)),
                    4 => breaker.failed(now, Failure::Unusable, None),
                    _ => breaker.abandoned(),
                }
                prop_assert!(breaker.ready_at(now) <= now + 60.0);
                prop_assert!(!breaker.available(now) || breaker.ready_at(now) <= now);
            }
            breaker.abandoned();
            prop_assert!(breaker.available(now + 60.0));
        }
    }
}
