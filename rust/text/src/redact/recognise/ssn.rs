//! Social security numbers of the United States.

use super::number::{Number, is_free_before, is_free_behind};
use crate::redact::kind::{Found, Kind};
use crate::redact::view::{View, Word, mentions};

const WORDS: [Word; 5] = [
    Word("ssn", true, false),
    Word("social security", true, true),
    Word("social_security", false, false),
    Word("social insurance", true, true),
    Word("taxpayer", true, false),
];

/// Numbers that were printed in advertisements, and belong to nobody.
const PRINTED: [u32; 2] = [78_051_120, 219_099_999];

/// `AAA-GG-SSSS`; with blanks or without anything between only where the text before says what it is.
pub(super) fn find(view: &View<'_>, number: &Number) -> Option<Found> {
    let is_shaped = number.sizes().starts_with(&[3, 2, 4]);
    let (separator, groups) = match (is_shaped, number.sizes().first()) {
        (true, _) => (number.separator(0), 3),
        (false, Some(9)) => (0, 1),
        _ => return None,
    };
    if is_shaped && number.separator(1) != separator {
        return None;
    }
    let is_followed = number.separator(groups - 1) == b'-';
    if is_followed || !is_valid(number.value(9)) || !is_free(view, number, groups) {
        return None;
    }
    let is_told = || mentions(view.context(number.start(), 40), &WORDS);
    (separator == b'-' || (matches!(separator, b' ' | 0) && is_told()))
        .then(|| Found::new(Kind::Ssn, number.start(), number.end(groups)))
}

/// `SSN#` is a label, where other numbers behind a `#` are orders and tickets.
fn is_free(view: &View<'_>, number: &Number, groups: usize) -> bool {
    let is_label =
        view.before(number.start()) == b'#' && mentions(view.context(number.start(), 40), &WORDS);
    (is_label || is_free_before(view, number.start())) && is_free_behind(view, number.end(groups))
}

fn is_valid(number: u64) -> bool {
    let (area, group, serial) = (number / 1_000_000, number / 10_000 % 100, number % 10_000);
    !matches!(area, 0 | 666 | 900..)
        && group != 0
        && serial != 0
        && !PRINTED.iter().any(|&printed| u64::from(printed) == number)
}
