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
const LONGEST: Duration = Duration::from_hours(365 * 24);

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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use proptest::prelude::*;

    use super::*;

    const NOW: Duration = Duration::ZERO;

    #[derive(Debug, Clone, Copy)]
    enum Act {
        Push,
        Take(usize),
        Close,
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            12 => Just(Act::Push),
            6 => (0..5usize).prop_map(Act::Take),
            1 => Just(Act::Close),
        ]
    }

    proptest! {
        #[test]
        fn it_is_a_queue_that_refuses_what_it_has_no_room_for(
            capacity in 1..6usize, acts in prop::collection::vec(act(), 0..60),
        ) {
            let ring = Ring::new(capacity).unwrap();
            let (mut twin, mut closed, mut expected) = (VecDeque::new(), false, Counts::default());
            for (number, act) in acts.into_iter().enumerate() {
                match act {
                    Act::Push => {
                        let pushed = ring.push(number);
                        if closed {
                            prop_assert_eq!(pushed, Err(Refused::Closed(number)));
                        } else if twin.len() == capacity {
                            prop_assert_eq!(pushed, Err(Refused::Full(number)));
                        } else {
                            prop_assert_eq!(pushed, Ok(()));
                            twin.push_back(number);
                            expected.pushed += 1;
                        }
                        expected.refused += u64::from(pushed.is_err());
                    }
                    Act::Take(max) => {
                        let count = twin.len().min(max.max(1));
                        let wanted: Vec<_> = twin.drain(..count).collect();
                        expected.taken += count as u64;
                        prop_assert_eq!(ring.take(max, NOW, NOW), wanted);
                    }
                    Act::Close => {
                        ring.close();
                        closed = true;
                    }
                }
                prop_assert_eq!(ring.len(), twin.len());
                prop_assert_eq!(ring.counts(), expected);
                prop_assert_eq!(ring.is_closed(), closed);
            }
        }
    }

    #[test]
    fn nothing_is_lost_or_doubled_between_many_threads() {
        const EACH: usize = 5_000;
        let ring = Arc::new(Ring::new(16).unwrap());
        let producers: Vec<_> = (0..4)
            .map(|producer| {
                let ring = Arc::clone(&ring);
                thread::spawn(move || {
                    for number in 0..EACH {
                        ring.push_within((producer, number), LONGEST).unwrap();
                    }
                })
            })
            .collect();
        let mut next = [0; 4];
        while next.iter().sum::<usize>() < 4 * EACH {
            for (producer, number) in ring.take(7, LONGEST, Duration::from_micros(1)) {
                assert_eq!(number, next[producer]);
                next[producer] += 1;
            }
        }
        for producer in producers {
            producer.join().unwrap();
        }
        assert!(ring.is_empty());
    }

    #[test]
    fn closing_or_a_nudge_ends_every_wait() {
        let ring = Arc::new(Ring::new(1).unwrap());
        let taker = Arc::clone(&ring);
        let taking = thread::spawn(move || taker.take(1, LONGEST, LONGEST));
        ring.nudge();
        assert_eq!(taking.join().unwrap(), [0; 0]);

        ring.push(1).unwrap();
        let producer = Arc::clone(&ring);
        let pushing = thread::spawn(move || producer.push_within(2, LONGEST));
        ring.close();
        assert_eq!(pushing.join().unwrap(), Err(Refused::Closed(2)));
        assert_eq!(ring.take(5, LONGEST, LONGEST), [1]);
        assert_eq!(ring.push_within(3, NOW), Err(Refused::Closed(3)));
    }

    #[test]
    fn a_full_ring_waits_no_longer_than_it_is_told() {
        let ring = Ring::new(1).unwrap();
        ring.push(1).unwrap();

        assert_eq!(
            ring.push_within(2, Duration::from_millis(1)),
            Err(Refused::Full(2))
        );
        assert_eq!(ring.counts().refused, 1);
        assert!(Ring::<u8>::new(0).is_err());
    }
}
