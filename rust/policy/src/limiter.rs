//! Several limits at once: reserve what a call may consume, settle to what it did.
//!
//! A reservation is charged to every limit or to none. While a call runs it counts with all that it reserved; afterwards
//! with what it consumed, at the moment at which it was admitted. So in any window of a limit
//!
//! * what calls *reserved* never exceeds the limit (see [`crate::window`]), and
//! * what they *consumed* exceeds it at most by the sum of what calls consumed beyond their own reservations: nothing, where
//!   the prompt is counted exactly and the answer is bounded.
//!
//! A lease that nobody settles expires, and what it reserved returns.

use std::collections::{BTreeSet, HashMap};

use crate::error::Error;
use crate::window::{SLOTS, Window};

/// The most groups of limits; each has accounts of its own.
pub const MAX_GROUPS: usize = 4;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Requests to a provider.
    Requests,
    /// Tokens of prompts and answers.
    Tokens,
    /// Millionths of a dollar.
    Micros,
    /// Calls that run at the same time; returned when a call ends.
    Calls,
}

/// What a call may consume, or did; by default nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// Requests to a provider: 1, and one more for each retry.
    pub requests: u64,
    /// Tokens of the prompt and the answer.
    pub tokens: u64,
    /// Millionths of a dollar.
    pub micros: u64,
}

impl Amount {
    fn of(&self, unit: Unit) -> u64 {
        match unit {
            Unit::Requests => self.requests,
            Unit::Tokens => self.tokens,
            Unit::Micros => self.micros,
            Unit::Calls => 1,
        }
    }
}

/// At most so much of something.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// Of what.
    pub unit: Unit,
    /// How much.
    pub most: u64,
    /// In any so many seconds, or infinite: ever. Of no meaning for [`Unit::Calls`].
    pub seconds: f64,
    /// Which of the keys of a reservation says whose account is charged.
    pub group: usize,
}

/// What was reserved. It ends once: [`Limiter::settle`] takes it.
#[derive(Debug)]
pub struct Lease(Reservation);

#[derive(Debug, Clone, Copy)]
struct Reservation {
    id: u64,
    accounts: [u64; MAX_GROUPS],
    amount: Amount,
    at: f64,
    expires: u64,
}

/// Why nothing was reserved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Refusal {
    /// Number of the limit that takes longest to have room.
    pub limit: usize,
    /// Seconds until it surely has room; infinite for never, None where only the end of another call makes room.
    pub retry_after: Option<f64>,
    /// What is charged to it, what is reserved included.
    pub used: u64,
    /// How much of that is reserved by calls that have not ended.
    pub held: u64,
}

#[derive(Debug)]
struct Meter {
    window: Window,
    held: u64,
}

#[derive(Debug)]
struct Account {
    meters: Vec<Meter>, // one for each limit of the group
    used_at: f64,
}

/// Limits and their accounts.
#[derive(Debug)]
pub struct Limiter {
    limits: Vec<Limit>,
    places: Vec<usize>, // where the meter of a limit is in its account
    groups: usize,
    names: Vec<HashMap<Box<str>, u64>>,
    accounts: HashMap<u64, Account>,
    open: HashMap<u64, Reservation>,
    expiring: BTreeSet<(u64, u64)>, // bits of the moment (of a positive number they rise with it), and the id
    next: u64,
    sweep_at: usize,
    longest: f64, // the longest window: an account that was not used for so long may be forgotten
    now: f64,
}

/// Accounts after which those that nothing counts against are looked for.
const SWEEP: usize = 1024;

