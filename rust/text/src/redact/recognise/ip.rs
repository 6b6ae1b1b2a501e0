//! Addresses of the internet protocol. Those of the machine itself (loopback, unspecified, broadcast) say nothing of anybody.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::redact::kind::{Found, Kind};
use crate::redact::view::{View, Word, mentions};

/// Four numbers behind one of these are a version.
const VERSIONS: [Word; 7] = [
    Word("version", true, false),
    Word("release", true, false),
    Word("build", true, true),
    Word("firmware", true, true),
    Word("driver", true, true),
    Word("section", true, true),
    Word("upgrade to", true, true),
];
const MAX_IPV6: usize = 45;

/// An address of version 4 that begins with the digit at `at`.
pub(super) fn version_4(view: &View<'_>, at: usize) -> Option<Found> {
    let (octets, end) = octets(view, at)?;
    let before = view.before(at);
    let is_part =
        matches!(before, b'.' | b'-' | b'+') && view.before(at - 1).is_ascii_alphanumeric();
    let goes_on = match view.at(end) {
        b'.' | b'-' | b'+' => view.at(end + 1).is_ascii_alphanumeric(),
        _ => !view.ends_word(end),
    };
    if !view.begins_word(at) || is_part || goes_on {
        return None;
    }
    let address = Ipv4Addr::from(octets);
    let is_own = address.is_loopback() || address.is_unspecified() || address.is_broadcast();
    (!is_own && !mentions(view.context(at, 16), &VERSIONS)).then(|| Found::new(Kind::Ip, at, end))
}

/// Four numbers up to 255 without zeros before them, and where they end.
fn octets(view: &View<'_>, start: usize) -> Option<([u8; 4], usize)> {
    let mut octets = [0; 4];
    let mut at = start;
    for (place, octet) in octets.iter_mut().enumerate() {
        if place > 0 {
            if view.at(at) != b'.' {
                return None;
            }
            at += 1;
        }
        let end = view.run(at, 4, |byte| byte.is_ascii_digit());
        if end - at > 1 && view.at(at) == b'0' {
            return None;
        }
        *octet = std::str::from_utf8(view.slice(at, end))
            .ok()?
            .parse()
            .ok()?;
        at = end;
    }
    Some((octets, at))
}

/// An address of version 6 whose first colon is at `at`.
pub(super) fn version_6(view: &View<'_>, at: usize) -> Option<Found> {
    let next = view.at(at + 1);
    let is_inside = |byte: u8| byte.is_ascii_hexdigit() || byte == b':';
    if view.at(at) != b':' || !is_inside(next) || !(is_inside(view.before(at)) || next == b':') {
        return None;
    }
    let before = view.context(at, 4);
    let start = at
        - before
            .iter()
            .rev()
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count();
    let joined = matches!(view.before(start), b':' | b'.' | b'-');
    if joined || !view.begins_word(start) {
        return None;
    }
    let mut end = view.run(start, MAX_IPV6 + 1, |byte| is_inside(byte) || byte == b'.');
    while end > start
        && (view.before(end) == b'.' || (view.before(end) == b':' && view.before(end - 1) != b':'))
    {
        end -= 1;
    }
    if !view.ends_word(end) {
        return None;
    }
    let text = std::str::from_utf8(view.slice(start, end)).ok()?;
    let address: Ipv6Addr = text.parse().ok()?;
    let is_own = address.is_loopback() || address.is_unspecified();
    (!is_own && is_written_as_address(text)).then(|| Found::new(Kind::Ip, start, end))
}

/// Whether it is no name of a program (`dead::beef`, `a::b`) and no hardware address of eight bytes.
fn is_written_as_address(text: &str) -> bool {
    if text.contains("::") {
        let first = text.split(':').next().unwrap_or_default();
        let has_digit = text.bytes().any(|byte| byte.is_ascii_digit());
        return has_digit && (first.is_empty() || first.len() >= 2) && text.len() >= 6;
    }
    text.split(':').any(|group| group.len() != 2)
}
