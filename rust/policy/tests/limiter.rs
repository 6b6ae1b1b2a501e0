//! The limiter beside a list of all admissions, which is summed anew for every question.

use inferail_policy::limiter::{Amount, Lease, Limit, Limiter, Unit};
use inferail_policy::window::{SLOTS, Window};
use proptest::prelude::*;

const WINDOW: f64 = 60.0;
const SLOT: f64 = WINDOW / SLOTS as f64;

/// One admission: what counts of it now.
#[derive(Debug, Clone)]
struct Admission {
    key: usize,
    at: f64,
    reserved: u64,
    counts: u64,
    expires: f64,
    open: bool,
}

/// The obvious twin: tokens in 60 s for each key, and calls at once for all.
#[derive(Debug, Default)]
struct Reference {
    all: Vec<Admission>,
    tokens: u64,
    calls: usize,
}

impl Reference {
    fn expire(&mut self, now: f64) {
        for one in &mut self.all {
            if one.open && one.expires <= now {
                one.open = false;
                one.counts = 0;
            }
        }
    }

    /// The sum of what counts of a key since a moment, the slot of that moment included.
    fn used(&self, key: usize, now: f64) -> u64 {
        let oldest = (now / SLOT).floor() - SLOTS as f64;
        let counted = self
            .all
            .iter()
            .filter(|one| one.key == key && (one.at / SLOT).floor() >= oldest);
        counted.map(|one| one.counts).sum()
    }

    fn reserve(&mut self, key: usize, tokens: u64, ttl: f64, now: f64) -> bool {
        self.expire(now);
        let open = self.all.iter().filter(|one| one.open).count();
        if self.used(key, now) + tokens > self.tokens || open + 1 > self.calls {
            return false;
        }
        self.all.push(Admission {
            key,
            at: now,
            reserved: tokens,
            counts: tokens,
            expires: now + ttl,
            open: true,
        });
        true
    }

    /// The most of a key in any window of 60 s that ends with an admission.
    fn fullest(&self, key: usize) -> u64 {
        let of_key = || self.all.iter().filter(move |one| one.key == key);
        let sums = of_key().map(|last| {
            let inside = of_key().filter(|one| one.at > last.at - WINDOW && one.at <= last.at);
            inside.map(|one| one.counts).sum()
        });
        sums.max().unwrap_or(0)
    }
}

#[derive(Debug, Clone)]
enum Step {
    Reserve {
        key: usize,
        tokens: u64,
        ttl: f64,
    },
    /// Ends the n-th lease that is held, with this share of what it reserved.
    Settle {
        which: usize,
        share: f64,
    },
    Wait(f64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..3_usize, 0..60_u64, prop_oneof![Just(600.0), 1.0..40.0])
            .prop_map(|(key, tokens, ttl)| Step::Reserve { key, tokens, ttl }),
        2 => (any::<usize>(), 0.0..=1.0).prop_map(|(which, share)| Step::Settle { which, share }),
        2 => prop_oneof![0.0..3.0, 0.0..70.0].prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..120)
}

fn limits(tokens: u64, calls: u64) -> Vec<Limit> {
    let limit = |unit, most, group| Limit {
        unit,
        most,
        seconds: WINDOW,
        group,
    };
    vec![limit(Unit::Tokens, tokens, 1), limit(Unit::Calls, calls, 0)]
}

fn tokens(tokens: u64) -> Amount {
    Amount {
        requests: 1,
        tokens,
        micros: 0,
    }
}

