//! `HttpSettings` and `HttpPool`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use inferail_http::{Cell, Error, Nudger, Options, Outgoing, Proxies, Reactor, Settings};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyDict, PyList, PyString};

use crate::error::{config_error, http_error};
use crate::gil::{run, run_short};
use crate::http_exchange::PyHttpExchange;

/// What holds for every connection: certificates, proxies, limits.
#[pyclass(frozen, name = "HttpSettings", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PyHttpSettings {
    inner: Arc<Settings>,
}

#[pymethods]
impl PyHttpSettings {
    #[new]
    #[expect(
        clippy::too_many_arguments,
        reason = "keyword arguments of the Python class"
    )]
    #[pyo3(signature = (*, ca_file=None, client_certificate=None, proxy=None, no_proxy="", http2=false, max_connections=1024, idle_seconds=50.0))]
    fn new(
        py: Python<'_>,
        ca_file: Option<PathBuf>,
        client_certificate: Option<(PathBuf, PathBuf)>,
        proxy: Option<&str>,
        no_proxy: &str,
        http2: bool,
        max_connections: usize,
        idle_seconds: f64,
    ) -> PyResult<Self> {
        let proxies = match proxy {
            None => Proxies::from_environment(),
            Some(url) => Proxies::all(url, no_proxy),
        };
        let idle = Duration::try_from_secs_f64(idle_seconds)
            .map_err(|_| config_error(py, "idle_seconds must be 0 or more".to_owned()))?;
        Ok(Self {
            inner: Settings::new(Options {
                ca_file,
                client_certificate,
                proxies,
                http2,
                max_connections,
                idle,
            }),
        })
    }
}

/// Connections of one event loop, or of one thread at a time.
#[pyclass(frozen, name = "HttpPool", module = "inferail._core")]
#[derive(Debug)]
pub(crate) struct PyHttpPool {
    reactor: Mutex<Reactor>,
    nudger: Nudger,
    /// Who waits for an exchange, by its cell's address.
    waiters: Mutex<BTreeMap<usize, Py<PyAny>>>,
    /// When the caller's own timer rings.
    armed: Mutex<Option<Instant>>,
    /// The same moment on our clock and on the caller's, in seconds.
    epoch: (Instant, f64),
}

#[pymethods]
impl PyHttpPool {
    #[new]
    #[pyo3(signature = (settings, now))]
    fn new(settings: &Bound<'_, PyHttpSettings>, now: f64) -> PyResult<Self> {
        let reactor = Reactor::new(Arc::clone(&settings.get().inner))?;
        Ok(Self {
            nudger: reactor.nudger(),
            reactor: Mutex::new(reactor),
            waiters: Mutex::default(),
            armed: Mutex::default(),
            epoch: (Instant::now(), now),
        })
    }

    /// Becomes readable when `turn` has something to do.
    fn fileno(&self, py: Python<'_>) -> i32 {
        self.lock(py).descriptor()
    }

    /// Sends a request.
    #[pyo3(signature = (method, url, headers, body, *, stream=false, connect_timeout=None))]
    fn start(
        slf: &Bound<'_, Self>,
        method: &str,
        url: &str,
        headers: &Bound<'_, PyDict>,
        body: &[u8],
        stream: bool,
        connect_timeout: Option<f64>,
    ) -> PyResult<PyHttpExchange> {
        let py = slf.py();
        let this = slf.get();
        let outgoing = outgoing(method, url, headers, body, stream, connect_timeout);
        let outgoing = outgoing.map_err(|error| http_error(py, &error))?;
        let mut reactor = this.lock(py);
        let cell = run_short(py, || reactor.start(outgoing));
        this.tell(&reactor);
        drop(reactor);
        let cell = cell.map_err(|error| http_error(py, &error))?;
        Ok(PyHttpExchange::new(cell, slf.clone().unbind()))
    }

