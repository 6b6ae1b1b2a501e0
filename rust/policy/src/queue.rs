//! Who waits, in the order in which they are served: bounded, by priority, and nobody for ever.
//!
//! Each step of priority is worth so many seconds of waiting. As all age alike, the order of two never changes, so it is
//! decided once, by `entered + priority * ageing`, and nothing is ever sorted again. Whoever waits is overtaken only by
//! those who come within `priority * ageing` seconds after him: that bounds the wait of the least important.
//!
//! A queue that is full refuses whoever would be its last, and puts out its last for whoever would not.

use std::collections::{BTreeMap, HashMap};

use crate::error::{Error, at_least};

/// A place in the queue: what decides, as bits that sort like the number, and a number that rises with each entry.
type Rank = (u64, u64);

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// It waits, under this ticket.
    Waits(u64),
    /// It waits, and this other ticket was put out for it.
    Displaced {
        /// Who waits now.
        ticket: u64,
        /// Who does not any more.
        displaced: u64,
    },
    /// The queue is full of more important ones.
    Refused,
}

/// A bounded queue with priorities that age.
#[derive(Debug)]
pub struct Queue {
    capacity: usize,
    ageing: f64,
    waiting: BTreeMap<Rank, u64>,
    ranks: HashMap<u64, Rank>,
    next: u64,
}

impl Queue {
    /// An empty queue for `capacity` entries; a step of priority is worth `ageing` seconds.
    ///
    /// # Errors
    ///
    /// `ageing` is negative or not finite.
    pub fn new(capacity: usize, ageing: f64) -> Result<Self, Error> {
        Ok(Self {
            capacity,
            ageing: at_least("ageing", ageing, 0.0)?,
            waiting: BTreeMap::new(),
            ranks: HashMap::new(),
            next: 0,
        })
    }

    /// Enters; priority 0 is the most important.
    pub fn push(&mut self, priority: u32, now: f64) -> Entry {
        let moment = now + f64::from(priority) * self.ageing;
        self.next += 1;
        let ticket = self.next;
        let rank = (sortable(moment), ticket);
        let mut displaced = None;
        if self.waiting.len() >= self.capacity {
            match self.waiting.last_key_value() {
                Some((last, out)) if rank < *last => displaced = Some(*out),
                _ => return Entry::Refused,
            }
        }
        if let Some(displaced) = displaced {
            self.remove(displaced);
        }
        self.waiting.insert(rank, ticket);
        self.ranks.insert(ticket, rank);
        displaced.map_or(Entry::Waits(ticket), |displaced| Entry::Displaced {
            ticket,
            displaced,
        })
    }

    /// Who is served next.
    pub fn first(&self) -> Option<u64> {
        self.waiting.first_key_value().map(|(_, ticket)| *ticket)
    }

    /// Who is served after `ticket`.
    pub fn after(&self, ticket: u64) -> Option<u64> {
        let rank = *self.ranks.get(&ticket)?;
        let mut later = self
            .waiting
            .range((std::ops::Bound::Excluded(rank), std::ops::Bound::Unbounded));
        later.next().map(|(_, ticket)| *ticket)
    }

    /// Whether `one` is served before `other`; false if one of them does not wait.
    pub fn is_before(&self, one: u64, other: u64) -> bool {
        matches!((self.ranks.get(&one), self.ranks.get(&other)), (Some(one), Some(other)) if one < other)
    }

    /// Leaves, served or not; whether it waited.
    pub fn remove(&mut self, ticket: u64) -> bool {
        let rank = self.ranks.remove(&ticket);
        rank.is_some_and(|rank| self.waiting.remove(&rank).is_some())
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// Bits that sort as the number does, also where it is negative.
fn sortable(moment: f64) -> u64 {
    let bits = moment.to_bits();
    if bits >> 63 == 0 {
        bits | 1 << 63
    } else {
        !bits
    }
}
