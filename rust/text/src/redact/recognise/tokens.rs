//! Tokens with a form of their own: JWT, PEM blocks of private keys, what follows `Bearer` and `Basic`.

use crate::redact::kind::{Found, Kind};
use crate::redact::view::{View, Word, mentions};

const MAX_TOKEN: usize = 8 * 1024;
const MAX_BLOCK: usize = 16 * 1024;

fn is_url_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// A token whose `J` of `eyJ` is at `at`: two or three parts.
pub(super) fn jwt(view: &View<'_>, at: usize) -> Option<Found> {
    let start = at.checked_sub(2)?;
    if !view.says(start, b"eyJ") || !view.begins_word(start) {
        return None;
    }
    let header = view.run(start, MAX_TOKEN, is_url_base64);
    if header - start < 12 || view.at(header) != b'.' || !view.says(header + 1, b"eyJ") {
        return None;
    }
    let claims = view.run(header + 1, MAX_TOKEN, is_url_base64);
    let end = match view.at(claims) {
        b'.' => view.run(claims + 1, MAX_TOKEN, is_url_base64),
        _ => claims,
    };
    Some(Found::new(Kind::Jwt, start, end))
}

/// A block whose first `-` is at `at`; one that breaks off, as far as it looks like one.
pub(super) fn private_key(view: &View<'_>, at: usize) -> Option<Found> {
    if view.before(at) == b'-' || !view.says(at, b"-----BEGIN ") {
        return None;
    }
    let name = at + 11;
    let header = view.run(name, 40, |byte| {
        byte.is_ascii_uppercase() || matches!(byte, b' ' | b'0'..=b'9')
    });
    if !view
        .slice(name, header)
        .windows(11)
        .any(|part| part == b"PRIVATE KEY")
        || !view.says(header, b"-----")
    {
        return None;
    }
    let limit = at + MAX_BLOCK;
    let mut end = header + 5;
    while end < limit {
        match view.at(end) {
            b'-' if view.says(end, b"-----END ") => {
                let name = view.run(end + 9, 40, |byte| {
                    byte.is_ascii_uppercase() || matches!(byte, b' ' | b'0'..=b'9')
                });
                return Some(Found::new(
                    Kind::PrivateKey,
                    at,
                    view.run(name, 5, |byte| byte == b'-'),
                ));
            }
            byte if byte.is_ascii_alphanumeric() => end += 1,
            b'+' | b'/' | b'=' | b'\n' | b'\r' | b'\t' | b' ' | b'\\' | b':' | b',' | b'-' => {
                end += 1;
            }
            _ => break,
        }
    }
    Some(Found::new(Kind::PrivateKey, at, end))
}

/// What follows `Bearer` or `Basic`, whose `B` is at `at`.
pub(super) fn bearer(view: &View<'_>, at: usize) -> Option<Found> {
    let is_bearer = view.says_any_case(at, b"bearer ");
    let is_basic = !is_bearer && view.says_any_case(at, b"basic ");
    if !(is_bearer || is_basic) || !view.begins_word(at) {
        return None;
    }
    let start = view.run(at + if is_bearer { 7 } else { 6 }, 2, |byte| byte == b' ');
    let belongs = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'+' | b'/' | b'=')
    };
    let mut end = view.run(start, MAX_TOKEN, belongs);
    while end > start && view.before(end) == b'.' {
        end -= 1;
    }
    let token = view.slice(start, end);
    let has_digit = token.iter().any(u8::is_ascii_digit);
    let is_token = if is_bearer {
        token.len() >= 12 && (has_digit || token.len() >= 24)
    } else {
        let is_header = mentions(view.context(at, 24), &[Word("authorization", false, false)]);
        token.len() >= 8 && is_header
    };
    is_token.then(|| Found::new(Kind::Bearer, start, end))
}
