//! Digits in groups, as telephone numbers, cards and the like are written.

use crate::redact::view::View;

const MAX_GROUPS: usize = 8;
const MAX_DIGITS: usize = 24;

/// Groups of digits with something short between them.
#[derive(Debug)]
pub(super) struct Number {
    digits: [u8; MAX_DIGITS],
    num_digits: usize,
    /// Where each group begins and ends.
    places: [(usize, usize); MAX_GROUPS],
    sizes: [usize; MAX_GROUPS],
    /// What stands behind each group and before a further digit: one of ` -./`, `(` or `)` for what has brackets, or 0.
    separators: [u8; MAX_GROUPS],
    num_groups: usize,
}

impl Number {
    /// The groups from the digit at `start` on.
    pub(super) fn read(view: &View<'_>, start: usize) -> Self {
        let mut number = Self {
            digits: [0; MAX_DIGITS],
            num_digits: 0,
            places: [(start, start); MAX_GROUPS],
            sizes: [0; MAX_GROUPS],
            separators: [0; MAX_GROUPS],
            num_groups: 0,
        };
        let mut at = start;
        while number.num_groups < MAX_GROUPS {
            // One digit more than there may be: no group of a longer number passes for a shorter one.
            let end = view.run(at, MAX_DIGITS - number.num_digits, |byte| {
                byte.is_ascii_digit()
            });
            for place in at..end {
                number.digits[number.num_digits] = view.at(place) - b'0';
                number.num_digits += 1;
            }
            number.places[number.num_groups] = (at, end);
            number.sizes[number.num_groups] = end - at;
            number.num_groups += 1;
            let (separator, next) = separator(view, end);
            number.separators[number.num_groups - 1] = separator;
            if separator == 0 || number.num_digits == MAX_DIGITS {
                break;
            }
            at = next;
        }
        number
    }

    pub(super) fn start(&self) -> usize {
        self.places[0].0
    }

    /// Where the first `groups` groups end.
    pub(super) fn end(&self, groups: usize) -> usize {
        self.places[groups.saturating_sub(1)].1
    }

    /// Digits in each group.
    pub(super) fn sizes(&self) -> &[usize] {
        &self.sizes[..self.num_groups]
    }

    pub(super) fn digits(&self) -> &[u8] {
        &self.digits[..self.num_digits]
    }

    /// Digits in the first `groups` groups.
    pub(super) fn count(&self, groups: usize) -> usize {
        self.sizes[..groups].iter().sum()
    }

    /// What stands behind a group, counted from 0.
    pub(super) fn separator(&self, group: usize) -> u8 {
        self.separators.get(group).copied().unwrap_or(0)
    }

    /// The first `digits` digits as a number.
    pub(super) fn value(&self, digits: usize) -> u64 {
        let digits = self.digits().iter().take(digits);
        digits.fold(0, |value, &digit| value * 10 + u64::from(digit))
    }

    /// The separator between the first `groups` groups, if it is always the same; 0 for one group.
    pub(super) fn one_separator(&self, groups: usize) -> Option<u8> {
        let between = &self.separators[..groups - 1];
        let first = between.first().copied().unwrap_or(0);
        between.iter().all(|&one| one == first).then_some(first)
    }
}

/// Whether nothing that belongs to a number stands before `start`.
pub(super) fn is_free_before(view: &View<'_>, start: usize) -> bool {
    let before = view.before(start);
    let is_part = match before {
        // `Tel:030` is a label and a number, `10:30` is a time.
        b':' | b',' => view.before(start - 1).is_ascii_digit(),
        b'-' | b'.' | b'/' | b'+' => view.before(start - 1).is_ascii_alphanumeric(),
        b'#' | b'$' | b'@' | b'%' => true,
        _ => false,
    };
    view.begins_word(start) && !is_part
}

/// Whether nothing that belongs to a number stands at `end`.
pub(super) fn is_free_behind(view: &View<'_>, end: usize) -> bool {
    let goes_on = match view.at(end) {
        b',' => view.at(end + 1).is_ascii_digit(),
        b'.' | b'-' | b':' => view.at(end + 1).is_ascii_alphanumeric(),
        b'@' => true,
        _ => false,
    };
    view.ends_word(end) && !goes_on
}

/// What stands between a group that ends at `end` and the next digit, and where that is.
fn separator(view: &View<'_>, end: usize) -> (u8, usize) {
    let (mut at, mut found) = (end, 0);
    while at < end + 4 {
        let (byte, length) = match view.at(at) {
            // A blank that does not break.
            0xc2 if view.at(at + 1) == 0xa0 => (b' ', 2),
            byte => (byte, 1),
        };
        match byte {
            b'0'..=b'9' if at > end => return (found, at),
            b'(' | b')' if !matches!(found, b'-' | b'.' | b'/') => found = byte,
            b'-' | b'.' | b'/' if matches!(found, 0 | b' ' | b')') => found = byte,
            b' ' => found = if found == 0 { b' ' } else { found },
            _ => break,
        }
        at += length;
    }
    (0, end)
}
