//! Which of several endpoints is asked.

use crate::health::Health;

/// How an endpoint is picked among those that may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The one with the fewest calls in flight; of several, the quicker one.
    LeastBusy,
    /// Of two drawn at random the one with the lower load ("power of two choices": it does not herd).
    PeakEwma,
    /// At random, by weight.
    Weighted,
}

impl Choice {
    /// Every strategy, with the name Python sees.
    pub const ALL: [(&'static str, Self); 3] = [
        ("least_busy", Self::LeastBusy),
        ("peak_ewma", Self::PeakEwma),
        ("weighted", Self::Weighted),
    ];

    /// The strategy of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|(known, _)| *known == name)
            .map(|(_, strategy)| strategy)
    }
}

/// What a pick has to know of one endpoint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Its place in the caller's list.
    pub place: usize,
    /// Its weight, a finite number of at least 0.
    pub weight: f64,
    /// Whether nothing speaks against asking it.
    pub available: bool,
    /// Whether it may be asked at all.
    pub ready: bool,
    /// Calls in flight.
    pub in_flight: u32,
    /// What a new call would cost it, in seconds.
    pub load: f64,
}

impl Candidate {
    /// The candidate that an endpoint is now.
    pub fn of(health: &Health, place: usize, weight: f64, now: f64) -> Self {
        Self {
            place,
            weight,
            available: health.available(now),
            ready: health.ready_at(now) <= now,
            in_flight: health.in_flight(),
            load: health.load(now),
        }
    }
}

/// The place of the endpoint to ask, or `None` where all are to be left alone. `draw` is a number from 0 up to 1.
///
/// Endpoints that are available come first; where there is none, those that are merely slow, or that are being probed.
pub fn pick(candidates: &[Candidate], strategy: Choice, draw: f64) -> Option<usize> {
    let mut open: Vec<Candidate> = filtered(candidates, |candidate| candidate.available);
    if open.is_empty() {
        open = filtered(candidates, |candidate| candidate.ready);
    }
    match strategy {
        Choice::LeastBusy => open
            .into_iter()
            .min_by(|a, b| (a.in_flight.cmp(&b.in_flight)).then_with(|| a.load.total_cmp(&b.load))),
        Choice::PeakEwma => two_choices(&open, draw),
        Choice::Weighted => by_weight(&open, draw),
    }
    .map(|candidate| candidate.place)
}

fn filtered(candidates: &[Candidate], keep: impl Fn(&Candidate) -> bool) -> Vec<Candidate> {
    candidates
        .iter()
        .copied()
        .filter(|candidate| candidate.weight > 0.0 && keep(candidate))
        .collect()
}

fn two_choices(open: &[Candidate], draw: f64) -> Option<Candidate> {
    let count = open.len();
    if count < 2 {
        return open.first().copied();
    }
    // One draw gives both: its place among all ordered pairs of different endpoints.
    let pair = ((draw * (count * (count - 1)) as f64) as usize).min(count * (count - 1) - 1);
    let (first, other) = (pair / (count - 1), pair % (count - 1));
    let second = if other < first { other } else { other + 1 };
    let (first, second) = (open.get(first)?, open.get(second)?);
    Some(if second.load < first.load {
        *second
    } else {
        *first
    })
}

fn by_weight(open: &[Candidate], draw: f64) -> Option<Candidate> {
    let total: f64 = open.iter().map(|candidate| candidate.weight).sum();
    let mut left = draw * total;
    for candidate in open {
        left -= candidate.weight;
        if left < 0.0 {
            return Some(*candidate);
        }
    }
    open.last().copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidate(place: usize, weight: f64, load: f64) -> Candidate {
        Candidate {
            place,
            weight,
            available: true,
            ready: true,
            in_flight: 0,
            load,
        }
    }

    #[test]
    fn every_pair_is_drawn_and_the_lighter_of_it_taken() {
        let all: Vec<Candidate> = (0..4)
            .map(|place| candidate(place, 1.0, place as f64))
            .collect();
        let mut taken = [0; 4];
        for draw in 0..1200 {
            let place = pick(&all, Choice::PeakEwma, f64::from(draw) / 1200.0).unwrap();
            taken[place] += 1;
        }
        // Of the 12 ordered pairs, 6 hold the lightest, 4 more the second, 2 more the third.
        assert_eq!(taken, [600, 400, 200, 0]);
    }

    #[test]
    fn weights_are_kept() {
        let all = [
            candidate(0, 3.0, 0.0),
            candidate(1, 0.0, 0.0),
            candidate(2, 1.0, 0.0),
        ];
        let mut taken = [0; 3];
        for draw in 0..400 {
            taken[pick(&all, Choice::Weighted, f64::from(draw) / 400.0).unwrap()] += 1;
        }
        assert_eq!(taken, [300, 0, 100]);
    }

    proptest! {
        #[test]
        fn what_is_picked_may_be_asked_and_something_is_if_anything_may(
            shown in prop::collection::vec((any::<bool>(), any::<bool>(), 0..5u32, 0.0..9.0f64), 0..8),
            draw in 0.0..1.0f64, strategy in 0..3usize,
        ) {
            let all: Vec<Candidate> = shown.iter().enumerate().map(|(place, &(available, ready, in_flight, load))|
                Candidate { place, weight: 1.0, available, ready: ready || available, in_flight, load }).collect();
            let found = pick(&all, Choice::ALL[strategy].1, draw);
            prop_assert_eq!(found.is_some(), all.iter().any(|candidate| candidate.ready));
            if let Some(place) = found {
                prop_assert!(all[place].ready);
                prop_assert!(all[place].available || !all.iter().any(|candidate| candidate.available));
            }
        }
    }
}
