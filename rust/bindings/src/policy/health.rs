//! `EndpointHealth` and `pick`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use inferail_policy::health::{BreakerSettings, Failure, Health};
use inferail_policy::pick::{Candidate, Choice, pick as pick_one};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::config_error;

/// How one endpoint (a key of a model at an address) is doing: may it be asked, how busy is it, how long does it take.
///
/// Moments are seconds on one monotonic clock, whichever. Thread-safe.
#[pyclass(frozen, name = "EndpointHealth", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PyEndpointHealth {
    inner: Mutex<Health>,
}

impl PyEndpointHealth {
    /// A lock held for nanoseconds: nobody waits with the GIL for long.
    fn health(&self) -> MutexGuard<'_, Health> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl PyEndpointHealth {
    #[new]
    #[pyo3(signature = (*, failures=3, share=0.5, calls=10, window=15.0, cooldown=2.0, longest=60.0, slow=5.0, half_life=300.0))]
    #[expect(
        clippy::too_many_arguments,
        reason = "keyword arguments of the Python class"
    )]
    fn new(
        py: Python<'_>,
        failures: u32,
        share: f64,
        calls: u32,
        window: f64,
        cooldown: f64,
        longest: f64,
        slow: f64,
        half_life: f64,
    ) -> PyResult<Self> {
        let seconds = [window, cooldown, longest, half_life];
        let right = failures > 0
            && calls > 0
            && share > 0.0
            && share <= 1.0
            && seconds
                .iter()
                .all(|&value| value > 0.0 && value.is_finite())
            && longest >= cooldown
            && (slow == 0.0 || slow > 1.0 && slow.is_finite());
        if !right {
            return Err(config_error(
                py,
                "failures and calls are 1 or more; share is above 0 and at most 1; window, cooldown, longest and half_life are \
                 positive seconds, longest not below cooldown; slow is 0 (never) or a factor above 1"
                    .to_owned(),
            ));
        }
        let settings = BreakerSettings {
            failures,
            share,
            calls,
            window,
            cooldown,
            longest,
            slow,
        };
        Ok(Self {
            inner: Mutex::new(Health::new(settings, half_life)),
        })
    }

    /// A call begins.
    #[pyo3(signature = (now, /))]
    fn started(&self, now: f64) {
        self.health().started(now);
    }

    /// A call brought its answer.
    #[pyo3(signature = (now, /, *, total, first_token=None, input_tokens=0))]
    fn succeeded(&self, now: f64, total: f64, first_token: Option<f64>, input_tokens: u64) {
        self.health()
            .succeeded(now, total, first_token, input_tokens);
    }

    /// A call failed.
    #[pyo3(signature = (now, /, *, kind="error", total=0.0, retry_after=None))]
    fn failed(
        &self,
        py: Python<'_>,
        now: f64,
        kind: &str,
        total: f64,
        retry_after: Option<f64>,
    ) -> PyResult<()> {
        let Some(failure) = Failure::from_name(kind) else {
            let known = Failure::ALL.map(|(name, _)| name).join(", ");
            return Err(config_error(
                py,
                format!("there is no failure of that kind; known: {known}"),
            ));
        };
        self.health().failed(now, total, failure, retry_after);
        Ok(())
    }

    /// A call was given up by who made it; nothing is learnt from it.
    #[pyo3(signature = (now, /, *, total=0.0))]
    fn abandoned(&self, now: f64, total: f64) {
        self.health().abandoned(now, total);
    }

    /// Whether nothing speaks against asking it now.
    #[pyo3(signature = (now, /))]
    fn available(&self, now: f64) -> bool {
        self.health().available(now)
    }

    /// From when on it may be asked; `now` where that is at once, as for one that is only slower than usual.
    #[pyo3(signature = (now, /))]
    fn ready_at(&self, now: f64) -> f64 {
        self.health().ready_at(now)
    }

    /// `closed` (asked), `open` (left alone), `half_open` (one call finds out) or `slow` (others are asked first).
    #[pyo3(signature = (now, /))]
    fn state(&self, now: f64) -> &'static str {
        self.health().state(now).as_str()
    }

    /// Calls that have begun and not ended.
    #[getter]
    fn in_flight(&self) -> u32 {
        self.health().in_flight()
    }

    /// Seconds within which the share `q` of calls has its first content (`streamed`) or its whole answer.
    #[pyo3(signature = (q, /, *, streamed=true, input_tokens=0, minimum=20))]
    fn quantile(&self, q: f64, streamed: bool, input_tokens: u64, minimum: u32) -> Option<f64> {
        self.health()
            .quantile(q, streamed, input_tokens, f64::from(minimum))
    }

    /// Mean seconds of the last calls: follows a rise at once, a fall within about 10 seconds.
    #[pyo3(signature = (now, /))]
    fn peak_ewma(&self, now: f64) -> f64 {
        self.health().ewma(now)
    }

    /// What a new call would cost it, in seconds: the mean, or the age of what runs if that is more, times the calls.
    #[pyo3(signature = (now, /))]
    fn load(&self, now: f64) -> f64 {
        self.health().load(now)
    }

    /// All of it, for people and status pages.
    #[pyo3(signature = (now, /))]
    fn snapshot<'py>(&self, py: Python<'py>, now: f64) -> PyResult<Bound<'py, PyDict>> {
        let health = self.health();
        let told = PyDict::new(py);
        let (calls, failures) = health.counts();
        told.set_item("state", health.state(now).as_str())?;
        told.set_item("ready_in", (health.ready_at(now) - now).max(0.0))?;
        told.set_item("in_flight", health.in_flight())?;
        told.set_item("calls", calls)?;
        told.set_item("failures", failures)?;
        told.set_item("mean", health.ewma(now))?;
        for (name, streamed) in [("first_token", true), ("whole", false)] {
            for (suffix, q) in [("p50", 0.5), ("p95", 0.95)] {
                told.set_item(
                    format!("{name}_{suffix}"),
                    health.quantile(q, streamed, 0, 1.0),
                )?;
            }
        }
        Ok(told)
    }
}