impl Limiter {
    /// Limits that nothing is charged to yet.
    ///
    /// # Errors
    ///
    /// A window that is not positive, or a group beyond [`MAX_GROUPS`].
    pub fn new(limits: Vec<Limit>) -> Result<Self, Error> {
        let mut sizes = [0; MAX_GROUPS];
        let mut places = Vec::with_capacity(limits.len());
        for limit in &limits {
            if limit.seconds.is_nan() || limit.seconds <= 0.0 {
                return Err(Error::Parameter {
                    name: "seconds",
                    expected: "a positive number",
                    value: limit.seconds.to_string(),
                });
            }
            let Some(size) = sizes.get_mut(limit.group) else {
                return Err(Error::Parameter {
                    name: "group",
                    expected: "0 to 3",
                    value: limit.group.to_string(),
                });
            };
            places.push(*size);
            *size += 1;
        }
        let groups = limits.iter().map(|limit| limit.group + 1).max();
        let groups = groups.unwrap_or(0);
        let seconds = limits.iter().map(|limit| limit.seconds);
        let longest = seconds.fold(0.0, f64::max) * (1.0 + 1.0 / SLOTS as f64);
        Ok(Self {
            limits,
            places,
            groups,
            names: vec![HashMap::new(); groups],
            accounts: HashMap::new(),
            open: HashMap::new(),
            expiring: BTreeSet::new(),
            next: 0,
            sweep_at: SWEEP,
            longest,
            now: 0.0,
        })
    }

    /// Charges `amount` to every limit, or says which one has no room.
    ///
    /// `keys` say whose account is charged, one for each group; one that is missing is the empty key. What is not settled
    /// within `ttl` seconds returns.
    ///
    /// # Errors
    ///
    /// The limit without room; nothing was charged.
    pub fn reserve(
        &mut self,
        keys: &[impl AsRef<str>],
        amount: Amount,
        ttl: f64,
        now: f64,
    ) -> Result<Lease, Refusal> {
        let now = self.advance(now);
        let mut accounts = [0; MAX_GROUPS];
        for (group, account) in accounts.iter_mut().enumerate().take(self.groups) {
            *account = self.account(group, keys.get(group).map_or("", AsRef::as_ref));
        }
        self.check(&accounts, amount, now)?;
        self.each(&accounts, |unit, meter| {
            let charge = amount.of(unit);
            meter.held = meter.held.saturating_add(charge);
            if unit != Unit::Calls {
                meter.window.charge(charge, now);
            }
        });
        self.next += 1;
        let reservation = Reservation {
            id: self.next,
            accounts,
            amount,
            at: now,
            expires: (now + ttl).to_bits(),
        };
        self.open.insert(reservation.id, reservation);
        self.expiring.insert((reservation.expires, reservation.id));
        Ok(Lease(reservation))
    }

    /// Charges what a call consumed instead of what it reserved, nothing for one that was not made.
    ///
    /// What a lease that had expired consumed is charged too. Its reservation had returned, so that may exceed a limit.
    /// Gives whether the lease was still held.
    #[expect(clippy::needless_pass_by_value, reason = "a lease ends once")]
    pub fn settle(&mut self, lease: Lease, actual: Amount, now: f64) -> bool {
        let now = self.advance(now);
        let Lease(reservation) = lease;
        let held = self.open.remove(&reservation.id).is_some();
        if held {
            self.expiring.remove(&(reservation.expires, reservation.id));
            self.end(&reservation, actual, now);
        } else {
            self.each(&reservation.accounts, |unit, meter| {
                if unit != Unit::Calls {
                    let charge = actual.of(unit);
                    meter.window.correct(reservation.at, 0, charge, now);
                }
            });
        }
        held
    }

    /// Changes how much a limit allows from now on; what is charged stays.
    pub fn change(&mut self, limit: usize, most: u64) {
        if let Some(limit) = self.limits.get_mut(limit) {
            limit.most = most;
        }
    }

    /// The number of leases that are held.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// The number of accounts that are kept.
    pub fn accounts(&self) -> usize {
        self.accounts.len()
    }

    /// What is charged to a limit on the account of `key`, and how much of it is only reserved.
    pub fn used(&mut self, limit: usize, key: &str, now: f64) -> (u64, u64) {
        let now = self.advance(now);
        let Some(Limit { group, unit, .. }) = self.limits.get(limit).copied() else {
            return (0, 0);
        };
        let id = self.names[group].get(key);
        let Some(account) = id.and_then(|id| self.accounts.get_mut(id)) else {
            return (0, 0);
        };
        let meter = &mut account.meters[self.places[limit]];
        (meter.used(unit, now), meter.held)
    }

    /// Returns what leases reserved whose time is up; gives the moment that counts, for time does not go back.
    fn advance(&mut self, now: f64) -> f64 {
        self.now = self.now.max(now);
        let bits = self.now.to_bits();
        while let Some((expires, id)) = self.expiring.first().copied()
            && expires <= bits
        {
            self.expiring.pop_first();
            if let Some(reservation) = self.open.remove(&id) {
                self.end(&reservation, Amount::default(), self.now);
            }
        }
        self.now
    }

