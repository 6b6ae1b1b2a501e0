//! What the tasks of one reactor reach: sockets, timers, the queue of tasks to run.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use slab::Slab;

use crate::exchange::Cell;
use crate::pool::Pool;
use crate::resolve::Resolver;
use crate::settings::Settings;

pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The token of the waker that other threads use; sockets have those from 1 on.
pub(crate) const WAKER: mio::Token = mio::Token(0);

/// Most bytes read from a socket at once.
const SCRATCH_BYTES: usize = 64 * 1024;

/// The tasks that can go on, by their places.
pub(crate) type Queue = Arc<Mutex<VecDeque<usize>>>;

/// Everything of a reactor but its tasks, which hold on to this.
pub(crate) struct Shared {
    pub(crate) registry: mio::Registry,
    pub(crate) settings: Arc<Settings>,
    pub(crate) pool: Mutex<Pool>,
    pub(crate) resolver: Resolver,
    pub(crate) scratch: Mutex<Box<[u8]>>,
    pub(crate) sockets: Mutex<Slab<Arc<Readiness>>>,
    /// Exchanges with news for whoever waits for them.
    pub(crate) changed: Mutex<Vec<Arc<Cell>>>,
    /// Exchanges that were given up.
    pub(crate) given_up: Mutex<Vec<Arc<Cell>>>,
    waker: mio::Waker,
    ready: Queue,
    spawned: Mutex<Vec<Task>>,
    timers: Mutex<BinaryHeap<Reverse<Timer>>>,
}

impl Shared {
    pub(crate) fn new(registry: mio::Registry, waker: mio::Waker, settings: Arc<Settings>) -> Self {
        let max_connections = settings.max_connections;
        let idle = settings.idle;
        Self {
            registry,
            settings,
            pool: Mutex::new(Pool::new(max_connections, idle)),
            resolver: Resolver::default(),
            scratch: Mutex::new(vec![0; SCRATCH_BYTES].into_boxed_slice()),
            sockets: Mutex::new(Slab::new()),
            changed: Mutex::new(Vec::new()),
            given_up: Mutex::new(Vec::new()),
            waker,
            ready: Queue::default(),
            spawned: Mutex::new(Vec::new()),
            timers: Mutex::new(BinaryHeap::new()),
        }
    }

    /// Starts a task at the next turn of the queue.
    pub(crate) fn spawn(&self, task: Task) {
        lock(&self.spawned).push(task);
    }

    pub(crate) fn take_spawned(&self) -> Vec<Task> {
        std::mem::take(&mut *lock(&self.spawned))
    }

    pub(crate) fn queue(&self) -> Queue {
        Arc::clone(&self.ready)
    }

    pub(crate) fn has_ready(&self) -> bool {
        !lock(&self.ready).is_empty() || !lock(&self.spawned).is_empty()
    }

    pub(crate) fn next_ready(&self) -> Option<usize> {
        lock(&self.ready).pop_front()
    }

    /// Makes the reactor's file descriptor readable, from any thread.
    pub(crate) fn nudge(&self) {
        // Fails only where the descriptor is gone, and then nobody waits on it.
        let _ = self.waker.wake();
    }

    /// Sets a timer.
    pub(crate) fn at(&self, moment: Instant, rings: Rings) {
        lock(&self.timers).push(Reverse(Timer { moment, rings }));
    }

    /// When the next timer rings.
    pub(crate) fn next_timer(&self) -> Option<Instant> {
        lock(&self.timers).peek().map(|timer| timer.0.moment)
    }

