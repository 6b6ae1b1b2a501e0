//! Addresses of electronic mail, and passwords in URLs, which have an `@` as well.

use super::keys;
use crate::redact::kind::{Found, Kind, Kinds};
use crate::redact::view::View;

/// RFC 5321 allows 64, but addresses of bounces are longer.
const MAX_LOCAL: usize = 128;
const MAX_DOMAIN: usize = 253;
const MAX_USER: usize = 256;

/// Names of files that look like addresses: `logo@2x.png`.
const FILES: [&[u8]; 8] = [
    b"png", b"jpg", b"jpeg", b"gif", b"svg", b"webp", b"pdf", b"css",
];

/// What an `@`, or a `%40`, at `at` belongs to.
pub(super) fn at_sign(view: &View<'_>, at: usize, kinds: Kinds) -> Option<Found> {
    let behind = match view.at(at) {
        b'@' => at + 1,
        b'%' if view.says(at, b"%40") => at + 3,
        _ => return None,
    };
    if kinds.has(Kind::Password)
        && behind == at + 1
        && let Some(found) = password_of_url(view, at)
    {
        return Some(found);
    }
    if !kinds.has(Kind::Email) {
        return None;
    }
    let start = local_part(view, at)?;
    if kinds.has(Kind::Key)
        && let Some(found) = keys::begins(view, start)
    {
        return Some(found);
    }
    let end = domain(view, behind)?;
    let is_repository = view.slice(start, at) == b"git" && view.at(end) == b':';
    (!is_repository && view.at(end) != b'(').then(|| Found::new(Kind::Email, start, end))
}

/// Where the part before the sign begins.
fn local_part(view: &View<'_>, at: usize) -> Option<usize> {
    let context = view.context(at, MAX_LOCAL);
    let length = context
        .iter()
        .rev()
        .take_while(|&&byte| is_local(byte))
        .count();
    let mut start = at - length;
    // The rest of a letter whose first byte is none of ours.
    while start < at
        && (view.at(start) & 0xc0 == 0x80
            || matches!(view.at(start), b'.' | b'\'' | b'%' | b'-' | b'+'))
    {
        start += 1;
    }
    // `\n` and its kin before the address, written out.
    if start + 1 < at && view.before(start) == b'\\' && matches!(view.at(start), b'n' | b'r' | b't')
    {
        start += 1;
    }
    (start < at && view.before(at) != b'.').then_some(start)
}

fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-' | b'\'')
        || is_letter_byte(byte)
}

/// A byte of a letter of two bytes (Latin with accents, Greek, Cyrillic), or of the rest of any character.
fn is_letter_byte(byte: u8) -> bool {
    matches!(byte, 0x80..=0xbf | 0xc3..=0xd4)
}

/// Where the domain that begins at `start` ends.
fn domain(view: &View<'_>, start: usize) -> Option<usize> {
    let limit = start + MAX_DOMAIN;
    let (mut at, mut labels, mut end) = (start, 0, None);
    while at < limit {
        let stop = label(view, at, limit);
        if stop == at || view.at(at) == b'-' {
            break;
        }
        labels += 1;
        let letters = view.run(at, stop - at, |byte| {
            byte.is_ascii_alphabetic() || byte >= 0x80
        });
        let is_punycode = view.says_any_case(at, b"xn--");
        let top = if is_punycode { stop } else { letters };
        let is_top = top - at >= 2 && (top == stop || view.at(top) == b'-');
        if labels > 1 && is_top {
            end = Some((at, top));
        }
        if view.at(stop) != b'.' {
            break;
        }
        at = stop + 1;
    }
    let (top, end) = end?;
    let top = view.slice(top, end);
    (!FILES.iter().any(|file| top.eq_ignore_ascii_case(file))).then_some(end)
}

/// Where the label that begins at `at` ends.
fn label(view: &View<'_>, at: usize, limit: usize) -> usize {
    let mut end = at;
    while end < limit {
        let byte = view.at(end);
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            end += 1;
        } else if matches!(byte, 0xc3..=0xd4) && view.at(end + 1) & 0xc0 == 0x80 {
            end += 2;
        } else {
            break;
        }
    }
    end
}

/// The password of `scheme://user:password@host`.
fn password_of_url(view: &View<'_>, at: usize) -> Option<Found> {
    let context = view.context(at, MAX_USER);
    let length = context
        .iter()
        .rev()
        .take_while(|&&byte| is_user(byte))
        .count();
    let start = at - length;
    if !view.context(start, 3).ends_with(b"://") {
        return None;
    }
    let colon = start
        + view
            .slice(start, at)
            .iter()
            .position(|&byte| byte == b':')?;
    let password = view.slice(colon + 1, at);
    let is_name = matches!(password.first(), None | Some(b'$' | b'{' | b'*' | b'['));
    (!is_name && !view.at(at + 1).is_ascii_whitespace())
        .then(|| Found::new(Kind::Password, colon + 1, at))
}

fn is_user(byte: u8) -> bool {
    byte > b' ' && !matches!(byte, b'/' | b'"' | b'\'' | b'<' | b'>' | b'`' | b'@' | 0x7f)
}
