//! A bounded queue from many producers to whoever writes down what they push: in order, never silently short of room.
//!
//! A push is a lock and a move, and wakes nobody that is awake. The consumer sleeps until something is there, then *lingers*:
//! what comes within that time leaves with it in one batch, and no producer pays for a second wake-up. A full ring refuses,
//! or lets the producer wait for room for a time that it names.
//!
//! A ring of atomics (one slot, one sequence number each) was not taken: without contention it saves some 10 ns of a push
//! that takes 45 from Python, and a consumer that sleeps needs the lock all the same.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Error;

/// Room that is made before the first push; the rest when it is needed.
const INITIAL: usize = 256;
/// Waits are no longer: the clock of the system cannot add just any number of seconds.
const LONGEST: Duration = Duration::from_hours(24 * 365);

/// What could not be pushed, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused<T> {
    /// There is no room.
    Full(T),
    /// The ring is closed.
    Closed(T),
}

/// What went through a ring so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Items that were taken in.
    pub pushed: u64,
    /// Items that were given out.
    pub taken: u64,
    /// Pushes that were refused, each try counted.
    pub refused: u64,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    counts: Counts,
    closed: bool,
    /// Somebody wants what is there to be given out now.
    nudged: bool,
    /// How many items there have to be for a sleeping consumer to be woken; none sleeps at `usize::MAX`.
    wake_at: usize,
    /// Producers that wait for room.
    waiting: usize,
}

/// A bounded queue of many producers; several consumers are allowed too.
#[derive(Debug)]
pub struct Ring<T> {
    capacity: usize,
    state: Mutex<State<T>>,
    filled: Condvar,
    room: Condvar,
}

impl<T> Ring<T> {
    /// An empty ring for `capacity` items.
    ///
    /// # Errors
    ///
    /// `capacity` is 0.
    pub fn new(capacity: usize) -> Result<Self, Error> {
        if capacity == 0 {
            return Err(Error::Parameter {
                name: "capacity",
                expected: "at least 1",
                value: capacity.to_string(),
            });
        }
        Ok(Self {
            capacity,
            state: Mutex::new(State {
                items: VecDeque::with_capacity(capacity.min(INITIAL)),
                counts: Counts::default(),
                closed: false,
                nudged: false,
                wake_at: usize::MAX,
                waiting: 0,
            }),
            filled: Condvar::new(),
            room: Condvar::new(),
        })
    }

    /// Takes in one item, if there is room.
    ///
    /// # Errors
    ///
    /// The item, where the ring is full or closed.
    pub fn push(&self, item: T) -> Result<(), Refused<T>> {
        let mut state = self.lock();
        if state.closed {
            state.counts.refused += 1;
            return Err(Refused::Closed(item));
        }
        if state.items.len() >= self.capacity {
            state.counts.refused += 1;
            return Err(Refused::Full(item));
        }
        self.put(state, item);
        Ok(())
    }

    /// Takes in one item, waiting up to `patience` for room.
    ///
    /// # Errors
    ///
    /// The item, where there was no room in that time, or the ring is closed or was closed meanwhile.
    pub fn push_within(&self, item: T, patience: Duration) -> Result<(), Refused<T>> {
        let until = Instant::now() + patience.min(LONGEST);
        let mut state = self.lock();
        while !state.closed && state.items.len() >= self.capacity {
            let Some(left) = left(until) else {
                state.counts.refused += 1;
                return Err(Refused::Full(item));
            };
            state.waiting += 1;
            state = wait(&self.room, state, left);
            state.waiting -= 1;
        }
        if state.closed {
            state.counts.refused += 1;
            return Err(Refused::Closed(item));
        }
        self.put(state, item);
        Ok(())
    }

    /// Up to `max` items in the order they were pushed; none where none came within `timeout`, or the ring is closed.
    ///
    /// Once something is there it waits up to `linger` for `max` items, unless it is nudged or the ring is closed.
    pub fn take(&self, max: usize, timeout: Duration, linger: Duration) -> Vec<T> {
        let max = max.max(1);
        let mut state = self.sleep(self.lock(), 1, timeout);
        if !state.items.is_empty() && !linger.is_zero() {
            state = self.sleep(state, max.min(self.capacity), linger);
        }
        state.nudged = false;
        let count = state.items.len().min(max);
        let taken = state.items.drain(..count).collect();
        state.counts.taken += count as u64;
        if state.waiting > 0 && count > 0 {
            self.room.notify_all();
        }
        taken
    }

    /// Lets the one who takes, or the next one who does, not wait any longer.
    pub fn nudge(&self) {
        let mut state = self.lock();
        state.nudged = true;
        state.wake_at = usize::MAX;
        drop(state);
        self.filled.notify_all();
    }

    /// Refuses everything from now on; what is in it can still be taken. Closing twice is the same as once.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.wake_at = usize::MAX;
        drop(state);
        self.filled.notify_all();
        self.room.notify_all();
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// How many items wait.
    pub fn len(&self) -> usize {
        self.lock().items.len()
    }

    /// Whether no item waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many items can wait.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// What went through it so far.
    pub fn counts(&self) -> Counts {
        self.lock().counts
    }

    fn put(&self, mut state: MutexGuard<'_, State<T>>, item: T) {
        state.items.push_back(item);
        state.counts.pushed += 1;
        if state.items.len() >= state.wake_at {
            state.wake_at = usize::MAX;
            drop(state);
            self.filled.notify_all();
        }
    }

    /// Waits for `wanted` items, a nudge, the end of the ring, or the end of `time`.
    fn sleep<'a>(
        &'a self,
        mut state: MutexGuard<'a, State<T>>,
        wanted: usize,
        time: Duration,
    ) -> MutexGuard<'a, State<T>> {
        let until = Instant::now() + time.min(LONGEST);
        while state.items.len() < wanted && !state.closed && !state.nudged {
            let Some(left) = left(until) else { break };
            state.wake_at = state.wake_at.min(wanted);
            state = wait(&self.filled, state, left);
        }
        state
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn left(until: Instant) -> Option<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    (!left.is_zero()).then_some(left)
}

fn wait<'a, S>(bell: &Condvar, state: MutexGuard<'a, S>, time: Duration) -> MutexGuard<'a, S> {
    bell.wait_timeout(state, time)
        .unwrap_or_else(PoisonError::into_inner)
        .0
}