    /// The timers that are due.
    pub(crate) fn take_due(&self, now: Instant) -> Vec<Rings> {
        let mut timers = lock(&self.timers);
        let mut due = Vec::new();
        while timers.peek().is_some_and(|timer| timer.0.moment <= now) {
            due.extend(timers.pop().map(|timer| timer.0.rings));
        }
        due
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// Locks, also after a panic elsewhere: no lock here guards a state that a panic could leave half changed.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wakes a task by putting it into the queue, once.
#[derive(Debug)]
pub(crate) struct TaskWaker {
    key: usize,
    queued: AtomicBool,
    queue: Queue,
}

impl TaskWaker {
    pub(crate) fn new(key: usize, queue: Queue) -> Arc<Self> {
        Arc::new(Self {
            key,
            queued: AtomicBool::new(false),
            queue,
        })
    }

    /// The task is about to run: from now on a wake puts it into the queue again.
    pub(crate) fn begin(&self) {
        self.queued.store(false, Ordering::Release);
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            lock(&self.queue).push_back(self.key);
        }
    }
}

/// Who wants to know that a socket can be read or written.
#[derive(Debug)]
pub(crate) struct Readiness {
    pub(crate) readable: AtomicBool,
    pub(crate) writable: AtomicBool,
    /// The other side has closed: no further edge will come, so reads go on until they find the end.
    pub(crate) closed: AtomicBool,
    pub(crate) reader: Mutex<Option<Waker>>,
    pub(crate) writer: Mutex<Option<Waker>>,
}

impl Readiness {
    pub(crate) fn new() -> Self {
        Self {
            readable: AtomicBool::new(false),
            writable: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            reader: Mutex::new(None),
            writer: Mutex::new(None),
        }
    }

    pub(crate) fn note(&self, event: &mio::event::Event) {
        if event.is_read_closed() || event.is_error() {
            self.closed.store(true, Ordering::Relaxed);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.readable.store(true, Ordering::Relaxed);
            wake(&self.reader);
        }
        if event.is_writable() || event.is_write_closed() || event.is_error() {
            self.writable.store(true, Ordering::Relaxed);
            wake(&self.writer);
        }
    }
}

fn wake(slot: &Mutex<Option<Waker>>) {
    let waker = lock(slot).take();
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Keeps `waker` in `slot`; cloning is left out where it is there already.
pub(crate) fn keep(slot: &Mutex<Option<Waker>>, waker: &Waker) {
    let mut slot = lock(slot);
    match &*slot {
        Some(kept) if kept.will_wake(waker) => {}
        _ => *slot = Some(waker.clone()),
    }
}

/// What a timer does.
#[derive(Debug)]
pub(crate) enum Rings {
    /// Wakes a task.
    Task(Waker),
    /// Ends the wait for an exchange, unless more time was given.
    /// An exchange that is over does not stay for its timer.
    Wait(Weak<Cell>),
}

#[derive(Debug)]
struct Timer {
    moment: Instant,
    rings: Rings,
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.moment == other.moment
    }
}

impl Eq for Timer {}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timer {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.moment.cmp(&other.moment)
    }
}

/// The outcome of `work`, or `None` where it takes longer than `limit`.
pub(crate) async fn within<F: Future>(
    shared: &Shared,
    limit: Option<Duration>,
    work: F,
) -> Option<F::Output> {
    let end = limit.and_then(|limit| Instant::now().checked_add(limit));
    let mut work = std::pin::pin!(work);
    let mut is_set = false;
    std::future::poll_fn(|context| {
        if let Poll::Ready(output) = work.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        let Some(end) = end else {
            return Poll::Pending;
        };
        if Instant::now() >= end {
            return Poll::Ready(None);
        }
        if !is_set {
            is_set = true;
            shared.at(end, Rings::Task(context.waker().clone()));
        }
        Poll::Pending
    })
    .await
}

/// Lets go until `moment`, or until whatever else wakes the task.
pub(crate) fn wake_at(shared: &Shared, moment: Instant, context: &Context<'_>) {
    shared.at(moment, Rings::Task(context.waker().clone()));
}

/// A socket's registration: the token and the readiness behind it.
pub(crate) fn register(
    shared: &Shared,
    source: &mut mio::net::TcpStream,
) -> io::Result<(usize, Arc<Readiness>)> {
    let readiness = Arc::new(Readiness::new());
    let key = lock(&shared.sockets).insert(Arc::clone(&readiness));
    let interest = mio::Interest::READABLE | mio::Interest::WRITABLE;
    let registered = shared
        .registry
        .register(source, mio::Token(key + 1), interest);
    if let Err(error) = registered {
        lock(&shared.sockets).remove(key);
        return Err(error);
    }
    Ok((key, readiness))
}
