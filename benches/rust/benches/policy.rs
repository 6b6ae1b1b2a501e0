//! What a call's limits cost it: `cargo bench -p inferail-benches --bench policy`.
//!
//! Four limits in two groups, as `Limited` has them for a provider's rate and a tenant's money. Time goes on by a
//! millisecond for each call, so slots leave the windows.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use inferail_policy::concurrency::{Concurrency, Outcome};
use inferail_policy::limiter::{Amount, Limit, Limiter, Unit};
use inferail_policy::queue::{Entry, Queue};
use inferail_policy::retry_budget::RetryBudget;
use inferail_policy::window::Window;

const STEP: f64 = 0.001;

fn limits() -> Vec<Limit> {
    let limit = |unit, most, seconds, group| Limit {
        unit,
        most,
        seconds,
        group,
    };
    vec![
        limit(Unit::Requests, 1 << 40, 60.0, 0),
        limit(Unit::Tokens, 1 << 40, 60.0, 0),
        limit(Unit::Calls, 64, 60.0, 0),
        limit(Unit::Micros, 1 << 40, 86_400.0, 1),
    ]
}

fn amount(tokens: u64) -> Amount {
    Amount {
        requests: 1,
        tokens,
        micros: tokens / 4,
    }
}

#[expect(clippy::unwrap_used, reason = "a benchmark that cannot begin ends")]
fn bench_limiter(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("limiter");
    for tenants in [1_u32, 10_000] {
        let keys: Vec<String> = (0..tenants)
            .map(|number| format!("tenant {number}"))
            .collect();
        let mut limiter = Limiter::new(limits()).unwrap();
        let (mut now, mut turn) = (0.0, 0);
        group.bench_function(
            format!("reserve_settle_4_limits_{tenants}_tenants"),
            |bencher| {
                bencher.iter(|| {
                    now += STEP;
                    turn = (turn + 1) % keys.len();
                    let reserved = limiter.reserve(&["", &keys[turn]], amount(1200), 600.0, now);
                    limiter.settle(reserved.unwrap(), amount(700), now)
                });
            },
        );
    }
    let mut full = limits();
    full[1].most = 1000;
    let mut limiter = Limiter::new(full).unwrap();
    limiter.reserve(&[""], amount(900), 600.0, 0.0).unwrap();
    group.bench_function("refuse", |bencher| {
        bencher.iter(|| {
            limiter
                .reserve(black_box(&["", "a"]), amount(900), 600.0, 1.0)
                .is_err()
        });
    });
    group.finish();
}

#[expect(clippy::unwrap_used, reason = "a benchmark that cannot begin ends")]
fn bench_parts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("policy");
    let mut now = 0.0;
    let mut window = Window::new(60.0);
    group.bench_function("window_charge", |bencher| {
        bencher.iter(|| {
            now += STEP;
            window.charge(1200, now);
        });
    });
    let mut limit = Concurrency::new(8.0, 1.0, 1024.0).unwrap();
    group.bench_function("concurrency_acquire_release", |bencher| {
        bencher.iter(|| {
            now += STEP;
            limit.acquire();
            limit.release(Outcome::Succeeded, now, now);
        });
    });
    let mut budget = RetryBudget::new(0.1, 0.1, 10.0, Some(1_000_000)).unwrap();
    group.bench_function("retry_budget_deposit_withdraw", |bencher| {
        bencher.iter(|| {
            now += STEP;
            budget.deposit(now);
            budget.withdraw(now)
        });
    });
    let mut queue = Queue::new(1_000, 10.0).unwrap();
    for number in 0..999 {
        queue.push(number % 3, now);
    }
    group.bench_function("queue_push_first_remove_among_999", |bencher| {
        bencher.iter(|| {
            now += STEP;
            let entry = queue.push(1, now);
            if let (Entry::Waits(_), Some(first)) = (entry, queue.first()) {
                queue.remove(first);
            }
        });
    });
    group.finish();
}

criterion_group!(benches, bench_limiter, bench_parts);
criterion_main!(benches);
