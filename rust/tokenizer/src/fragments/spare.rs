//! What a call needs for itself, and the next one can use again.

use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Things that are kept; with more calls at a time, the rest are made anew.
const KEPT: usize = 32;

/// Where a thread looks first: it finds what it left there, and meets no other thread.
fn favourite() -> usize {
    FAVOURITE.get()
}

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static FAVOURITE: Cell<usize> = Cell::new(THREADS.fetch_add(1, Ordering::Relaxed) % KEPT);
}

/// A place for one thing, in a cache line of its own.
#[derive(Debug)]
#[repr(align(64))]
struct Place<T>(Mutex<Option<Box<T>>>);

/// Caches that no call is using.
///
/// One list behind one lock, as here was before, loses what it cannot lock: with two threads, most of what they had learnt.
#[derive(Debug)]
pub(crate) struct Spare<T>([Place<T>; KEPT]);

impl<T> Spare<T> {
    pub(crate) fn new() -> Self {
        Self(std::array::from_fn(|_| Place(Mutex::new(None))))
    }

    /// Runs `work` with a thing that nobody else has.
    ///
    /// Never waits: where another thread holds a lock (or held it when the process was forked) it is another place's turn, and in
    /// the end a new thing is made.
    pub(crate) fn with<R>(&self, make: impl FnOnce() -> T, work: impl FnOnce(&mut T) -> R) -> R {
        let mut thing = self.take().unwrap_or_else(|| Box::new(make()));
        let result = work(&mut thing);
        self.put(thing);
        result
    }

    fn places(&self) -> impl Iterator<Item = (usize, &Place<T>)> {
        let first = favourite();
        let places = self.0.iter().enumerate();
        places.clone().skip(first).chain(places.take(first))
    }

    fn take(&self) -> Option<Box<T>> {
        self.places().find_map(|(index, place)| {
            let thing = place.0.try_lock().ok()?.take()?;
            FAVOURITE.set(index);
            Some(thing)
        })
    }

    /// Puts a thing back, at best where it was; it is dropped if there is no room.
    fn put(&self, thing: Box<T>) {
        let free = self.places().find_map(|(index, place)| {
            let place = place.0.try_lock().ok()?;
            place.is_none().then_some((index, place))
        });
        if let Some((index, mut place)) = free {
            *place = Some(thing);
            FAVOURITE.set(index);
        }
    }
}

impl<T> Clone for Spare<T> {
    /// Another one, empty.
    fn clone(&self) -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn a_thread_finds_what_it_left() {
        let spare = Spare::new();
        for expected in 0..3 {
            spare.with(
                || 0,
                |thing| {
                    assert_eq!(*thing, expected);
                    *thing += 1;
                },
            );
        }
    }

    #[test]
    fn threads_at_the_same_time_make_one_thing_each_and_keep_all() {
        let spare = Spare::new();
        let made = AtomicUsize::new(0);
        for _ in 0..20 {
            let meet = Barrier::new(4);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        let make = || made.fetch_add(1, Ordering::Relaxed);
                        spare.with(make, |_| meet.wait());
                        // Nothing is lost if it is taken and put back at once, over and over.
                        (0..1000).for_each(|_| spare.with(make, |_| ()));
                    });
                }
            });
        }
        let places = spare.0.iter();
        let kept = places.filter(|place| place.0.lock().unwrap().is_some());
        assert_eq!(kept.count(), made.load(Ordering::Relaxed));
        // A place that is locked for a moment is passed over: a few more than four, not thousands.
        assert!(made.load(Ordering::Relaxed) <= KEPT, "{made:?}");
    }

    #[test]
    fn a_lock_that_is_held_for_ever_makes_nobody_wait() {
        let spare = Spare::new();
        let held: Vec<_> = spare.0.iter().map(|place| place.0.lock()).collect();
        assert_eq!(spare.with(|| 7, |thing| *thing), 7);
        drop(held);
    }
}