    fn end(&mut self, reservation: &Reservation, actual: Amount, now: f64) {
        self.each(&reservation.accounts, |unit, meter| {
            let before = reservation.amount.of(unit);
            meter.held = meter.held.saturating_sub(before);
            if unit != Unit::Calls {
                let after = actual.of(unit);
                meter.window.correct(reservation.at, before, after, now);
            }
        });
    }

    /// The limit that takes longest to have room for `amount`, if any has none.
    fn check(
        &mut self,
        accounts: &[u64; MAX_GROUPS],
        amount: Amount,
        now: f64,
    ) -> Result<(), Refusal> {
        let mut worst: Option<(f64, Refusal)> = None;
        for (number, limit) in self.limits.iter().enumerate() {
            let Some(account) = self.accounts.get_mut(&accounts[limit.group]) else {
                continue;
            };
            let meter = &mut account.meters[self.places[number]];
            let charge = amount.of(limit.unit);
            let used = meter.used(limit.unit, now);
            let over = used.saturating_add(charge).saturating_sub(limit.most);
            if over == 0 || charge == 0 {
                continue;
            }
            let retry_after = if charge > limit.most {
                Some(f64::INFINITY)
            } else if limit.unit == Unit::Calls {
                None
            } else {
                let seconds = meter.window.frees_in(over, now);
                // Of a sum nothing leaves by itself, but a call that ends may return a part.
                let returns = over <= meter.held && seconds.is_infinite();
                (!returns).then_some(seconds)
            };
            let rank = retry_after.unwrap_or(0.0);
            if worst.is_none_or(|(longest, _)| rank > longest) {
                let refusal = Refusal {
                    limit: number,
                    retry_after,
                    used,
                    held: meter.held,
                };
                worst = Some((rank, refusal));
            }
        }
        worst.map_or(Ok(()), |(_, refusal)| Err(refusal))
    }

    fn each(&mut self, accounts: &[u64; MAX_GROUPS], mut work: impl FnMut(Unit, &mut Meter)) {
        for (number, limit) in self.limits.iter().enumerate() {
            if let Some(account) = self.accounts.get_mut(&accounts[limit.group]) {
                work(limit.unit, &mut account.meters[self.places[number]]);
            }
        }
    }

    /// The account of a key, which is opened if there is none.
    fn account(&mut self, group: usize, key: &str) -> u64 {
        if let Some(id) = self.names[group].get(key) {
            if let Some(account) = self.accounts.get_mut(id) {
                account.used_at = self.now;
            }
            return *id;
        }
        if self.accounts.len() >= self.sweep_at {
            self.sweep();
        }
        self.next += 1;
        let limits = self.limits.iter().filter(|limit| limit.group == group);
        let meters = limits
            .map(|limit| Meter {
                window: Window::new(limit.seconds),
                held: 0,
            })
            .collect();
        let account = Account {
            meters,
            used_at: self.now,
        };
        self.accounts.insert(self.next, account);
        self.names[group].insert(key.into(), self.next);
        self.next
    }

    /// Forgets the accounts that nothing counts against any more. Memory follows the keys of one window, not of all time.
    fn sweep(&mut self) {
        let (before, now) = (self.now - self.longest, self.now);
        let limits = &self.limits;
        for (group, names) in self.names.iter_mut().enumerate() {
            names.retain(|_, id| {
                let units = limits.iter().filter(|limit| limit.group == group);
                let kept =
                    self.accounts.get_mut(id).is_some_and(|account| {
                        account.used_at >= before
                            && account.meters.iter_mut().zip(units).any(|(meter, limit)| {
                                meter.held > 0 || meter.used(limit.unit, now) > 0
                            })
                    });
                if !kept {
                    self.accounts.remove(id);
                }
                kept
            });
        }
        self.sweep_at = SWEEP.max(2 * self.accounts.len());
    }
}

impl Meter {
    fn used(&mut self, unit: Unit, now: f64) -> u64 {
        match unit {
            Unit::Calls => self.held,
            _ => self.window.used(now),
        }
    }
}
