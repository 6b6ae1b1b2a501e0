//! Whoever waits does the work: a reactor has no thread of its own.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Uri, header};
use slab::Slab;

use crate::error::Error;
use crate::exchange::{Cell, Order, run, warm};
use crate::settings::Settings;
use crate::shared::{Rings, Shared, Task, TaskWaker, WAKER, lock};

/// Events taken from the operating system at once.
const EVENTS: usize = 256;

/// Connections and the exchanges over them, for one thread at a time.
///
/// It opens sockets, speaks HTTP and sets timers, but all of it happens inside [`Reactor::turn`], which the owner
/// calls: an event loop when [`Reactor::descriptor`] is readable or [`Reactor::next_timer`] has come, a thread
/// without one in a loop, waiting.
#[derive(Debug)]
pub struct Reactor {
    shared: Arc<Shared>,
    poll: mio::Poll,
    events: mio::Events,
    tasks: Slab<Slot>,
}

struct Slot {
    /// `None` while it runs.
    task: Option<Task>,
    handle: Arc<TaskWaker>,
    waker: Waker,
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Slot").finish_non_exhaustive()
    }
}

/// A request.
#[derive(Debug)]
pub struct Outgoing {
    /// `GET`, `POST`, …
    pub method: Method,
    /// Absolute.
    pub uri: Uri,
    /// As they are sent; `host` and `content-length` are added.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// Time for the TCP connection, and as much again for TLS.
    pub connect_timeout: Option<Duration>,
}

