//! The walk: from the scouts along links to ever nearer vertices.

use std::cell::RefCell;

use super::vertices::{Target, View};

/// Set in [`Candidate::place`] where its links were followed.
const FOLLOWED: u32 = 1 << 31;

/// Places are below this.
pub(super) const MAX_PLACES: usize = FOLLOWED as usize;

/// A vertex that was looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) near: f32,
    place: u32,
}

impl Candidate {
    pub(super) fn new(near: f32, place: u32) -> Self {
        Self { near, place }
    }

    pub(super) fn place(self) -> u32 {
        self.place & !FOLLOWED
    }
}

/// What a walk writes to; kept from one to the next.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The walk that looked at a place last.
    seen: Vec<u8>,
    /// This walk.
    walk: u8,
    /// The best so far, best first.
    best: Vec<Candidate>,
    /// Of one vertex's links those that are new.
    fresh: Vec<u32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Calls `used` with this thread's scratch.
pub(super) fn with_scratch<R>(used: impl FnOnce(&mut Scratch) -> R) -> R {
    SCRATCH.with_borrow_mut(used)
}

impl Scratch {
    /// The `effort` vertices nearest to the target that a walk finds, the best first.
    pub(super) fn walk(
        &mut self,
        view: &View<'_>,
        target: Target<'_>,
        effort: usize,
    ) -> &[Candidate] {
        self.begin(view.places());
        self.fresh.extend_from_slice(view.scouts);
        for scout in view.scouts {
            self.seen[*scout as usize] = self.walk;
            view.prefetch_rough(*scout);
        }
        self.look_at_fresh(view, target, effort);
        let mut next = 0;
        while let Some(candidate) = self.best.get_mut(next) {
            if candidate.place & FOLLOWED != 0 {
                next += 1;
                continue;
            }
            let place = candidate.place;
            candidate.place |= FOLLOWED;
            self.fresh.clear();
            for link in view.links(place) {
                let seen = &mut self.seen[*link as usize];
                if *seen != self.walk {
                    *seen = self.walk;
                    self.fresh.push(*link);
                    view.prefetch_rough(*link);
                }
            }
            // The likeliest one to be followed next.
            if let Some(candidate) = self.best.get(next + 1) {
                view.prefetch_links(candidate.place());
            }
            next = next.min(self.look_at_fresh(view, target, effort));
        }
        self.look_again(view, target);
        &self.best
    }

    /// Puts what was found in the order of its finer codes.
    fn look_again(&mut self, view: &View<'_>, target: Target<'_>) {
        for candidate in &self.best {
            view.prefetch_codes(candidate.place());
        }
        for candidate in &mut self.best {
            candidate.near = view.near(target, candidate.place());
        }
        self.best.sort_unstable_by(|left, right| {
            right
                .near
                .total_cmp(&left.near)
                .then(left.place().cmp(&right.place()))
        });
    }

    fn begin(&mut self, places: usize) {
        self.best.clear();
        self.fresh.clear();
        if self.seen.len() < places {
            self.seen.resize(places, 0);
        }
        self.walk = self.walk.wrapping_add(1);
        if self.walk == 0 {
            self.seen.fill(0);
            self.walk = 1;
        }
    }

    /// Compares the fresh ones with the target; the first position at which one came in.
    #[inline]
    fn look_at_fresh(&mut self, view: &View<'_>, target: Target<'_>, effort: usize) -> usize {
        let mut first = usize::MAX;
        for place in &self.fresh {
            let near = view.roughly_near(target, *place);
            if self.best.len() == effort {
                if self.best.last().is_some_and(|worst| near <= worst.near) {
                    continue;
                }
                self.best.pop();
            }
            let position = self.best.partition_point(|other| other.near >= near);
            self.best.insert(position, Candidate::new(near, *place));
            first = first.min(position);
        }
        first
    }
}
