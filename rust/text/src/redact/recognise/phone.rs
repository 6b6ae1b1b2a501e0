//! Telephone numbers: international, of North America, with a trunk 0, and plain digits where the text says what they are.

use super::number::{Number, is_free_before, is_free_behind};
use crate::redact::kind::{Found, Kind};
use crate::redact::view::{View, Word, mentions};

const WORDS: [Word; 20] = [
    Word("phone", false, false),
    Word("tel", true, true),
    Word("mobile", true, false),
    Word("cell", true, true),
    Word("fax", true, true),
    Word("whatsapp", true, false),
    Word("call", true, true),
    Word("sms", true, true),
    Word("dial", true, true),
    Word("telefon", true, false),
    Word("handy", true, true),
    Word("téléphone", false, false),
    Word("portable", true, true),
    Word("teléfono", false, false),
    Word("móvil", false, false),
    Word("celular", true, false),
    Word("телефон", false, false),
    Word("电话", false, false),
    Word("電話", false, false),
    Word("手机", false, false),
];

/// A number whose `+` is at `at`.
pub(super) fn international(view: &View<'_>, at: usize) -> Option<Found> {
    let bracket = usize::from(view.at(at + 1) == b'(');
    let first = at + 1 + bracket;
    if view.at(at) != b'+' || !matches!(view.at(first), b'1'..=b'9') || !view.begins_word(at) {
        return None;
    }
    let number = Number::read(view, first);
    if matches!(view.slice(first, first + 2), b"28" | b"83" | b"89") {
        return None;
    }
    let groups = (1..=number.sizes().len()).rev().find(|&groups| {
        let count = number.count(groups);
        let is_long = match number.digits().first() {
            Some(1) => count == 11,
            _ => (8..=15).contains(&count),
        };
        is_long && is_free_behind(view, number.end(groups))
    })?;
    Some(with_extension(view, at, number.end(groups)))
}

/// A number that begins with the digit `number` begins with.
pub(super) fn national(view: &View<'_>, number: &Number) -> Option<Found> {
    let has_bracket = view.before(number.start()) == b'(';
    let start = number.start() - usize::from(has_bracket);
    if !is_free_before(view, start) {
        return None;
    }
    let groups = american(number, has_bracket)
        .or_else(|| trunk(number, has_bracket))
        .filter(|&groups| is_free_behind(view, number.end(groups)))
        .or_else(|| told(view, number))?;
    is_free_behind(view, number.end(groups))
        .then(|| with_extension(view, start, number.end(groups)))
}

/// `(415) 555-2671`, `415-555-2671`, `1.415.555.2671`.
fn american(number: &Number, has_bracket: bool) -> Option<usize> {
    let (country, groups) = match number.sizes() {
        [1, 3, 3, 4, ..] if number.digits()[0] == 1 => (1, 4),
        [3, 3, 4, ..] => (0, 3),
        [3, 7, ..] if has_bracket => (0, 2),
        _ => return None,
    };
    let digits = number.digits();
    let (area, exchange) = (digits[country], digits[country + 3]);
    let separator = number.separator(groups - 2);
    let is_written = has_bracket || country == 1 || matches!(separator, b'-' | b'.');
    let goes_on = matches!(number.separator(groups - 1), b'-' | b'.' | b'/');
    (area >= 2 && exchange >= 2 && is_written && !goes_on && separator != b'/').then_some(groups)
}

/// `020 7946 0958`, `06 12 34 56 78`, `0171-1234567`, `(011) 4321-5678`, and `0044 20 7946 0958`.
fn trunk(number: &Number, has_bracket: bool) -> Option<usize> {
    let (sizes, digits) = (number.sizes(), number.digits());
    if has_bracket {
        let is_area = (2..=5).contains(&sizes[0]) && number.separator(0) == b')';
        let groups = sizes.len();
        return (is_area && groups > 1 && (9..=12).contains(&number.count(groups)))
            .then_some(groups);
    }
    if digits[0] != 0 || sizes.len() < 2 {
        return None;
    }
    if sizes.starts_with(&[2, 2, 2, 2, 2]) && digits[1] != 0 {
        return (number.one_separator(5)? != b'/').then_some(5);
    }
    let groups = sizes.len();
    let most = if digits[1] == 0 { 17 } else { 12 };
    // With other signs than blanks it is a number of goods.
    let is_abroad = digits[1] == 0;
    if is_abroad && number.separator(0) != b' ' || groups == 3 && !is_abroad && sizes[1] < 3 {
        return None;
    }
    let is_long = (9..=most).contains(&number.count(groups));
    let first = if sizes.len() == 2 && number.separator(0) != b' ' {
        3..=5
    } else {
        3..=6
    };
    (is_long && first.contains(&sizes[0]) && sizes[1..].iter().all(|&size| size >= 2))
        .then_some(groups)
}

/// Any 7 to 15 digits behind a word like `phone`.
fn told(view: &View<'_>, number: &Number) -> Option<usize> {
    let groups = (1..=number.sizes().len().min(5)).rev().find(|&groups| {
        let ends_together =
            number.separator(groups - 1) == 0 || number.separator(groups - 1) == b' ';
        (7..=15).contains(&number.count(groups)) && ends_together
    })?;
    let sizes = &number.sizes()[..groups];
    let is_date = matches!(sizes, [4, 2, 2] | [2, 2, 4] | [2 | 1, 1 | 2, 4]);
    let is_decimal = groups > 1 && number.one_separator(groups) == Some(b'.') && groups != 3;
    let context = view.context(number.start(), 32);
    let since = context
        .iter()
        .rposition(|byte| byte.is_ascii_digit() || *byte == b'\n');
    let context = &context[since.map_or(0, |at| at + 1)..];
    (!is_date && !is_decimal && mentions(context, &WORDS)).then_some(groups)
}

/// The number from `start` to `end`, and `ext. 12` or `x12` behind it.
fn with_extension(view: &View<'_>, start: usize, end: usize) -> Found {
    let at = view.run(end, 2, |byte| matches!(byte, b' ' | b','));
    let word = [&b"extension"[..], b"ext.", b"ext", b"x"]
        .into_iter()
        .find(|word| view.says_any_case(at, word));
    let digits = word.map(|word| view.run(at + word.len(), 1, |byte| byte == b' '));
    let behind = digits.map(|digits| (digits, view.run(digits, 6, |byte| byte.is_ascii_digit())));
    match behind {
        Some((digits, behind)) if behind > digits && view.ends_word(behind) => {
            Found::new(Kind::Phone, start, behind)
        }
        _ => Found::new(Kind::Phone, start, end),
    }
}
