//! How much was charged in the last so many seconds, in constant memory and constant time.
//!
//! The window is cut into slots. A charge is remembered by its slot only, and a slot counts until its *last* moment has left
//! the window. So the sum is never too low: whoever admits a charge only while `used + charge <= limit` never exceeds the
//! limit in **any** window of that length, wherever it begins. The error is on the other side: a charge counts up to one
//! slot too long. With 60 slots that is a second of a minute, and a limit is used to 60/61 at least.
//!
//! Rejected: a token bucket (admits up to twice the limit in a window that begins with a full bucket), counters per calendar
//! minute (the same at the turn of a minute), a list of all charges (exact, but memory grows with the rate; it is the
//! reference in the tests).

use std::collections::VecDeque;

/// Slots of a window: the error is one in so many.
pub const SLOTS: i64 = 60;

/// The charges of the last `seconds` seconds.
#[derive(Debug, Clone)]
pub struct Window {
    /// Seconds of a slot; infinite where nothing ever leaves.
    slot: f64,
    /// Slots with charges: their numbers, rising, and what is in them.
    charges: VecDeque<(i64, u64)>,
    total: u64,
    last: i64,
}

impl Window {
    /// A window of `seconds`, which may be infinite: then it is a sum.
    pub fn new(seconds: f64) -> Self {
        Self {
            slot: seconds / SLOTS as f64,
            charges: VecDeque::new(),
            total: 0,
            last: i64::MIN,
        }
    }

    /// The number of the slot that a moment is in.
    pub fn slot_of(&self, moment: f64) -> i64 {
        if self.slot.is_finite() {
            (moment / self.slot).floor() as i64
        } else {
            0
        }
    }

    /// What is charged in the window that ends now.
    ///
    /// A moment before the last one that was seen counts as that one: time does not go back.
    pub fn used(&mut self, now: f64) -> u64 {
        self.last = self.last.max(self.slot_of(now));
        let oldest = self.last.saturating_sub(SLOTS);
        while let Some((slot, charge)) = self.charges.front().copied()
            && slot < oldest
        {
            self.total -= charge;
            self.charges.pop_front();
        }
        self.total
    }

    /// Charges `amount` now.
    pub fn charge(&mut self, amount: u64, now: f64) {
        self.correct(now, 0, amount, now);
    }

    /// Makes `before`, charged at the moment `at`, into `after`. What has left the window stays gone.
    pub fn correct(&mut self, at: f64, before: u64, after: u64, now: f64) {
        self.used(now);
        let slot = self.slot_of(at).min(self.last);
        if before == after || slot < self.last.saturating_sub(SLOTS) {
            return;
        }
        // Nearly always the last one: a charge, or the end of a short call.
        let place = match self.charges.back() {
            Some((last, _)) if *last == slot => self.charges.len() - 1,
            Some((last, _)) if *last < slot => self.charges.len(),
            _ => self.charges.partition_point(|(number, _)| *number < slot),
        };
        if self.charges.get(place).is_none_or(|held| held.0 != slot) {
            self.charges.insert(place, (slot, 0));
        }
        let charge = &mut self.charges[place].1;
        let corrected = charge.saturating_sub(before).saturating_add(after);
        self.total = (self.total - *charge).saturating_add(corrected);
        *charge = corrected;
        if corrected == 0 {
            self.charges.remove(place);
        }
    }

    /// Seconds until at least `amount` of what is charged now will have left; infinite if so much never does.
    pub fn frees_in(&mut self, amount: u64, now: f64) -> f64 {
        let mut left = amount;
        if left == 0 {
            return 0.0;
        }
        self.used(now);
        for (slot, charge) in &self.charges {
            left = left.saturating_sub(*charge);
            if left == 0 {
                let leaves = (slot + SLOTS + 1) as f64 * self.slot;
                return (leaves - now).max(0.0);
            }
        }
        f64::INFINITY
    }
}
