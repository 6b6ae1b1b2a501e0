//! Numbers of payment cards: the ranges and lengths of their issuers, and the check digit of Luhn.

use super::number::{Number, is_free_before, is_free_behind};
use crate::redact::kind::{Found, Kind};
use crate::redact::view::View;

/// First four digits from, to, and the lengths, a bit each.
const ISSUERS: [(u16, u16, u32); 26] = [
    (1000, 1999, lengths(&[15])),                     // UATP
    (2200, 2204, lengths(&[16, 17, 18, 19])),         // Mir
    (2221, 2720, lengths(&[16])),                     // Mastercard
    (3000, 3059, lengths(&[14, 16, 17, 18, 19])),     // Diners Club
    (3095, 3095, lengths(&[14, 16, 17, 18, 19])),     // Diners Club
    (3400, 3499, lengths(&[15])),                     // American Express
    (3528, 3589, lengths(&[16, 17, 18, 19])),         // JCB
    (3600, 3699, lengths(&[14, 15, 16, 17, 18, 19])), // Diners Club
    (3700, 3799, lengths(&[15])),                     // American Express
    (3800, 3999, lengths(&[14, 16, 17, 18, 19])),     // Diners Club
    (4000, 4999, lengths(&[13, 16, 19])),             // Visa
    (5018, 5018, MAESTRO),
    (5020, 5020, MAESTRO),
    (5038, 5038, MAESTRO),
    (5080, 5089, lengths(&[16])), // RuPay
    (5100, 5599, lengths(&[16])), // Mastercard
    (5612, 5612, MAESTRO),
    (5893, 5893, MAESTRO),
    (6000, 6199, lengths(&[16, 17, 18, 19])), // Discover, RuPay
    (6200, 6299, lengths(&[16, 17, 18, 19])), // UnionPay
    (6304, 6304, MAESTRO),
    (6390, 6390, MAESTRO),
    (6440, 6599, lengths(&[16, 17, 18, 19])), // Discover
    (6700, 6799, MAESTRO),
    (8100, 8299, lengths(&[16, 17, 18, 19])), // UnionPay, RuPay
    (9792, 9792, lengths(&[16])),             // Troy
];

const MAESTRO: u32 = lengths(&[13, 14, 15, 16, 17, 18, 19]);

const fn lengths(lengths: &[u32]) -> u32 {
    let (mut set, mut at) = (0, 0);
    while at < lengths.len() {
        set |= 1 << lengths[at];
        at += 1;
    }
    set
}

/// How numbers of cards are written in groups; what follows the last may be shorter.
const SHAPES: [&[usize]; 8] = [
    &[4, 4, 4, 4],
    &[4, 6, 5],
    &[4, 6, 4],
    &[4, 4, 4, 4, 3],
    &[4, 4, 4, 1],
    &[6, 13],
    &[8, 8],
    &[4, 4, 4, 4, 1],
];

/// A number of 13 to 19 digits, in one group or in those of a card.
pub(super) fn find(view: &View<'_>, number: &Number) -> Option<Found> {
    let groups = SHAPES
        .iter()
        .filter(|shape| number.sizes().starts_with(shape))
        .map(|shape| shape.len())
        .chain((13..=19).contains(number.sizes().first()?).then_some(1));
    // The longest first: 16 digits may be the beginning of 19.
    let mut groups: Vec<usize> = groups.collect();
    groups.sort_unstable_by(|a, b| b.cmp(a));
    groups.into_iter().find_map(|groups| {
        let separator = number.one_separator(groups)?;
        let is_plain = matches!(separator, 0 | b' ' | b'-' | b'.');
        let end = number.end(groups);
        let is_free = is_free_before(view, number.start()) && is_free_behind(view, end);
        let is_card = is_plain && is_free && is_card(number.digits().get(..number.count(groups))?);
        is_card.then(|| Found::new(Kind::Card, number.start(), end))
    })
}

/// Whether an issuer gives out such numbers and the check digit is right.
fn is_card(digits: &[u8]) -> bool {
    let first = digits.iter().take(4);
    let first = first.fold(0, |value, &digit| value * 10 + u16::from(digit));
    let is_issued = ISSUERS.iter().any(|&(from, to, lengths)| {
        (from..=to).contains(&first) && lengths >> digits.len() & 1 == 1
    });
    // A number of one digit alone is nobody's.
    is_issued && luhn(digits) && digits.iter().any(|digit| *digit != digits[0])
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, &digit)| match (place % 2, u32::from(digit) * 2) {
            (0, _) => u32::from(digit),
            (_, double @ 10..) => double - 9,
            (_, double) => double,
        })
        .sum();
    sum.is_multiple_of(10)
}