    /// Makes a connection that a later request will use.
    #[pyo3(signature = (url, *, connect_timeout=None))]
    fn warm(
        slf: &Bound<'_, Self>,
        url: &str,
        connect_timeout: Option<f64>,
    ) -> PyResult<PyHttpExchange> {
        let py = slf.py();
        let this = slf.get();
        let uri = parse(url).map_err(|error| http_error(py, &error))?;
        let mut reactor = this.lock(py);
        let cell = run_short(py, || reactor.warm(&uri, seconds(connect_timeout)));
        this.tell(&reactor);
        drop(reactor);
        let cell = cell.map_err(|error| http_error(py, &error))?;
        Ok(PyHttpExchange::new(cell, slf.clone().unbind()))
    }

    /// Does what there is to do without waiting; gives the waiters whose exchanges have news.
    fn turn<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let mut reactor = self.lock(py);
        run_short(py, || reactor.turn(Duration::ZERO))?;
        let changed = reactor.take_changed();
        drop(reactor);
        let mut waiters = self.waiters();
        let ready = changed
            .iter()
            .filter_map(|cell| waiters.remove(&address(cell)));
        PyList::new(py, ready.collect::<Vec<_>>())
    }

    /// Notes that `waiter` waits for `exchange`, until the moment `by` on the caller's clock.
    #[pyo3(signature = (exchange, waiter, by, /))]
    fn wait(
        &self,
        py: Python<'_>,
        exchange: &Bound<'_, PyHttpExchange>,
        waiter: Py<PyAny>,
        by: Option<f64>,
    ) -> Option<f64> {
        let cell = &exchange.get().cell;
        self.waiters().insert(address(cell), waiter);
        let reactor = self.lock(py);
        reactor.wait_until(cell, by.and_then(|by| self.moment(by)));
        // News that came while nobody was looking must not stay unheard.
        if cell.has_changed() {
            self.nudger.nudge();
        }
        self.seconds_to_arm(&reactor)
    }

    /// Seconds until `turn` must be called, where that is earlier than the last answer said.
    fn arm(&self, py: Python<'_>) -> Option<f64> {
        let reactor = self.lock(py);
        self.seconds_to_arm(&reactor)
    }

    /// The caller's timer has rung.
    fn disarm(&self) {
        *self.armed.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Waits until there is news of `exchange`, until the moment `by`, or for a signal; without the GIL.
    #[pyo3(signature = (exchange, by, /))]
    fn block(
        &self,
        py: Python<'_>,
        exchange: &Bound<'_, PyHttpExchange>,
        by: Option<f64>,
    ) -> PyResult<()> {
        let cell = &exchange.get().cell;
        let end = by.and_then(|by| self.moment(by));
        loop {
            let is_over = run(py, || {
                let mut reactor = self.reactor.lock().unwrap_or_else(PoisonError::into_inner);
                if cell.has_changed() || cell.has_ended() {
                    reactor.take_changed();
                    return Ok(true);
                }
                let left = end.map_or(Duration::MAX, |end| {
                    end.saturating_duration_since(Instant::now())
                });
                if left.is_zero() {
                    return Ok(true);
                }
                reactor.turn(left.min(LONGEST_WAIT))?;
                Ok::<bool, std::io::Error>(false)
            })?;
            if is_over {
                return Ok(());
            }
            py.check_signals()?;
        }
    }

    /// Connections that stand or are being made, and those among them that nobody uses.
    fn connections(&self, py: Python<'_>) -> (usize, usize) {
        self.lock(py).connections()
    }

    /// Runs what can go on, so that closed exchanges let go of their connections.
    fn settle(&self, py: Python<'_>) {
        let mut reactor = self.lock(py);
        run_short(py, || reactor.run());
    }
}

/// A thread that waits looks for signals this often, should one have gone to another thread.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

