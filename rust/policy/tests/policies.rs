//! Concurrency, retry budget and queue beside their slow twins.

use inferail_policy::concurrency::{Concurrency, Outcome};
use inferail_policy::queue::{Entry, Queue};
use inferail_policy::retry_budget::RetryBudget;
use proptest::prelude::*;

fn full(limit: &mut Concurrency) -> usize {
    let mut begun = 0;
    while limit.acquire() {
        begun += 1;
    }
    begun
}

#[test]
fn slow_start_doubles_in_a_round_and_a_429_cuts_once() {
    let mut limit = Concurrency::new(4.0, 1.0, 100.0).unwrap();

    let begun = full(&mut limit);
    // All of a full round are under way when the first ends, so the second half ends below saturation.
    for _ in 0..begun {
        limit.release(Outcome::Succeeded, 0.0, 1.0);
        full(&mut limit);
    }
    assert_eq!(limit.limit(), 8);
    for _ in 0..8 {
        limit.release(Outcome::Limited, 1.0, 2.0);
    }

    assert_eq!(limit.limit(), 6);
    assert_eq!(limit.in_flight(), 0);
}

#[test]
fn after_a_429_a_round_adds_one() {
    let mut limit = Concurrency::new(10.0, 1.0, 100.0).unwrap();
    full(&mut limit);
    limit.release(Outcome::Limited, 0.0, 1.0);
    let cut = limit.limit();

    for _ in 0..=cut {
        full(&mut limit);
        limit.release(Outcome::Succeeded, 2.0, 3.0);
    }

    assert_eq!((cut, limit.limit()), (8, 9));
}

#[test]
fn an_idle_limit_does_not_grow_and_a_5xx_only_pauses_growth() {
    let mut limit = Concurrency::new(10.0, 1.0, 100.0).unwrap();
    for _ in 0..100 {
        assert!(limit.acquire());
        limit.release(Outcome::Succeeded, 0.0, 1.0);
    }
    assert_eq!(limit.limit(), 10);

    full(&mut limit);
    limit.release(Outcome::Failed, 1.0, 2.0);
    limit.release(Outcome::Succeeded, 1.0, 3.0);
    assert_eq!(limit.limit(), 10);
    limit.release(Outcome::Succeeded, 1.0, 8.0);
    assert_eq!(limit.limit(), 11);
}