impl Reactor {
    /// A reactor without connections.
    ///
    /// # Errors
    ///
    /// The operating system gives no more descriptors.
    pub fn new(settings: Arc<Settings>) -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), WAKER)?;
        let registry = poll.registry().try_clone()?;
        Ok(Self {
            shared: Arc::new(Shared::new(registry, waker, settings)),
            poll,
            events: mio::Events::with_capacity(EVENTS),
            tasks: Slab::new(),
        })
    }

    /// Becomes readable when there is something to do for [`Reactor::turn`].
    pub fn descriptor(&self) -> RawFd {
        self.poll.as_raw_fd()
    }

    /// Ends a wait in [`Reactor::turn`] from another thread.
    pub fn nudger(&self) -> Nudger {
        Nudger(Arc::clone(&self.shared))
    }

    /// Connections that stand or are being made, and those among them that are idle.
    pub fn connections(&self) -> (usize, usize) {
        let pool = lock(&self.shared.pool);
        (pool.open(), pool.idle())
    }

    /// Sends a request; whatever can be done at once has been done when this returns.
    ///
    /// # Errors
    ///
    /// [`Error::Request`] or [`Error::Settings`]; nothing was sent.
    pub fn start(&mut self, outgoing: Outgoing) -> Result<Arc<Cell>, Error> {
        let route = Arc::new(self.shared.settings.route(&outgoing.uri)?);
        let mut request = Request::new(http_body_util::Full::new(outgoing.body));
        *request.method_mut() = outgoing.method;
        *request.headers_mut() = outgoing.headers;
        if let Some(authority) = outgoing.uri.authority() {
            let host = authority.as_str().rsplit('@').next().unwrap_or_default();
            let value = host.parse();
            let value = value.map_err(|_| Error::Request("its host is no host"))?;
            request.headers_mut().entry(header::HOST).or_insert(value);
        }
        if route.is_forwarded()
            && let Some(authorization) = route.proxy.as_ref().and_then(|p| p.authorization.as_ref())
            && let Ok(value) = authorization.0.parse()
        {
            request
                .headers_mut()
                .insert(header::PROXY_AUTHORIZATION, value);
        }
        // A server gets the path alone; a proxy that passes the request on, and HTTP/2, get the whole.
        *request.uri_mut() = if route.is_forwarded() || route.asks_for_http2 {
            outgoing.uri
        } else {
            let path = outgoing.uri.path_and_query().cloned();
            path.map_or_else(|| Uri::from_static("/"), Uri::from)
        };
        let cell = Cell::new();
        let order = Order {
            route,
            request,
            connect_timeout: outgoing.connect_timeout,
        };
        let task = Box::pin(run(Arc::clone(&self.shared), Arc::clone(&cell), order));
        self.begin(&cell, task);
        Ok(cell)
    }

    /// Makes a connection to `uri` and keeps it; [`Cell::has_ended`] once it stands.
    ///
    /// # Errors
    ///
    /// As [`Reactor::start`].
    pub fn warm(
        &mut self,
        uri: &Uri,
        connect_timeout: Option<Duration>,
    ) -> Result<Arc<Cell>, Error> {
        let route = Arc::new(self.shared.settings.route(uri)?);
        let cell = Cell::new();
        let shared = Arc::clone(&self.shared);
        let task = Box::pin(warm(shared, Arc::clone(&cell), route, connect_timeout));
        self.begin(&cell, task);
        Ok(cell)
    }

    /// Does what there is to do, after waiting for it for at most `wait`.
    ///
    /// # Errors
    ///
    /// The operating system refuses to wait; nothing is lost by it.
    pub fn turn(&mut self, wait: Duration) -> io::Result<()> {
        let wait = match self.shared.next_timer() {
            Some(timer) => wait.min(timer.saturating_duration_since(Instant::now())),
            None => wait,
        };
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        {
            let sockets = lock(&self.shared.sockets);
            for event in &self.events {
                let key = event.token().0.checked_sub(WAKER.0 + 1);
                if let Some(readiness) = key.and_then(|key| sockets.get(key)) {
                    readiness.note(event);
                }
            }
        }
        let now = Instant::now();
        for rings in self.shared.take_due(now) {
            match rings {
                Rings::Task(waker) => waker.wake(),
                Rings::Wait(cell) => {
                    if let Some(cell) = cell.upgrade() {
                        cell.ring(&self.shared, now);
                    }
                }
            }
        }
        self.run();
        Ok(())
    }

    /// Runs the tasks that can go on.
    pub fn run(&mut self) {
        loop {
            self.stop_given_up();
            for task in self.shared.take_spawned() {
                self.add(task);
            }
            let Some(key) = self.shared.next_ready() else {
                return;
            };
            self.step(key);
        }
    }

    /// The exchanges with news since the last time.
    pub fn take_changed(&self) -> Vec<Arc<Cell>> {
        let changed = std::mem::take(&mut *lock(&self.shared.changed));
        for cell in &changed {
            cell.told();
        }
        changed
    }

    /// Whether a task can go on.
    pub fn has_ready(&self) -> bool {
        self.shared.has_ready()
    }

    /// Whether there are exchanges with news.
    pub fn has_changed(&self) -> bool {
        !lock(&self.shared.changed).is_empty()
    }

    /// When [`Reactor::turn`] must be called at the latest.
    pub fn next_timer(&self) -> Option<Instant> {
        self.shared.next_timer()
    }

    /// The caller waits for `cell`, until `moment` at the latest; then it is late. Returns whether
    /// [`Reactor::next_timer`] may have become an earlier one.
    pub fn wait_until(&self, cell: &Arc<Cell>, moment: Option<Instant>) -> bool {
        let must_set = cell.wait_until(moment);
        if let (true, Some(moment)) = (must_set, moment) {
            self.shared.at(moment, Rings::Wait(Arc::downgrade(cell)));
        }
        must_set
    }

    fn begin(&mut self, cell: &Arc<Cell>, task: Task) {
        let key = self.add(task);
        cell.set_task(key);
        self.run();
    }

    fn add(&mut self, task: Task) -> usize {
        let entry = self.tasks.vacant_entry();
        let key = entry.key();
        let handle = TaskWaker::new(key, self.shared.queue());
        let waker = Waker::from(Arc::clone(&handle));
        waker.wake_by_ref();
        entry.insert(Slot {
            task: Some(task),
            handle,
            waker,
        });
        key
    }

    fn step(&mut self, key: usize) {
        let Some(slot) = self.tasks.get_mut(key) else {
            return;
        };
        slot.handle.begin();
        let Some(task) = &mut slot.task else {
            return;
        };
        let waker = slot.waker.clone();
        if let Poll::Ready(()) = task.as_mut().poll(&mut Context::from_waker(&waker)) {
            self.tasks.remove(key);
        }
    }

    /// Drops the tasks of exchanges that were given up: their connections close.
    fn stop_given_up(&mut self) {
        let cells = std::mem::take(&mut *lock(&self.shared.given_up));
        for cell in cells {
            if let Some(key) = cell.give_up() {
                self.tasks.try_remove(key);
            }
        }
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        // What was never started holds on to the rest.
        self.tasks.clear();
        self.shared.take_spawned();
    }
}

/// Reaches a reactor that another thread is in.
#[derive(Debug, Clone)]
pub struct Nudger(Arc<Shared>);

impl Nudger {
    /// Gives `cell` up, at the next [`Reactor::run`]. Its connection closes unless its answer is complete.
    pub fn give_up(&self, cell: &Arc<Cell>) {
        if !cell.has_ended() {
            lock(&self.0.given_up).push(Arc::clone(cell));
        }
    }

    /// Ends the wait of whoever is in [`Reactor::turn`].
    pub fn nudge(&self) {
        self.0.nudge();
    }
}
