//! The ring beside a `VecDeque`, and between threads.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use inferail_policy::ring::{Refused, Ring};
use proptest::prelude::*;

const NOW: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_secs(30);

#[derive(Debug, Clone)]
enum Step {
    Push,
    Take(usize),
    Nudge,
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => Just(Step::Push),
        4 => (0..6_usize).prop_map(Step::Take),
        1 => Just(Step::Nudge),
        1 => Just(Step::Close),
    ]
}

proptest! {
    #[test]
    fn does_what_a_deque_does(capacity in 1..8_usize, steps in prop::collection::vec(step(), 0..80)) {
        let ring = Ring::new(capacity).unwrap();
        let (mut twin, mut closed, mut pushed, mut taken) = (VecDeque::new(), false, 0_u64, 0_u64);
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Push => {
                    let expected = if closed {
                        Err(Refused::Closed(number))
                    } else if twin.len() == capacity {
                        Err(Refused::Full(number))
                    } else {
                        twin.push_back(number);
                        pushed += 1;
                        Ok(())
                    };
                    prop_assert_eq!(ring.push(number), expected);
                }
                Step::Take(max) => {
                    let count = max.max(1).min(twin.len());
                    let expected: Vec<_> = twin.drain(..count).collect();
                    taken += expected.len() as u64;
                    prop_assert_eq!(ring.take(max, NOW, NOW), expected);
                }
                Step::Nudge => ring.nudge(),
                Step::Close => { ring.close(); closed = true; }
            }
            prop_assert_eq!((ring.len(), ring.is_closed()), (twin.len(), closed));
            prop_assert_eq!((ring.counts().pushed, ring.counts().taken), (pushed, taken));
        }
    }
}

#[test]
fn gives_everything_once_and_in_the_order_of_each_producer() {
    let ring = Arc::new(Ring::new(16).unwrap());
    let producers: Vec<_> = (0..4_u32)
        .map(|name| {
            let ring = Arc::clone(&ring);
            thread::spawn(move || {
                for number in 0..5_000_u32 {
                    ring.push_within((name, number), LONG).unwrap();
                }
            })
        })
        .collect();
    let consumer = {
        let ring = Arc::clone(&ring);
        thread::spawn(move || {
            let mut next = [0; 4];
            loop {
                let batch = ring.take(7, LONG, NOW);
                if batch.is_empty() {
                    return next;
                }
                for (name, number) in batch {
                    assert_eq!(number, next[name as usize]);
                    next[name as usize] += 1;
                }
            }
        })
    };
    for producer in producers {
        producer.join().unwrap();
    }
    ring.close();
    assert_eq!(consumer.join().unwrap(), [5_000; 4]);
}

#[test]
fn waits_for_room_no_longer_than_it_is_told() {
    let ring = Ring::new(1).unwrap();
    ring.push(1).unwrap();
    let began = Instant::now();
    let refused = ring.push_within(2, Duration::from_millis(20));
    assert_eq!(refused, Err(Refused::Full(2)));
    assert!(began.elapsed() >= Duration::from_millis(20));
}

#[test]
fn a_nudge_ends_the_wait_for_more() {
    let ring = Arc::new(Ring::new(8).unwrap());
    ring.push(1).unwrap();
    let nudging = {
        let ring = Arc::clone(&ring);
        thread::spawn(move || ring.nudge())
    };
    assert_eq!(ring.take(8, LONG, LONG), [1]);
    nudging.join().unwrap();
}

#[test]
fn refuses_no_room_at_all() {
    assert!(Ring::<u8>::new(0).is_err());
}