impl PyHttpPool {
    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, Reactor> {
        self.reactor
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn waiters(&self) -> MutexGuard<'_, BTreeMap<usize, Py<PyAny>>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn moment(&self, by: f64) -> Option<Instant> {
        let since = Duration::try_from_secs_f64((by - self.epoch.1).max(0.0)).ok()?;
        self.epoch.0.checked_add(since)
    }

    /// Whether the moment `by` has come.
    pub(crate) fn is_past(&self, by: Option<f64>) -> bool {
        by.and_then(|by| self.moment(by))
            .is_some_and(|by| by <= Instant::now())
    }

    fn seconds_to_arm(&self, reactor: &Reactor) -> Option<f64> {
        let next = reactor.next_timer()?;
        let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        if armed.is_some_and(|armed| armed <= next) {
            return None;
        }
        *armed = Some(next);
        let left = next.saturating_duration_since(Instant::now());
        Some(left.as_secs_f64())
    }

    /// Where something happened outside `turn`, others who wait must hear of it.
    fn tell(&self, reactor: &Reactor) {
        if reactor.has_changed() && !self.waiters().is_empty() {
            self.nudger.nudge();
        }
    }

    /// A reader has taken what waited: its connection may be read again.
    pub(crate) fn go_on(&self, py: Python<'_>) {
        let mut reactor = self.lock(py);
        if reactor.has_ready() {
            run_short(py, || reactor.run());
            self.tell(&reactor);
        }
    }

    /// Gives an exchange up, also while another thread waits in this pool.
    pub(crate) fn give_up(&self, py: Python<'_>, cell: &Arc<Cell>) {
        self.waiters().remove(&address(cell));
        self.nudger.give_up(cell);
        match self.reactor.try_lock() {
            Ok(mut reactor) => {
                run_short(py, || reactor.run());
                self.tell(&reactor);
            }
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().run(),
            Err(TryLockError::WouldBlock) => self.nudger.nudge(),
        }
    }

    /// The same where it may be too early or too late for the GIL.
    pub(crate) fn abandon(&self, cell: &Arc<Cell>) {
        if !cell.has_ended() {
            self.nudger.give_up(cell);
            self.nudger.nudge();
        }
    }
}

fn address(cell: &Arc<Cell>) -> usize {
    Arc::as_ptr(cell).addr()
}

fn seconds(value: Option<f64>) -> Option<Duration> {
    value.and_then(|value| Duration::try_from_secs_f64(value).ok())
}

fn parse(url: &str) -> Result<Uri, Error> {
    url.parse().map_err(|_| Error::Request("its URL is no URL"))
}

fn outgoing(
    method: &str,
    url: &str,
    headers: &Bound<'_, PyDict>,
    body: &[u8],
    stream: bool,
    connect_timeout: Option<f64>,
) -> Result<Outgoing, Error> {
    let refused = Error::Request("a header holds a character that HTTP does not allow");
    let mut sent = HeaderMap::with_capacity(headers.len() + 3);
    for (name, value) in headers {
        let pair = (name.cast::<PyString>(), value.cast::<PyString>());
        let (Ok(name), Ok(value)) = pair else {
            return Err(refused);
        };
        let (Ok(name), Ok(value)) = (name.to_cow(), value.to_cow()) else {
            return Err(refused);
        };
        let name = HeaderName::from_bytes(name.as_bytes());
        let value = HeaderValue::from_str(&value);
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(refused);
        };
        sent.append(name, value);
    }
    // A stream is asked for uncompressed: a compressor on the way would hold tokens back until it has a block.
    let coding = if stream { "identity" } else { "gzip, deflate" };
    sent.entry(ACCEPT_ENCODING)
        .or_insert(HeaderValue::from_static(coding));
    sent.entry(USER_AGENT)
        .or_insert(HeaderValue::from_static("inferail"));
    Ok(Outgoing {
        method: method
            .parse()
            .map_err(|_| Error::Request("its method is none"))?,
        uri: parse(url)?,
        headers: sent,
        body: Bytes::copy_from_slice(body),
        connect_timeout: seconds(connect_timeout),
    })
}
