//! The recognisers, one file per family, and which of them a byte calls.

mod assignment;
mod card;
mod email;
mod iban;
mod ip;
mod keys;
mod number;
mod phone;
mod ssn;
mod tokens;

use super::kind::{Found, Kind, Kinds};
use super::view::View;

/// Whether a byte calls any recogniser.
pub(super) const TRIGGERS: [bool; 256] = {
    let mut triggers = [false; 256];
    let bytes = b"0123456789@%+-_:=IJBb";
    let mut at = 0;
    while at < bytes.len() {
        triggers[bytes[at] as usize] = true;
        at += 1;
    }
    triggers
};

/// What the byte at `at` shows. Bytes that are no trigger show nothing.
pub(super) fn recognise(view: &View<'_>, at: usize, kinds: Kinds) -> Option<Found> {
    let found = match view.at(at) {
        b'0'..=b'9' => digits(view, at, kinds),
        b'@' | b'%' => email::at_sign(view, at, kinds),
        b'+' => phone::international(view, at),
        b'-' => keys::find(view, at).or_else(|| tokens::private_key(view, at)),
        b'_' | b'I' => keys::find(view, at),
        b'J' => tokens::jwt(view, at),
        b'B' | b'b' => tokens::bearer(view, at),
        b':' => ip::version_6(view, at)
            .filter(|found| kinds.has(found.kind))
            .or_else(|| assignment::find(view, at, kinds)),
        b'=' => assignment::find(view, at, kinds),
        _ => None,
    };
    found.filter(|found| kinds.has(found.kind))
}

/// What begins with the digit at `at`, unless that is inside of a number or a word.
fn digits(view: &View<'_>, at: usize, kinds: Kinds) -> Option<Found> {
    let before = view.before(at);
    if before.is_ascii_digit() {
        return None;
    }
    if !view.begins_word(at) {
        let may = kinds.has(Kind::Iban) && before.is_ascii_alphabetic();
        return may.then(|| iban::find(view, at)).flatten();
    }
    if kinds.has(Kind::Ip)
        && let Some(found) = ip::version_4(view, at)
    {
        return Some(found);
    }
    let number = number::Number::read(view, at);
    if number.digits().len() < 7 {
        return None;
    }
    let takes = |found: &Found| kinds.has(found.kind);
    ssn::find(view, &number)
        .filter(takes)
        .or_else(|| card::find(view, &number).filter(takes))
        .or_else(|| phone::national(view, &number).filter(takes))
}
