//! What the formats of JSON Schema look like.
//!
//! The engine has patterns of its own; these are narrower where a validator is: a day that is in the calendar, no leap
//! second (whether one was is in no pattern), host names of at most 253 characters.

/// A format as a pattern and the most characters it may have.
pub(super) struct Format {
    /// None: any string has it.
    pub(super) pattern: Option<String>,
    pub(super) max_length: Option<u64>,
}

const MONTH_DAY: &str = concat!(
    "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])",
    "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)",
    "|02-(?:0[1-9]|1[0-9]|2[0-8]))",
);
/// Every year of four digits but 0000, which calendars of programming languages lack.
const YEAR: &str = "(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)";
const LEAP_YEAR: &str = concat!(
    "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])",
    "|(?:0[48]|[2468][048]|[13579][26])00)",
);
const TIME: &str = concat!(
    r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?",
    "(?:[zZ]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])",
);
const DURATION_TIME: &str = "T(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S)";
const LABEL: &str = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?";
const OCTET: &str = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
const HEX: &str = "[0-9a-fA-F]";
const ATEXT: &str = r"[a-zA-Z0-9!#$%&'*+\-/=?\^_`{|}~]+";
const PATH_CHARACTER: &str = r"(?:[a-zA-Z0-9\-._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})";

/// Formats any string has: hints for a form, or for a reader.
const FREE: [&str; 3] = ["binary", "password", "path"];

/// The format called `name`; None of one that is not known.
pub(super) fn find(name: &str) -> Option<Format> {
    let date = format!("(?:{YEAR}-{MONTH_DAY}|{LEAP_YEAR}-02-29)");
    let ipv4 = format!(r"{OCTET}(?:\.{OCTET}){{3}}");
    let pattern = match name {
        "date" => date,
        "time" => TIME.to_owned(),
        "date-time" => format!("{date}[tT]{TIME}"),
        "duration" => duration(),
        "email" => format!(r"{ATEXT}(?:\.{ATEXT})*@{LABEL}(?:\.{LABEL})*"),
        "hostname" => format!(r"{LABEL}(?:\.{LABEL})*"),
        "ipv4" => ipv4,
        "ipv6" => ipv6(),
        "uuid" => format!("{HEX}{{8}}-{HEX}{{4}}-{HEX}{{4}}-{HEX}{{4}}-{HEX}{{12}}"),
        "uri" => uri(&ipv4),
        "json-pointer" => "(?:/(?:[^/~]|~[01])*)*".to_owned(),
        _ if FREE.contains(&name) => String::new(),
        _ => return None,
    };
    Some(Format {
        pattern: (!pattern.is_empty()).then(|| format!("^(?:{pattern})$")),
        max_length: matches!(name, "hostname" | "email").then_some(253),
    })
}

/// RFC 3339, appendix A.
fn duration() -> String {
    let date = "(?:[0-9]+Y(?:[0-9]+M(?:[0-9]+D)?)?|[0-9]+M(?:[0-9]+D)?|[0-9]+D)";
    format!("P(?:{date}(?:{DURATION_TIME})?|{DURATION_TIME}|[0-9]+W)")
}

/// RFC 4291, section 2.2: eight groups, one run of zeros left out at `::`. The form that ends as IPv4 is left out.
fn ipv6() -> String {
    let group = format!("{HEX}{{1,4}}");
    let mut forms = vec![format!("(?:{group}:){{7}}{group}")];
    for before in 0..8 {
        let head = match before {
            0 => "::".to_owned(),
            1 => format!("{group}::"),
            n => format!("(?:{group}:){{{}}}{group}::", n - 1),
        };
        let tail = match 7 - before {
            0 => String::new(),
            1 => format!("(?:{group})?"),
            n => format!("(?:{group}(?::{group}){{0,{}}})?", n - 1),
        };
        forms.push(format!("{head}{tail}"));
    }
    forms.join("|")
}

/// RFC 3986, appendix A; the host is a name or an IPv4 address.
fn uri(ipv4: &str) -> String {
    let character = PATH_CHARACTER;
    let user = r"(?:(?:[a-zA-Z0-9\-._~!$&'()*+,;=:]|%[0-9a-fA-F]{2})*@)?";
    let name = r"(?:[a-zA-Z0-9\-._~!$&'()*+,;=]|%[0-9a-fA-F]{2})*";
    let authority = format!("//{user}(?:{ipv4}|{name})(?::[0-9]*)?(?:/{character}*)*");
    let absolute = format!("/(?:{character}+(?:/{character}*)*)?");
    let rootless = format!("{character}+(?:/{character}*)*");
    let rest = format!("(?:{character}|[/?])*");
    format!(
        r"[a-zA-Z][a-zA-Z0-9+\-.]*:(?:{authority}|{absolute}|{rootless}|)(?:\?{rest})?(?:\#{rest})?"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex_syntax::Parser;

    #[test]
    fn every_pattern_is_a_regular_expression() {
        let names = [
            "date",
            "time",
            "date-time",
            "duration",
            "email",
            "hostname",
            "ipv4",
            "ipv6",
            "uuid",
            "uri",
            "json-pointer",
        ];

        for name in names {
            let pattern = find(name).and_then(|format| format.pattern).unwrap();
            assert!(Parser::new().parse(&pattern).is_ok(), "{name}");
        }
    }

    #[test]
    fn unknown_formats_are_none() {
        assert!(find("color").is_none());
        assert!(find("unknown").is_none());
        assert!(find("password").is_some_and(|format| format.pattern.is_none()));
    }
}
