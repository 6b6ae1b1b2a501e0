//! Regular expressions of schemas, which are ECMAScript's, in the syntax of the engine, which is that of Rust's `regex`.
//!
//! Where dialects disagree about a class, the text that all of them match is allowed: `\d`, `\w` and `\s` are ASCII, and
//! their negations leave out what is a digit, letter or space in Unicode; `.` matches no line end of any kind.

use regex_syntax::hir::{Hir, HirKind, Look};

use crate::grammar::error::Error;

/// Digits, letters and spaces of any dialect.
const WIDE_DIGIT: &str = r"\p{N}";
const WIDE_WORD: &str = r"\p{Alphabetic}\p{M}\p{N}\p{Pc}\p{Join_Control}";
const WIDE_SPACE: &str = r"\p{White_Space}\x{FEFF}\x{1C}-\x{1F}";
const DIGIT: &str = "0-9";
const WORD: &str = "0-9A-Za-z_";
const SPACE: &str = r" \t\n\r\f\x0B";
/// What pydantic puts before the pattern of a `Decimal`: at least one character is neither sign nor point.
const DECIMAL: &str = "^(?!^[-+.]*$)";

/// The patterns a string has to match, all of them, to match `pattern`.
///
/// # Errors
///
/// [`Error::Unsupported`] of what is no regular language, [`Error::Invalid`].
pub(super) fn translate(pattern: &str, path: &str) -> Result<Vec<String>, Error> {
    let decimal = pattern.strip_prefix(DECIMAL);
    if let Some(rest) = decimal.filter(|rest| is_decimal(rest)) {
        let rest = rewrite(&format!("^{rest}"), path)?;
        return Ok(vec![rest, "[0-9]".to_owned()]);
    }
    Ok(vec![rewrite(pattern, path)?])
}

fn is_decimal(rest: &str) -> bool {
    rest.chars()
        .all(|character| r"[+-]?0*\d{},1234567890().|$".contains(character))
}

fn rewrite(pattern: &str, path: &str) -> Result<String, Error> {
    let mut reader = Reader {
        rest: pattern.chars(),
        written: String::with_capacity(pattern.len()),
        path,
    };
    reader.outside()?;
    check(&reader.written, "pattern", path)?;
    Ok(reader.written)
}

/// Makes sure that the engine understands `pattern`; `feature` is what it is refused as.
///
/// # Errors
///
/// [`Error::Unsupported`], [`Error::Invalid`].
pub(in crate::grammar) fn check(pattern: &str, feature: &str, path: &str) -> Result<(), Error> {
    let parsed = regex_syntax::Parser::new()
        .parse(pattern)
        .map_err(|error| {
            let problem = match &error {
                regex_syntax::Error::Parse(error) => error.kind().to_string(),
                regex_syntax::Error::Translate(error) => error.kind().to_string(),
                _ => error.to_string(),
            };
            if problem.contains("not supported") {
                return Error::unsupported(feature, path, format!("{problem}: {pattern:?}"));
            }
            Error::Invalid {
                kind: "regular expression",
                path: path.to_owned(),
                problem: format!("{problem}: {pattern:?}"),
            }
        })?;
    match boundary(&parsed, 0) {
        None => Ok(()),
        Some(reason) => Err(Error::unsupported(
            feature,
            path,
            format!("{reason}: {pattern:?}"),
        )),
    }
}

fn boundary(expression: &Hir, depth: usize) -> Option<&'static str> {
    if depth > 250 {
        return Some("groups are nested too deeply");
    }
    match expression.kind() {
        HirKind::Look(Look::Start | Look::End)
        | HirKind::Empty
        | HirKind::Literal(_)
        | HirKind::Class(_) => None,
        HirKind::Look(Look::StartLF | Look::EndLF | Look::StartCRLF | Look::EndCRLF) => {
            Some("anchors of lines are not supported")
        }
        HirKind::Look(_) => Some("word boundaries are not supported"),
        HirKind::Repetition(repeated) => boundary(&repeated.sub, depth + 1),
        HirKind::Capture(group) => boundary(&group.sub, depth + 1),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().find_map(|part| boundary(part, depth + 1))
        }
    }
}

struct Reader<'a> {
    rest: std::str::Chars<'a>,
    written: String,
    path: &'a str,
}