proptest! {
    #[test]
    fn limiter_decides_as_the_list_of_all_admissions_does(
        steps in steps(), most in 1..150_u64, calls in 1..6_usize,
    ) {
        let mut limiter = Limiter::new(limits(most, calls as u64)).unwrap();
        let mut reference = Reference { tokens: most, calls, ..Reference::default() };
        let mut leases: Vec<(Lease, usize)> = Vec::new();
        let mut now = 1_000.5;
        for step in steps {
            match step {
                Step::Wait(seconds) => now += seconds,
                Step::Reserve { key, tokens: amount, ttl } => {
                    let expected = reference.reserve(key, amount, ttl, now);
                    let keys = ["", ["a", "b", "c"][key]];
                    match limiter.reserve(&keys, tokens(amount), ttl, now) {
                        Ok(lease) => {
                            prop_assert!(expected);
                            leases.push((lease, reference.all.len() - 1));
                        }
                        Err(refusal) => {
                            prop_assert!(!expected);
                            // What it says of the wait is true: one moment earlier there is no room, then there is.
                            if let Some(seconds) = refusal.retry_after && seconds.is_finite() && refusal.limit == 0 {
                                let then = now + seconds + 1e-6;
                                prop_assert!(reference.used(key, then) + amount <= most);
                                prop_assert!(reference.used(key, then - 1e-3) + amount > most);
                            }
                        }
                    }
                }
                Step::Settle { which, share } if !leases.is_empty() => {
                    reference.expire(now);
                    let (lease, number) = leases.swap_remove(which % leases.len());
                    let one = &mut reference.all[number];
                    let actual = (one.reserved as f64 * share) as u64;
                    let held = limiter.settle(lease, tokens(actual), now);
                    prop_assert_eq!(held, one.open);
                    one.open = false;
                    one.counts = actual;
                }
                Step::Settle { .. } => {}
            }
            reference.expire(now);
            for (key, name) in ["a", "b", "c"].into_iter().enumerate() {
                prop_assert_eq!(limiter.used(0, name, now).0, reference.used(key, now));
                let held = reference.all.iter().filter(|one| one.open && one.key == key);
                prop_assert_eq!(limiter.used(0, name, now).1, held.map(|one| one.reserved).sum::<u64>());
            }
        }
        // Late settlements may exceed the limit; without them no window does, wherever it begins.
    }

    #[test]
    fn no_window_ever_holds_more_than_the_limit(
        steps in prop::collection::vec((0.0..8.0_f64, 1..50_u64, 0.0..=1.0_f64), 1..200), most in 50..120_u64,
    ) {
        let mut limiter = Limiter::new(limits(most, u64::MAX)).unwrap();
        let mut reference = Reference { tokens: most, calls: usize::MAX, ..Reference::default() };
        let mut now = 0.0;
        for (wait, amount, share) in steps {
            now += wait;
            if let Ok(lease) = limiter.reserve(&["", "a"], tokens(amount), 1e9, now) {
                prop_assert!(reference.reserve(0, amount, 1e9, now));
                if share > 0.5 {
                    let actual = (amount as f64 * share) as u64;
                    prop_assert!(limiter.settle(lease, tokens(actual), now));
                    if let Some(last) = reference.all.last_mut() {
                        last.counts = actual;
                    }
                }
            }
            prop_assert!(reference.fullest(0) <= most);
        }
    }

    #[test]
    fn a_window_is_the_sum_of_its_slots(
        charges in prop::collection::vec((0.0..20.0_f64, 0..9_u64), 1..100), seconds in 1.0..1000.0_f64,
    ) {
        let mut window = Window::new(seconds);
        let mut all: Vec<(f64, u64)> = Vec::new();
        let mut now = 0.0;
        for (wait, amount) in charges {
            now += wait;
            window.charge(amount, now);
            all.push((now, amount));

            let slot = seconds / SLOTS as f64;
            let since = |oldest: f64| all.iter().filter(|(at, _)| *at >= oldest).map(|(_, charge)| charge).sum::<u64>();
            let used = window.used(now);
            // Never too low, and too high by what is in one slot at most.
            prop_assert!(used >= since(now - seconds + 1e-6));
            prop_assert!(used <= since(now - seconds - slot - 1e-6));
        }
    }
}

#[test]
fn what_one_limit_refuses_is_charged_to_none() {
    let mut limiter = Limiter::new(limits(10, 1)).unwrap();
    let first = limiter.reserve(&["", "a"], tokens(4), 600.0, 0.0).unwrap();

    let refusal = limiter
        .reserve(&["", "a"], tokens(4), 600.0, 1.0)
        .unwrap_err();

    assert_eq!((refusal.limit, refusal.retry_after), (1, None));
    assert_eq!(limiter.used(0, "a", 1.0), (4, 4));
    limiter.settle(first, tokens(3), 2.0);
    assert_eq!(limiter.used(0, "a", 2.0), (3, 0));
    assert_eq!(limiter.used(1, "", 2.0), (0, 0));
}

#[test]
fn what_can_never_fit_says_so() {
    let mut limiter = Limiter::new(limits(10, 1)).unwrap();

    let refusal = limiter
        .reserve(&["", "a"], tokens(11), 600.0, 0.0)
        .unwrap_err();

    assert_eq!(refusal.retry_after, Some(f64::INFINITY));
}

#[test]
fn a_sum_waits_for_calls_that_may_return_a_part() {
    let mut only = limits(10, 9);
    only[0].seconds = f64::INFINITY;
    let mut limiter = Limiter::new(only).unwrap();
    let lease = limiter.reserve(&["", "a"], tokens(8), 600.0, 0.0).unwrap();

    let waits = limiter
        .reserve(&["", "a"], tokens(4), 600.0, 0.0)
        .unwrap_err();
    limiter.settle(lease, tokens(8), 1.0);
    let never = limiter
        .reserve(&["", "a"], tokens(4), 600.0, 1e9)
        .unwrap_err();

    assert_eq!(waits.retry_after, None);
    assert_eq!(never.retry_after, Some(f64::INFINITY));
}

#[test]
fn accounts_are_forgotten_once_nothing_counts_against_them() {
    let mut limiter = Limiter::new(limits(10, 9)).unwrap();

    for number in 0..20_000 {
        let now = f64::from(number);
        let lease = limiter.reserve(&["", &number.to_string()], tokens(1), 9.0, now);
        limiter.settle(lease.unwrap(), tokens(1), now);
    }

    assert!(limiter.accounts() <= 2_100, "{}", limiter.accounts());
    assert_eq!(limiter.open(), 0);
}

#[test]
fn a_limit_without_a_window_is_refused() {
    let mut wrong = limits(10, 1);
    wrong[0].seconds = 0.0;

    assert!(Limiter::new(wrong).is_err());
    let mut wrong = limits(10, 1);
    wrong[1].group = 4;
    assert!(Limiter::new(wrong).is_err());
}
