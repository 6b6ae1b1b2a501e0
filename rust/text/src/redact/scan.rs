//! One pass over a text.

use super::kind::{Found, Kinds};
use super::recognise::{TRIGGERS, recognise};
use super::view::View;

/// Most bytes before a byte that a recogniser looks at.
pub(super) const BACK: usize = 320;

/// Calls the recognisers from `from` on; the first byte at which one of them has to see more than there is, or the end.
pub(super) fn scan(view: &View<'_>, from: usize, kinds: Kinds, found: &mut Vec<Found>) -> usize {
    let bytes = view.bytes();
    let mut at = from;
    while let Some(skipped) = bytes
        .get(at..)
        .and_then(|rest| rest.iter().position(|&byte| TRIGGERS[usize::from(byte)]))
    {
        at += skipped;
        let one = recognise(view, at, kinds);
        if view.was_starved() {
            return at;
        }
        at = one.map_or(at + 1, |one| one.end.max(at + 1));
        found.extend(one);
    }
    bytes.len().max(from)
}

/// In the order of the text, none over another: what begins first is kept whole (of those that begin together the longest),
/// what it overlaps keeps the part behind it.
pub(super) fn resolve(found: &mut Vec<Found>, mut taken: usize) {
    found.sort_unstable_by_key(|one| (one.start, std::cmp::Reverse(one.end), one.kind));
    found.retain_mut(|one| {
        one.start = one.start.max(taken);
        taken = taken.max(one.end);
        one.start < one.end
    });
}
