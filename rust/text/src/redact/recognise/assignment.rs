//! What is assigned to a name that says it is a secret: `password=…`, `"api_key": "…"`.

use super::keys;
use crate::redact::kind::{Found, Kind, Kinds};
use crate::redact::view::View;

const MAX_NAME: usize = 48;
const MAX_VALUE: usize = 1024;
/// Bits of a character, over the characters of the value: 32 hex digits have about 3.6, words about 3.
const MIN_ENTROPY: f32 = 3.0;

const PASSWORDS: [&str; 12] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "passwort",
    "kennwort",
    "contraseña",
    "senha",
    "пароль",
    "密码",
    "パスワード",
];
const SECRETS: [&str; 18] = [
    "secret",
    "token",
    "apikey",
    "accesskey",
    "secretkey",
    "privatekey",
    "authkey",
    "signingkey",
    "encryptionkey",
    "masterkey",
    "accountkey",
    "sharedkey",
    "servicekey",
    "credential",
    "credentials",
    "authtoken",
    "sessionkey",
    "authorization",
];
/// Values that are none.
const NOTHING: [&str; 22] = [
    "null",
    "none",
    "true",
    "false",
    "undefined",
    "nil",
    "str",
    "string",
    "bytes",
    "optional",
    "any",
    "required",
    "text",
    "varchar",
    "hidden",
    "int",
    "bool",
    "secretstr",
    "field",
    "input",
    "self",
    "function",
];
const EXAMPLES: [&str; 7] = [
    "your",
    "example",
    "xxxx",
    "placeholder",
    "changeme",
    "redacted",
    "****",
];

fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`' | 1)
}

/// What is assigned with the `=` or `:` at `at`.
pub(super) fn find(view: &View<'_>, at: usize, kinds: Kinds) -> Option<Found> {
    if !matches!(view.at(at), b'=' | b':') {
        return None;
    }
    let kind = name_before(view, at)?;
    if !kinds.has(kind) || matches!(view.at(at + 1), b'=' | b'/' | b':') {
        return None;
    }
    let mut start = view.run(at + 1, 1, |byte| byte == b'>');
    start = view.run(start, 3, |byte| matches!(byte, b' ' | b'\t'));
    let slashes = view.run(start, 4, |byte| byte == b'\\') - start;
    let quote = view.at(start + slashes);
    let is_quoted = is_quote(quote);
    if is_quoted {
        start += slashes + 1;
    }
    let end = if is_quoted {
        quoted_end(view, start, quote, slashes)
    } else {
        plain_end(view, start, view.at(at) == b'=')
    };
    let end = view.whole_character(end);
    if kinds.has(Kind::Key)
        && let Some(found) = keys::begins(view, start)
    {
        return Some(found);
    }
    let value = view.slice(start, end);
    let is_taken = match kind {
        Kind::Password => is_password(view, at, start, end, is_quoted),
        _ => is_random(value),
    };
    (is_taken && !is_nothing(value)).then(|| Found::new(kind, start, end))
}

/// What the name before `at` says its value is.
fn name_before(view: &View<'_>, at: usize) -> Option<Kind> {
    let context = view.context(at, MAX_NAME + 6);
    let trimmed = context
        .iter()
        .rposition(|&byte| !(is_quote(byte) || matches!(byte, b' ' | b'\\' | b']')))?;
    let context = &context[..=trimmed];
    if context.len() + 6 < at.min(MAX_NAME) {
        return None;
    }
    // The last letters of the names: nearly every other name ends here.
    if !matches!(
        context.last()?.to_ascii_lowercase(),
        b'd' | b'e' | b't' | b'n' | b'y' | b'l' | b's' | b'a' | 0x80..
    ) {
        return None;
    }
    let is_name =
        |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(**byte, b'_' | b'-' | 0x80..);
    let mut name = [0; MAX_NAME];
    let mut first = MAX_NAME;
    for byte in context.iter().rev().take_while(is_name) {
        if first == 0 {
            break;
        }
        if !matches!(byte, b'_' | b'-') {
            first -= 1;
            name[first] = byte.to_ascii_lowercase();
        }
    }
    let name = &name[first..];
    let ends = |with: &str| name.ends_with(with.as_bytes());
    if PASSWORDS.iter().any(|one| ends(one))
        || name == b"pass"
        || name.ends_with(b"userpass")
        || name.ends_with(b"dbpass")
    {
        return Some(Kind::Password);
    }
    SECRETS.iter().any(|one| ends(one)).then_some(Kind::Secret)
}

/// Where the value ends whose quote, behind so many backslashes, stands before `start`.
fn quoted_end(view: &View<'_>, start: usize, quote: u8, slashes: usize) -> usize {
    let limit = start + MAX_VALUE;
    let mut at = start;
    while at < limit {
        match view.at(at) {
            0 | b'\n' => return at,
            b'\\' => {
                let behind = view.run(at, 8, |byte| byte == b'\\');
                let count = behind - at;
                if view.at(behind) == quote && count <= slashes {
                    return at;
                }
                let skips = slashes == 0 && count % 2 == 1 && view.at(behind) != 0;
                at = behind + usize::from(skips || (slashes > 0 && view.at(behind) == quote));
            }
            byte if byte == quote && slashes == 0 => return at,
            _ => at += 1,
        }
    }
    at
}

fn plain_end(view: &View<'_>, start: usize, is_query: bool) -> usize {
    let stops = |byte: u8| {
        (byte == b'&' && is_query)
            || byte <= b' '
            || is_quote(byte)
            || matches!(
                byte,
                b',' | b';' | b')' | b'}' | b']' | b'<' | b'>' | b'|' | b'\\'
            )
    };
    let mut end = view.run(start, MAX_VALUE, |byte| !stops(byte));
    if end > start && view.before(end) == b'.' {
        end -= 1;
    }
    end
}

/// Whether the value is a password, and neither code nor prose.
fn is_password(view: &View<'_>, at: usize, start: usize, end: usize, is_quoted: bool) -> bool {
    let value = view.slice(start, end);
    if is_quoted {
        return value.len() >= 3;
    }
    if value.len() < 4
        || matches!(value[0], b'$' | b'{' | b'[' | b'(' | b'<' | b'*' | b'%')
        || value.contains(&b'(')
        || value.contains(&b'[')
    {
        return false;
    }
    let is_word = value
        .iter()
        .all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'.'));
    let is_spaced = start > at + 1;
    let goes_on = match view.at(end) {
        b' ' => view.at(end + 1).is_ascii_lowercase(),
        byte => byte == b'(',
    };
    let is_attribute = is_word && value.contains(&b'.');
    !(is_attribute || (is_word && is_spaced && (goes_on || view.at(at) == b'=')))
}

fn is_nothing(value: &[u8]) -> bool {
    let mut small = [0; 64];
    let length = value.len().min(small.len());
    let small = &mut small[..length];
    small.copy_from_slice(&value[..length]);
    small.make_ascii_lowercase();
    let holds = |part: &str| {
        small
            .windows(part.len())
            .any(|window| window == part.as_bytes())
    };
    let is_marker =
        small.first() == Some(&b'<') || small.starts_with(b"${") || small.starts_with(b"{{");
    let is_name = PASSWORDS.iter().any(|name| small == name.as_bytes());
    is_marker
        || is_name
        || NOTHING.iter().any(|word| small == word.as_bytes())
        || EXAMPLES.iter().any(|part| holds(part))
}

/// Whether the value looks drawn at random: letters and digits, long, and no character too often.
fn is_random(value: &[u8]) -> bool {
    let has_digit = value.iter().any(u8::is_ascii_digit);
    let has_letter = value.iter().any(u8::is_ascii_alphabetic);
    let is_one = value.iter().all(u8::is_ascii_graphic);
    value.len() >= 16
        && has_digit
        && has_letter
        && is_one
        && !value.contains(&b'(')
        && entropy(value) >= MIN_ENTROPY
}

/// Bits of a character.
fn entropy(value: &[u8]) -> f32 {
    let mut counts = [0_u16; 256];
    for &byte in value {
        counts[usize::from(byte)] += 1;
    }
    let length = value.len() as f32;
    let counts = counts.iter().filter(|count| **count > 0);
    counts
        .map(|&count| f32::from(count) / length)
        .map(|share| -share * share.log2())
        .sum()
}