proptest! {
    #[test]
    fn concurrency_stays_in_its_bounds_and_never_lets_more_in(
        ends in prop::collection::vec((0..4_usize, 0.0..3.0_f64), 1..300), most in 4.0..40.0_f64,
    ) {
        let outcomes = [Outcome::Succeeded, Outcome::Limited, Outcome::Failed, Outcome::Unknown];
        let mut limit = Concurrency::new(4.0, 2.0, most).unwrap();
        let (mut now, mut begun) = (0.0, Vec::new());
        for (outcome, wait) in ends {
            now += wait;
            loop {
                let room = begun.len() < limit.limit();
                prop_assert_eq!(limit.acquire(), room);
                if !room {
                    break;
                }
                begun.push(now);
            }
            prop_assert_eq!(limit.in_flight(), begun.len());
            let before = limit.limit();
            limit.release(outcomes[outcome], begun.remove(0), now);
            prop_assert!((2..=most as usize).contains(&limit.limit()));
            prop_assert!(outcomes[outcome] == Outcome::Limited || limit.limit() >= before);
        }
    }

    #[test]
    fn over_any_stretch_retries_stay_within_the_budget(
        steps in prop::collection::vec((0.0..2.0_f64, 0..4_usize, 0..6_usize), 1..150),
        ratio in 0.0..1.0_f64, minimum in 0.0..2.0_f64, burst in 1.0..20.0_f64,
    ) {
        let mut budget = RetryBudget::new(ratio, minimum, burst, None).unwrap();
        let (mut now, mut log) = (0.0, Vec::new());
        for (wait, requests, asked) in steps {
            now += wait;
            (0..requests).for_each(|_| budget.deposit(now));
            let granted = (0..asked).filter(|_| budget.withdraw(now)).count();
            log.push((now, requests, granted));
        }
        for first in 0..log.len() {
            let (mut requests, mut granted) = (0, 0);
            for last in &log[first..] {
                requests += last.1;
                granted += last.2;
                let most = burst + ratio * requests as f64 + minimum * (last.0 - log[first].0);
                prop_assert!(granted as f64 <= most + 1e-6);
            }
        }
    }

    #[test]
    fn a_queue_is_a_sorted_list(
        steps in prop::collection::vec((0..5_u32, 0.0..4.0_f64, any::<prop::sample::Index>()), 1..200),
        capacity in 0..12_usize, ageing in 0.0..9.0_f64, from in -20.0..20.0_f64,
    ) {
        let mut queue = Queue::new(capacity, ageing).unwrap();
        let mut reference: Vec<(f64, u64)> = Vec::new(); // what decides, and the ticket
        let mut now = from;
        for (priority, wait, which) in steps {
            now += wait;
            let key = now + f64::from(priority) * ageing;
            match queue.push(priority, now) {
                Entry::Waits(ticket) => reference.push((key, ticket)),
                Entry::Displaced { ticket, displaced } => {
                    prop_assert_eq!(reference.pop().map(|last| last.1), Some(displaced));
                    reference.push((key, ticket));
                }
                Entry::Refused => {
                    prop_assert_eq!(reference.len(), capacity);
                    prop_assert!(reference.last().is_none_or(|last| last.0 <= key));
                }
            }
            reference.sort_by(|one, other| one.partial_cmp(other).unwrap());
            prop_assert!(queue.len() <= capacity);
            let mut at = queue.first();
            for (_, ticket) in &reference {
                prop_assert_eq!(at, Some(*ticket));
                at = queue.after(*ticket);
            }
            prop_assert_eq!(at, None);
            if priority == 0 && !reference.is_empty() {
                let (_, ticket) = reference.remove(which.index(reference.len()));
                prop_assert!(queue.remove(ticket));
                prop_assert!(!queue.remove(ticket));
            }
        }
    }

    /// Whoever waits is overtaken only by who comes within `priority * ageing` seconds.
    #[test]
    fn nobody_waits_for_ever(priority in 1..9_u32, ageing in 0.1..9.0_f64, every in 0.01..1.0_f64) {
        let mut queue = Queue::new(usize::MAX, ageing).unwrap();
        let Entry::Waits(patient) = queue.push(priority, 0.0) else { panic!("it is empty") };
        let mut now = 0.0;
        // More important ones come for ever, as fast as they are served.
        let served = loop {
            now += every;
            queue.push(0, now);
            let first = queue.first().unwrap();
            queue.remove(first);
            if first == patient {
                break now;
            }
            prop_assert!(now < 1e4);
        };
        prop_assert!(served <= f64::from(priority) * ageing + 2.0 * every);
    }
}

#[test]
fn money_ends_a_retry_budget_until_a_day_has_passed() {
    let mut budget = RetryBudget::new(1.0, 10.0, 10.0, Some(100)).unwrap();

    assert!(budget.withdraw(0.0));
    budget.spend(100, 0.0);

    assert!(!budget.withdraw(80_000.0));
    assert!(budget.withdraw(88_000.0));
}

#[test]
fn numbers_that_mean_nothing_are_refused() {
    assert!(RetryBudget::new(-0.1, 0.0, 1.0, None).is_err());
    assert!(RetryBudget::new(0.1, f64::NAN, 1.0, None).is_err());
    assert!(Queue::new(1, f64::INFINITY).is_err());
    assert!(Concurrency::new(4.0, 5.0, 9.0).is_err());
    assert!(Concurrency::new(4.0, 0.0, 9.0).is_err());
}
