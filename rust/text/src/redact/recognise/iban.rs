//! International bank account numbers: the length of their country, and ISO 7064 mod 97.

use crate::redact::kind::{Found, Kind};
use crate::redact::view::View;

/// Countries of the registry and how long their numbers are.
const LENGTHS: &[(&[u8; 2], usize)] = &[
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MN", 20),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NI", 28),
    (b"NL", 18),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"SO", 23),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
    (b"YE", 30),
];

/// A number whose first check digit is at `at`: in one piece, or in groups of four.
pub(super) fn find(view: &View<'_>, at: usize) -> Option<Found> {
    let start = at.checked_sub(2)?;
    let country = [view.at(start), view.at(start + 1)].map(|byte| byte.to_ascii_uppercase());
    if !view.begins_word(start) || !view.at(at + 1).is_ascii_digit() {
        return None;
    }
    let &(_, length) = LENGTHS.iter().find(|(name, _)| **name == country)?;
    let separator = match view.at(start + 4) {
        byte @ (b' ' | b'-') => Some(byte),
        _ => None,
    };
    let mut characters = [0_u8; 34];
    let mut end = start;
    for (place, character) in characters.iter_mut().take(length).enumerate() {
        if place > 0 && place % 4 == 0 && separator == Some(view.at(end)) {
            end += 1;
        }
        *character = view.at(end).to_ascii_uppercase();
        if !character.is_ascii_alphanumeric() {
            return None;
        }
        end += 1;
    }
    (view.ends_word(end) && remainder(&characters[..length]) == 1)
        .then(|| Found::new(Kind::Iban, start, end))
}

/// The number with its first four characters behind the others and letters as 10 to 35, modulo 97.
fn remainder(characters: &[u8]) -> u32 {
    let (first, rest) = characters.split_at(4);
    rest.iter()
        .chain(first)
        .fold(0, |remainder, &byte| match byte {
            b'0'..=b'9' => (remainder * 10 + u32::from(byte - b'0')) % 97,
            _ => (remainder * 100 + u32::from(byte - b'A') + 10) % 97,
        })
}
