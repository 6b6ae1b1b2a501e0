//! Keys in the forms of their issuers.

use crate::redact::kind::{Found, Kind};
use crate::redact::view::View;

const MAX_KEY: usize = 512;

/// How a key is written: what it begins with, which byte of that is looked for, how many characters follow.
struct Form {
    prefix: &'static [u8],
    trigger: usize,
    least: usize,
    most: usize,
    alphabet: Alphabet,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Alphabet {
    /// Capitals and digits.
    Capitals,
    /// Letters, digits, `-` and `_`.
    Url,
    /// The same, with so many letters and digits in a row, one of them a digit.
    Random,
}

const fn form(prefix: &'static [u8], trigger: usize, least: usize, alphabet: Alphabet) -> Form {
    Form {
        prefix,
        trigger,
        least,
        most: MAX_KEY,
        alphabet,
    }
}

const FORMS: &[Form] = &[
    form(b"sk-ant-", 2, 20, Alphabet::Url),
    form(b"sk-proj-", 2, 20, Alphabet::Url),
    form(b"sk-svcacct-", 2, 20, Alphabet::Url),
    form(b"sk-admin-", 2, 20, Alphabet::Url),
    form(b"sk-or-", 2, 20, Alphabet::Url),
    form(b"sk-", 2, 20, Alphabet::Random),
    Form {
        prefix: b"AIza",
        trigger: 1,
        least: 35,
        most: 35,
        alphabet: Alphabet::Url,
    },
    Form {
        prefix: b"AKIA",
        trigger: 2,
        least: 16,
        most: 16,
        alphabet: Alphabet::Capitals,
    },
    Form {
        prefix: b"ASIA",
        trigger: 2,
        least: 16,
        most: 16,
        alphabet: Alphabet::Capitals,
    },
    form(b"GOCSPX-", 6, 20, Alphabet::Url),
    form(b"ghp_", 3, 30, Alphabet::Random),
    form(b"gho_", 3, 30, Alphabet::Random),
    form(b"ghu_", 3, 30, Alphabet::Random),
    form(b"ghs_", 3, 30, Alphabet::Random),
    form(b"ghr_", 3, 30, Alphabet::Random),
    form(b"github_pat_", 6, 22, Alphabet::Random),
    form(b"glpat-", 5, 20, Alphabet::Url),
    form(b"xoxb-", 4, 10, Alphabet::Random),
    form(b"xoxa-", 4, 10, Alphabet::Random),
    form(b"xoxp-", 4, 10, Alphabet::Random),
    form(b"xoxr-", 4, 10, Alphabet::Random),
    form(b"xoxs-", 4, 10, Alphabet::Random),
    form(b"xapp-", 4, 20, Alphabet::Url),
    form(b"sk_live_", 2, 16, Alphabet::Random),
    form(b"sk_test_", 2, 16, Alphabet::Random),
    form(b"rk_live_", 2, 16, Alphabet::Random),
    form(b"rk_test_", 2, 16, Alphabet::Random),
    form(b"whsec_", 5, 16, Alphabet::Random),
    form(b"hf_", 2, 30, Alphabet::Url),
    form(b"gsk_", 3, 40, Alphabet::Random),
    form(b"xai-", 3, 40, Alphabet::Random),
    form(b"npm_", 3, 36, Alphabet::Random),
];

/// A key with the byte at `at` in its prefix.
pub(super) fn find(view: &View<'_>, at: usize) -> Option<Found> {
    let byte = view.at(at);
    if !matches!(byte, b'-' | b'_' | b'I') {
        return None;
    }
    FORMS.iter().find_map(|form| {
        let is_here = form.prefix[form.trigger] == byte;
        let start = is_here.then(|| at.checked_sub(form.trigger)).flatten()?;
        matches(view, start, form)
    })
}

/// A key that begins at `start`.
pub(super) fn begins(view: &View<'_>, start: usize) -> Option<Found> {
    FORMS.iter().find_map(|form| matches(view, start, form))
}

fn matches(view: &View<'_>, start: usize, form: &Form) -> Option<Found> {
    if !view.says(start, form.prefix) || !view.begins_word(start) || view.before(start) == b'-' {
        return None;
    }
    let body = start + form.prefix.len();
    let belongs = |byte: u8| match form.alphabet {
        Alphabet::Capitals => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
        _ => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'),
    };
    let end = view.run(body, form.most + 1, belongs);
    let count = end - body;
    let is_long = count >= form.least && (count <= form.most || form.most == MAX_KEY);
    let is_random = form.alphabet != Alphabet::Random || {
        let longest = view
            .slice(body, end)
            .split(|byte| !byte.is_ascii_alphanumeric())
            .max_by_key(|part| part.len());
        longest.is_some_and(|part| {
            part.len() >= form.least.min(20) && part.iter().any(u8::is_ascii_digit)
        })
    };
    (is_long && is_random && view.ends_word(end)).then(|| Found::new(Kind::Key, start, end))
}