impl Reader<'_> {
    fn outside(&mut self) -> Result<(), Error> {
        while let Some(character) = self.rest.next() {
            match character {
                '\\' => self.escape(false, false)?,
                '[' => self.class()?,
                '.' => self.written += r"[^\n\r\x{2028}\x{2029}]",
                other => self.written.push(other),
            }
        }
        Ok(())
    }

    /// The inside of `[…]`. Brackets and doubled signs mean themselves here, but not in Rust.
    fn class(&mut self) -> Result<(), Error> {
        self.written.push('[');
        let is_negated = self.rest.as_str().starts_with('^');
        if is_negated {
            self.rest.next();
            self.written.push('^');
        }
        while let Some(character) = self.rest.next() {
            match character {
                '\\' => self.escape(true, is_negated)?,
                ']' => {
                    if self.written.ends_with('[') || self.written.ends_with("[^") {
                        let reason = "an empty class [] or [^] is not supported";
                        return Err(Error::unsupported("pattern", self.path, reason));
                    }
                    self.written.push(']');
                    return Ok(());
                }
                '-' if self.rest.as_str().starts_with('-') => {
                    let reason = "-- in a class is not supported: write \\-";
                    return Err(Error::unsupported("pattern", self.path, reason));
                }
                '[' | '&' | '~' => {
                    self.written.push('\\');
                    self.written.push(character);
                }
                other => self.written.push(other),
            }
        }
        Ok(())
    }

    /// What is behind a backslash. In a negated class the wide set is left out, so that the narrow remains.
    fn escape(&mut self, in_class: bool, is_negated: bool) -> Result<(), Error> {
        let Some(character) = self.rest.next() else {
            self.written.push('\\');
            return Ok(());
        };
        let (narrow, wide) = match character.to_ascii_lowercase() {
            'd' => (DIGIT, WIDE_DIGIT),
            'w' => (WORD, WIDE_WORD),
            's' => (SPACE, WIDE_SPACE),
            _ => return self.other_escape(character),
        };
        // \D leaves the wide set out; inside [^…] it is the wide set of everything but digits.
        let inside = if is_negated == character.is_ascii_uppercase() {
            narrow
        } else {
            wide
        };
        let set = match (in_class, character.is_ascii_uppercase()) {
            (true, false) => inside.to_owned(),
            (_, true) => format!("[^{inside}]"),
            (false, false) => format!("[{inside}]"),
        };
        self.written += &set;
        Ok(())
    }

    fn other_escape(&mut self, character: char) -> Result<(), Error> {
        match character {
            'b' | 'B' => {
                let reason = "word boundaries are not supported";
                return Err(Error::unsupported("pattern", self.path, reason));
            }
            '1'..='9' | 'k' => {
                let reason = "backreferences are not supported";
                return Err(Error::unsupported("pattern", self.path, reason));
            }
            '0' => self.written += r"\x00",
            // A surrogate pair is one character.
            'u' if self.pair() => {}
            'p' | 'P' | 'u' | 'x' | 'n' | 'r' | 't' | 'f' | 'v' => {
                self.written.push('\\');
                self.written.push(character);
            }
            letter if letter.is_ascii_alphanumeric() => {
                let reason = format!("the escape \\{letter} is not supported");
                return Err(Error::unsupported("pattern", self.path, reason));
            }
            sign => self.written += &regex_syntax::escape(sign.encode_utf8(&mut [0; 4])),
        }
        Ok(())
    }

    fn pair(&mut self) -> bool {
        let text = self.rest.as_str();
        let unit = |from: usize| {
            let digits = text.get(from..from + 4)?;
            u16::from_str_radix(digits, 16).ok()
        };
        if text.get(4..6) != Some("\\u") {
            return false;
        }
        let Some(units) = unit(0).zip(unit(6)) else {
            return false;
        };
        let decoded = char::decode_utf16([units.0, units.1]).next();
        let Some(Ok(character)) = decoded.filter(|_| (0xD800..0xDC00).contains(&units.0)) else {
            return false;
        };
        self.written.push(character);
        self.rest = text[10..].chars();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(pattern: &str) -> String {
        translate(pattern, "").unwrap().join(" and ")
    }

    #[test]
    fn classes_become_what_every_dialect_matches() {
        assert_eq!(translated(r"^\d+$"), "^[0-9]+$");
        assert_eq!(translated(r"[\d-]"), "[0-9-]");
        assert_eq!(translated(r"\D"), r"[^\p{N}]");
        assert_eq!(translated(r"[^\d]"), r"[^\p{N}]");
        assert_eq!(translated(r"[^\D]"), "[^[^0-9]]");
        assert_eq!(translated("a.b"), r"a[^\n\r\x{2028}\x{2029}]b");
    }

    #[test]
    fn signs_of_set_operations_mean_themselves() {
        assert_eq!(translated("[a&&b~~[c]"), r"[a\&\&b\~\~\[c]");
        assert_eq!(translated(r"\uD83D\uDE00"), "\u{1F600}");
    }

    #[test]
    fn a_decimal_of_pydantic_has_a_digit() {
        let pattern = r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$";

        assert_eq!(translated(pattern), r"^[+-]?0*[0-9]*\.?[0-9]*$ and [0-9]");
    }

    #[test]
    fn what_is_not_regular_is_refused() {
        for pattern in [
            "(?=a)b",
            r"(a)\1",
            r"\bword\b",
            "(?<!x)y",
            "[a--b]",
            "[]",
            r"\cA",
            "(?m)^a",
        ] {
            let error = translate(pattern, "/pattern").unwrap_err();
            assert!(
                matches!(&error, Error::Unsupported { feature, .. } if feature == "pattern"),
                "{pattern}: {error:?}"
            );
        }
    }

    #[test]
    fn what_is_no_expression_is_invalid() {
        for pattern in ["(", "a{2,1}", "[a", "*", "\\"] {
            let error = translate(pattern, "/pattern").unwrap_err();
            assert!(
                matches!(error, Error::Invalid { .. }),
                "{pattern}: {error:?}"
            );
        }
    }
}