/// The place of the endpoint to ask, or None where all of them are to be left alone.
///
/// Endpoints that are available come first; where there is none, those that are merely slow or are being probed. `draw` is a
/// random number, 0 up to 1, for the strategies that draw.
#[pyfunction]
#[pyo3(signature = (endpoints, /, now, strategy="peak_ewma", *, weights=None, draw=0.0))]
#[expect(clippy::needless_pass_by_value, reason = "what pyo3 extracts is owned")]
pub(crate) fn pick(
    py: Python<'_>,
    endpoints: Vec<PyRef<'_, PyEndpointHealth>>,
    now: f64,
    strategy: &str,
    weights: Option<Vec<f64>>,
    draw: f64,
) -> PyResult<Option<usize>> {
    let Some(choice) = Choice::from_name(strategy) else {
        let known = Choice::ALL.map(|(name, _)| name).join(", ");
        return Err(config_error(
            py,
            format!("there is no strategy of that name; known: {known}"),
        ));
    };
    if let Some(weights) = &weights
        && (weights.len() != endpoints.len()
            || weights
                .iter()
                .any(|&weight| !(weight >= 0.0 && weight.is_finite())))
    {
        return Err(config_error(
            py,
            "weights are finite numbers of at least 0, one for each endpoint".to_owned(),
        ));
    }
    let weight = |place: usize| {
        weights
            .as_ref()
            .and_then(|weights| weights.get(place).copied())
            .unwrap_or(1.0)
    };
    let candidates: Vec<Candidate> = endpoints
        .iter()
        .enumerate()
        .map(|(place, endpoint)| Candidate::of(&endpoint.health(), place, weight(place), now))
        .collect();
    Ok(pick_one(&candidates, choice, draw))
}
